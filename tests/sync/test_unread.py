"""Unread counts, held against a naive reading of the specification: evaluate the push rules for every event."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.push_rules.conditions import RuleContext
from hamrasan.protocol.push_rules.defaults import POSTCONTENT, UNSUBSCRIBED_THREAD
from hamrasan.protocol.push_rules.evaluate import compile_ruleset, evaluate
from hamrasan.rooms import registry, room
from hamrasan.rooms.new_event import Transaction
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.sync import unread
from tests.sync.world import Client, World, device_of, in_world

ALICE, BOB, CAROL = "@alice:example.org", "@bob:example.org", "@carol:example.org"
USERS = (ALICE, BOB, CAROL)
BY_THREAD = {"room": {"timeline": {"unread_thread_notifications": True}}}

users = st.sampled_from(USERS)
places = st.integers(0, 30)
Step = tuple[Any, ...]


def _steps(senders: st.SearchStrategy[str]) -> list[st.SearchStrategy[Step]]:
    return [
        st.tuples(st.just("say"), senders, st.sampled_from(["hi", "a keyword", "Bobby is here"])),
        st.tuples(st.just("notice"), senders),
        st.tuples(st.just("mention"), senders, users),
        st.tuples(st.just("mention room"), senders),
        st.tuples(st.just("reply in thread"), senders, places),
        st.tuples(st.just("relate"), senders, places, st.sampled_from(["m.replace", "m.reference"])),
        st.tuples(st.just("react"), senders, places),
        st.tuples(st.just("redact"), places),
        st.tuples(st.just("topic")),
        st.tuples(st.just("receipt"), st.sampled_from(["m.read", "m.read.private"]), places),
        st.tuples(st.just("threaded receipt"), st.sampled_from(["m.read", "m.read.private"]), places),
        st.tuples(st.just("rename"), st.sampled_from(["Bobby", "Robert"])),
        st.tuples(st.just("ignore"), st.sets(st.sampled_from([ALICE, CAROL]))),
        st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), places),
        st.tuples(st.just("sync")),
    ]


steps = st.one_of(
    *_steps(users),
    st.tuples(st.just("come back")),
    st.tuples(st.just("rule"), st.sampled_from(["mute", "keyword", "name", "quiet alice", "loud reactions"])),
    st.tuples(st.just("rules for threads"), st.booleans()),
    st.tuples(st.just("unrule"), st.sampled_from(["mute", "keyword", "quiet alice"])),
    st.tuples(st.just("restart")),
)
# Others say much, and the reader seldom anything, which would begin the counts anew.
_others = st.sampled_from([ALICE, CAROL])
_mostly_others = st.sampled_from([ALICE, CAROL] * 8 + [BOB])
much = st.one_of(
    *_steps(_mostly_others),
    *[st.tuples(st.just("say"), _others, st.just("hi"))] * 20,
)
RULES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mute": ("room", "", {"actions": []}),
    "keyword": (
        "content",
        "keyword",
        {"pattern": "keyword", "actions": ["notify", {"set_tweak": "highlight"}]},
    ),
    "name": (
        "override",
        "name",
        {
            "conditions": [{"kind": "contains_display_name"}],
            "actions": ["notify", {"set_tweak": "highlight"}],
        },
    ),
    "quiet alice": ("sender", ALICE, {"actions": []}),
    "loud reactions": (
        "override",
        "reactions",
        {
            "conditions": [{"kind": "event_match", "key": "type", "pattern": "m.reaction"}],
            "actions": ["notify"],
        },
    ),
}


class Story:
    """What happens in a room of three in which Bob reads."""

    def __init__(self, world: World, room_id: str) -> None:
        self.world = world
        self.room_id = room_id
        self.client = Client(world, BOB)

    async def events(self) -> list[StoredEvent]:
        room = await self.world.services.registry.get(self.room_id)
        found = await self.world.store.events.page(room.number, 0, 2**62, 10_000, backwards=False)
        return list(found)

    async def messages(self) -> list[StoredEvent]:
        return [event for event in await self.events() if event.state_key is None]

    async def pick(self, place: int) -> StoredEvent | None:
        found = await self.messages()
        return found[place % len(found)] if found else None

    async def take(self, step: Step) -> None:
        try:
            await self._take(step)
        except MatrixError as error:
            # What cannot be is not done: a reaction given twice, a thread on a relation, a rule that is not there.
            if error.errcode in ("M_UNKNOWN_TOKEN", "M_INVALID_PARAM"):
                raise

    async def _take(self, step: Step) -> None:
        world, room_id, services = self.world, self.room_id, self.world.services
        match step:
            case ("say", sender, body):
                await world.say(room_id, sender, body)
            case ("notice", sender):
                await self._send(sender, {"msgtype": "m.notice", "body": "beep"})
            case ("mention", sender, target):
                await self._send(sender, {"m.mentions": {"user_ids": [target]}})
            case ("mention room", sender):
                await self._send(sender, {"m.mentions": {"room": True}})
            case ("reply in thread", sender, place):
                await self._relate(sender, place, "m.thread")
            case ("relate", sender, place, kind):
                await self._relate(sender, place, kind)
            case ("react", sender, place):
                await self._relate(sender, place, "m.annotation", "m.reaction")
            case ("redact", place):
                target = await self.pick(place)
                if target is not None:
                    room = await services.registry.get(room_id)
                    txn = Transaction(device_of(ALICE), f"redact {target.event_id}")
                    content = {"redacts": target.event_id}
                    await services.messages.send(room, ALICE, "m.room.redaction", content, txn)
            case ("topic",):
                await world.send(room_id, ALICE, "m.room.topic", {"topic": f"{id(object())}"}, "")
            case ("receipt", type, place):
                target = await self.pick(place)
                if target is not None:
                    await services.receipts.mark(room_id, BOB, {type: target.event_id})
            case ("threaded receipt", type, place):
                target = await self.pick(place)
                if target is not None:
                    thread = await services.receipts.thread_of(target)
                    await services.receipts.mark(room_id, BOB, {type: target.event_id}, thread)
            case ("rename", name):
                content = {"membership": "join", "displayname": name}
                await world.send(room_id, BOB, "m.room.member", content, BOB)
            case ("come back",):
                await world.member(room_id, BOB, "leave")
                await world.member(room_id, BOB, "join")
            case ("sync",):
                await self.client.sync()
            case ("restart",):
                await world.restart()
            case _:
                await self._prefer(step)

    async def _prefer(self, step: Step) -> None:
        """Change what Bob wants to hear of."""
        room_id, services = self.room_id, self.world.services
        match step:
            case ("ignore", ignored):
                everybody: dict[str, Any] = {"ignored_users": {user_id: {} for user_id in ignored}}
                await services.account_data.set_by_client(BOB, "", "m.ignored_user_list", everybody)
            case ("rule", name):
                kind, rule_id, body = RULES[name]
                await services.push_rules.put(BOB, kind, rule_id or room_id, body, None, None)
            case ("rules for threads", enabled):
                await services.push_rules.set_enabled(
                    BOB, POSTCONTENT, UNSUBSCRIBED_THREAD, {"enabled": enabled}
                )
            case ("subscribe" | "unsubscribe" as wish, place):
                target = await self.pick(place)
                if target is not None:
                    change = getattr(services.thread_subscriptions, wish)
                    await change(BOB, room_id, target.relates_to or target.event_id)
            case ("unrule", name):
                kind, rule_id, _ = RULES[name]
                await services.push_rules.delete(BOB, kind, rule_id or room_id)

    async def _send(self, sender: str, content: dict[str, Any]) -> None:
        content = {"msgtype": "m.text", "body": "x", **content}
        await self.world.send(self.room_id, sender, "m.room.message", content)

    async def _relate(self, sender: str, place: int, kind: str, type: str = "m.room.message") -> None:
        parent = await self.pick(place)
        if parent is None:
            return
        relation: dict[str, Any] = {"rel_type": kind, "event_id": parent.event_id}
        if kind == "m.annotation":
            relation["key"] = "👍"
        room = await self.world.services.registry.get(self.room_id)
        txn = Transaction(device_of(sender), f"relate {self.world.store.journal.next_position}")
        content = {"msgtype": "m.text", "body": "x", "m.relates_to": relation}
        await self.world.services.messages.send(room, sender, type, content, txn)

    async def expected(self) -> dict[str, tuple[int, int]]:
        """Return (notifications, highlights) by thread, from every event there is."""
        services, events = self.world.services, await self.events()
        rules = compile_ruleset(await services.push_rules.ruleset(BOB))
        ignored = await services.ignored.ignored_by(BOB)
        by_id = {event.event_id: event for event in events}
        joined, name = _stay(events)
        read = await self._read_up_to()
        counts: dict[str, tuple[int, int]] = {}
        for event in events:
            if event.position <= joined:
                continue
            thread = _thread_of(event, by_id)
            if event.sender == BOB:
                counts.pop(thread, None)
                continue
            if event.sender in ignored or event.redacted_by is not None:
                continue
            if event.position <= max(read.get("", 0), read.get(thread, 0)):
                continue
            content = parse_json(event.content)
            form = {"type": event.type, "sender": event.sender, "room_id": self.room_id, "content": content}
            if event.state_key is not None:
                form["state_key"] = event.state_key
            power = 100 if event.sender == ALICE else 0
            follows = (
                None if thread == "main" else await services.thread_subscriptions.is_subscribed(BOB, thread)
            )
            actions = evaluate(rules, form, RuleContext(BOB, 3, power, name, subscribed=follows))
            if actions.notify:
                notifications, highlights = counts.get(thread, (0, 0))
                counts[thread] = (notifications + 1, highlights + actions.highlight)
        return counts

    async def _read_up_to(self) -> dict[str, int]:
        read: dict[str, int] = {}
        for row in await self.world.store.receipts.of_user(BOB):
            read[row.thread_id] = max(read.get(row.thread_id, 0), row.event_position)
        return read


def _stay(events: list[StoredEvent]) -> tuple[int, str | None]:
    """Return where Bob's present stay began, and what he is called."""
    since, inside, name = 0, False, None
    for event in events:
        if event.type == "m.room.member" and event.state_key == BOB:
            content = parse_json(event.content)
            if content["membership"] == "join" and not inside:
                since = event.position
            inside, name = content["membership"] == "join", content.get("displayname")
    return since, name


