"""What is noted for whom, and that a large room costs no more than its listeners."""

from __future__ import annotations

from unittest.mock import patch

from hamrasan.protocol.push_rules.evaluate import CompiledRuleset, PushActions
from hamrasan.push import reactor
from hamrasan.push.pushers import WantedPusher
from hamrasan.rooms.followers import FollowedEvent
from hamrasan.rooms.room import Member, Room
from hamrasan.rooms.rule_evaluation import evaluate_rules
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.push import NewWaitingPush, PusherId
from tests.sync.world import World, in_world

ALICE = "@alice:example.org"
MEMBERS = 20_000


def member(number: int) -> str:
    return f"@member{number}:example.org"


async def give_pusher(world: World, user_id: str, key: str = "key") -> None:
    wanted = WantedPusher(
        "http", "App", "Phone", None, "fa", {"url": "https://x.example/_matrix/push/v1/notify"}
    )
    await world.services.pushers.put(PusherId(user_id, "app", key), "", wanted, append=True)


async def crowd(world: World, room_id: str) -> None:
    """Fill a room with more members than a test could let join."""
    room = await world.services.registry.get(room_id)
    for number in range(MEMBERS):
        room.put_member(member(number), Member("join", 1, "$joined"))


async def said(world: World, room_id: str, text: str = "hi") -> FollowedEvent:
    event_id = await world.say(room_id, ALICE, text)
    stored = await world.store.events.by_id(event_id)
    assert stored is not None
    return FollowedEvent(room_id, stored)


def noted(batch: Batch | None) -> list[str]:
    writes = [] if batch is None else batch.writes
    return sorted(write.user_id for write in writes if isinstance(write, NewWaitingPush))


def test_a_message_in_a_crowd_costs_what_its_few_listeners_cost() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        await crowd(world, room_id)
        listeners = [member(number) for number in (5, 500, 15_000)]
        for user_id in [*listeners, ALICE, "@stranger:example.org"]:
            await give_pusher(world, user_id)
        handle = world.services.push_reactor.handle
        assert noted(await handle([await said(world, room_id)])) == sorted(listeners)
        looked_at = []

        def look(event: object, user_id: str) -> tuple[bool, bool]:
            looked_at.append(user_id)
            return False, False

        with patch.object(reactor, "by_predefined_rules", look):
            assert await handle([await said(world, room_id) for _ in range(10)]) is None
        assert sorted(looked_at) == sorted(listeners * 10)

    in_world(scenario)


def test_who_begins_to_listen_in_a_room_that_is_known_is_noticed() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        bob, carol = "@bob:example.org", "@carol:example.org"
        for user_id in (bob, carol):
            await world.member(room_id, user_id, "join")
        handle = world.services.push_reactor.handle
        assert await handle([await said(world, room_id)]) is None
        await give_pusher(world, bob)
        assert noted(await handle([await said(world, room_id)])) == [bob]
        await give_pusher(world, carol)
        assert noted(await handle([await said(world, room_id)])) == [bob, carol]
        await world.services.pushers.forget(bob)
        assert noted(await handle([await said(world, room_id)])) == [carol]

    in_world(scenario)


def test_one_event_that_nobody_foresaw_ends_nothing() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        await world.member(room_id, "@bob:example.org", "join")
        await give_pusher(world, "@bob:example.org")
        strange, usual = await said(world, room_id, "strange"), await said(world, room_id, "usual")

        def fail(
            room: Room,
            event: TimelineEvent,
            user_id: str,
            rules: CompiledRuleset,
            name: str | None,
            subscribed: bool | None,
        ) -> PushActions:
            if event.stored == strange.event:
                raise ZeroDivisionError
            return evaluate_rules(room, event, user_id, rules, name, subscribed)

        with patch.object(reactor, "evaluate_rules", fail):
            batch = await world.services.push_reactor.handle([strange, usual])
        assert batch is not None
        assert [write.position for write in batch.writes if isinstance(write, NewWaitingPush)] == [
            usual.event.position
        ]

    in_world(scenario)


def test_what_waits_for_one_user_is_trimmed() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        await world.member(room_id, "@bob:example.org", "join")
        await give_pusher(world, "@bob:example.org")
        for number in range(5 * reactor.MAX_WAITING):
            batch = await world.services.push_reactor.handle([await said(world, room_id, f"{number}")])
            assert batch is not None
            await world.store.journal.submit(batch)
        waiting = await world.store.push.waiting("@bob:example.org", 0, 10_000)
        assert reactor.MAX_WAITING <= len(waiting) < 2 * reactor.MAX_WAITING

    in_world(scenario)