def _thread_of(event: StoredEvent, by_id: dict[str, StoredEvent]) -> str:
    for _ in range(3):
        if event.rel_type is None or event.relates_to is None:
            return "main"
        if event.rel_type == "m.thread":
            return event.relates_to
        event = by_id[event.relates_to]
    return "main"


async def check(story: Story) -> None:
    expected = await story.expected()
    total = tuple(map(sum, zip(*expected.values(), strict=True))) or (0, 0)
    # A device that has just been asking, and one that begins now.
    for since in (None, story.client.since):
        answer = await story.world.sync(BOB, since and story.world.services.sync.current_token(since))
        section = None if answer is None else answer.get("rooms", {}).get("join", {}).get(story.room_id)
        if section is not None:
            shown = section["unread_notifications"]
            assert (shown["notification_count"], shown["highlight_count"]) == total
    answer = await story.world.sync(BOB, filter=BY_THREAD)
    assert answer is not None
    section = answer["rooms"]["join"][story.room_id]
    by_thread = {"main": section["unread_notifications"], **section["unread_thread_notifications"]}
    assert by_thread.pop("main") == _form(expected.pop("main", (0, 0)))
    assert by_thread == {thread: _form(counts) for thread, counts in expected.items()}


def _form(counts: tuple[int, int]) -> dict[str, int]:
    return {"notification_count": counts[0], "highlight_count": counts[1]}


def tell(taken: list[Step], often: bool) -> None:
    """Take the steps in a new room, and check the counts after the last or after each."""

    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        for user_id in (BOB, CAROL):
            await world.member(room_id, user_id, "join")
        story = Story(world, room_id)
        for step in taken:
            await story.take(step)
            if often:
                await check(story)
        await check(story)

    in_world(scenario)


@given(taken=st.lists(steps, max_size=40), often=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counts_are_what_the_push_rules_say(taken: list[Step], often: bool) -> None:
    tell(taken, often)


@given(
    taken=st.lists(much, min_size=15, max_size=60),
    restarts=st.booleans(),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_store_counts_what_is_plain_just_so(taken: list[Step], restarts: bool) -> None:
    # With little in memory, and few events being many, the store counts by itself.
    with (
        patch.object(unread, "PAGE", 3),
        patch.object(room, "TAIL_EVENTS", 4),
        patch.object(registry, "TAIL_ON_LOAD", 4),
    ):
        tell([*taken, ("restart",)] if restarts else taken, often=False)


def test_a_long_unread_history_is_counted_from_the_store() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        await world.member(room_id, BOB, "join")
        story = Story(world, room_id)
        root = await world.say(room_id, ALICE)
        for number in range(700):
            await world.say(room_id, ALICE, f"m{number}")
        await story.take(("reply in thread", ALICE, 0))
        # A new name is an own event in the main timeline; the thread stays unread.
        await story.take(("rename", "Bobby"))
        for _ in range(100):
            await world.say(room_id, ALICE)
        await check(story)
        await world.restart()
        await check(story)
        assert (await story.expected()) == {"main": (100, 0), root: (1, 0)}
        await world.say(room_id, BOB)
        for _ in range(400):
            await world.say(room_id, ALICE)
        await check(story)
        assert (await story.expected()) == {"main": (400, 0), root: (1, 0)}

    in_world(scenario)
