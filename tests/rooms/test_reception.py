"""Events of other servers: joining a room, and what comes in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.protocol.auth_rules import NotAllowed
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import event_from_pdu
from hamrasan.protocol.redaction import redact
from hamrasan.protocol.signing import verify_event_signature
from hamrasan.rooms.reception import MissingEvents, Outcome
from hamrasan.storage.ports.rooms import FORWARD, NOTIFIES, OUTSIDE, RoomEvents, StoredEvent
from tests.rooms.engine import decided, message
from tests.rooms.signed_worlds import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    HOME,
    REZA,
    SARA,
    Receiver,
    SignedWorld,
    ids,
    key_of,
    on_receiver,
    public,
)

VERSIONS = ["3", "5", "10", "11", "12"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_joined_room_begins_with_its_state_and_shows_only_the_join(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL)
        world.sets_topic(ALICE, "امروز")
        room = await receiver.join(world)
        assert await receiver.state(room) == world.state
        assert await receiver.timeline(room) == world.heads
        assert room.servers == {"example.org": 1, "remote.example": 1, HOME: 1}
        assert room.extremities == tuple(world.heads)
        before = decided(room)
        receiver.restart()
        again = await receiver.registry.get(room.id)
        assert decided(again) == before
        assert await receiver.problems() == []
        assert (again.seeded, again.missing) == (room.seeded, room.missing)
        assert await receiver.reception.missing_history(again) == tuple(
            world.events[world.heads[0]].prev_events
        )

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_events_in_order_are_taken_as_local_ones_are(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL)
        room = await receiver.join(world)
        events = [
            world.says(CAROL, "سلام"),
            world.sets_topic(ALICE, "فردا"),
            world.joins(DAN),
            world.leaves(CAROL),
        ]
        assert await receiver.add(room, *events) == [Outcome.ACCEPTED] * 4
        assert await receiver.add(room, *events) == [Outcome.KNOWN] * 4
        assert await receiver.state(room) == world.state
        assert (await receiver.timeline(room))[1:] == ids(events)
        assert (room.listed, room.forked, room.flipped) == (False, 0, 0)
        assert await receiver.problems() == []
        assert not receiver.store.database.rows("SELECT * FROM branch_states WHERE event_id = ?", world.heads)
        first = await receiver.store.events.by_id(events[0].event_id)
        assert first is not None
        assert first.flags == NOTIFIES

    on_receiver(tmp_path, scenario)


def test_nobody_waits_for_each_of_several_events(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        events = [world.says(CAROL, str(number)) for number in range(20)]
        received = [await receiver.reception.submit(room, event) for event in events]
        assert [outcome for outcome, _ in received] == [Outcome.ACCEPTED] * 20
        again = await receiver.reception.submit(room, events[3])
        assert again.outcome is Outcome.KNOWN
        for _, durable in received:
            assert durable is not None
            await durable
        assert (await receiver.timeline(room))[1:] == ids(events)

    on_receiver(tmp_path, scenario)


def test_local_events_follow_those_of_others_and_leave_signed(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        said = world.says(CAROL, "سلام")
        await receiver.add(room, said)
        event_id = await receiver.registry.send(room, message(SARA))
        pdus = await receiver.federated_events.pdus([event_id, said.event_id, "$unknown"])
        assert list(pdus) == [event_id, said.event_id]
        assert pdus[event_id]["prev_events"] == [said.event_id]
        verify_event_signature(pdus[event_id], room.version, HOME, "ed25519:a", key_of(HOME).public_key)
        assert pdus[said.event_id] == said.pdu
        # Another server takes it as it is.
        ours = event_from_pdu(pdus[event_id], event_id, room.id)
        world.add(ours)
        answer = world.says(CAROL, "علیک سلام")
        assert await receiver.add(room, answer) == [Outcome.ACCEPTED]

    on_receiver(tmp_path, scenario)


def test_what_has_to_be_passed_on_is_marked(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        joined = world.joins(DAN)
        assert await receiver.reception.add(room, joined, forward=True) is Outcome.ACCEPTED
        stored = await receiver.store.events.by_id(joined.event_id)
        assert stored is not None
        assert stored.flags & FORWARD

    on_receiver(tmp_path, scenario)


def test_the_states_at_events_and_auth_chains(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        before_join = dict(world.state)
        room = await receiver.join(world)
        joined = world.heads[0]
        at_join = dict(world.state)
        topic = world.sets_topic(ALICE, "یک")
        said = world.says(CAROL, "دو")
        await receiver.add(room, topic, said)
        asked = receiver.federated_events
        assert await asked.state_before(room, joined) == before_join
        assert await asked.state_after(room, joined) == at_join
        assert await asked.state_before(room, topic.event_id) == at_join
        assert await asked.state_after(room, topic.event_id) == world.state
        assert await asked.state_before(room, said.event_id) == world.state
        chain = await asked.auth_chain([said.event_id, topic.event_id])
        assert set(chain) == set(ids(world.chain_of([said, topic])))
        with pytest.raises(MatrixError) as refusal:
            await asked.state_before(room, "$unknown")
        assert refusal.value.errcode == "M_NOT_FOUND"
        with pytest.raises(MatrixError):
            await asked.state_after(room, world.create.event_id)

    on_receiver(tmp_path, scenario)


def test_a_template_is_what_the_room_would_take(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        content = {"membership": "join"}
        pdu = await receiver.federated_events.template(room, "m.room.member", REZA, REZA, content)
        made = world.make(REZA, "m.room.member", content, REZA, at=0)
        assert {**made.pdu, "origin_server_ts": 0} == {
            **pdu,
            "origin_server_ts": 0,
            "hashes": made.pdu["hashes"],
            "signatures": made.pdu["signatures"],
        }
        world.bans(ALICE, REZA)
        await receiver.add(room, world.events[world.heads[0]])
        with pytest.raises(NotAllowed):
            await receiver.federated_events.template(room, "m.room.member", REZA, REZA, content)

    on_receiver(tmp_path, scenario)


def test_an_event_with_a_wrong_hash_is_kept_as_if_it_were_redacted(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        said = world.says(CAROL, "سلام")
        altered = event_from_pdu(redact(said.pdu, room.version), said.event_id, room.id)
        assert await receiver.add(room, altered) == [Outcome.ACCEPTED]
        stored = await receiver.store.events.by_id(said.event_id)
        assert stored is not None
        assert (stored.content, stored.redacted_by) == (b"{}", "altered")

    on_receiver(tmp_path, scenario)


def test_events_that_need_others_say_which(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        first, second = world.says(CAROL, "یک"), world.says(CAROL, "دو")
        before = decided(room)
        with pytest.raises(MissingEvents) as missing:
            await receiver.add(room, second)
        assert (missing.value.prev, missing.value.auth) == ([first.event_id], [])
        assert decided(room) == before
        assert await receiver.add(room, first, second) == [Outcome.ACCEPTED] * 2

    on_receiver(tmp_path, scenario)


def test_rejected_events_are_kept_and_nobody_sees_them(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        room = await receiver.join(world)
        topic = world.make(CAROL, "m.room.topic", {"topic": "من"}, "")
        world.events[topic.event_id] = topic
        before, seen = decided(room), await receiver.timeline(room)
        assert await receiver.add(room, topic, topic) == [Outcome.REJECTED, Outcome.KNOWN]
        assert (decided(room), await receiver.timeline(room)) == (before, seen)
        # What follows it is judged as if it had not been sent; what cites it is rejected, too.
        said = world.make(CAROL, "m.room.message", {"body": "بعد"}, prev_events=[topic.event_id])
        assert await receiver.add(room, said) == [Outcome.ACCEPTED]
        assert room.extremities == (said.event_id,)
        assert await receiver.state(room) == world.state
        assert await receiver.problems() == []

    on_receiver(tmp_path, scenario)


def test_seeding_refuses_what_does_not_fit_together(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        other = SignedWorld("12", BOB)
        state, joined = world.state_events, world.joins(SARA)
        chain = world.chain_of([*state, joined])
        seed = receiver.reception.seed
        without_create = [event for event in state if event.type != "m.room.create"]
        for version, given in (
            ("12", without_create),
            ("12", other.state_events),
            ("11", state),
            ("12", [event for event in state if event.type in ("m.room.create", "m.room.member")]),
        ):
            with pytest.raises(NotAllowed):
                await seed(world.room_id, version, given, chain, joined)
        with pytest.raises(MatrixError) as refusal:
            await seed(world.room_id, "2", state, chain, joined)
        assert refusal.value.errcode == "M_UNSUPPORTED_ROOM_VERSION"
        assert not await receiver.store.rooms.rooms([world.room_id])
        await seed(world.room_id, "12", state, chain, joined)

    on_receiver(tmp_path, scenario)


def test_state_that_its_auth_events_do_not_allow_is_left_out_of_a_seed(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        state = world.state_events
        forged = world.make(CAROL, "m.room.topic", {"topic": "دروغ"}, "")
        unknown = world.make(CAROL, "m.room.name", {}, "", auth_events=["$unknown"])
        joined = world.joins(SARA)
        chain = world.chain_of([*state, joined])
        room = await receiver.reception.seed(world.room_id, "12", [*state, forged, unknown], chain, joined)
        assert await receiver.state(room) == world.state
        sides = await receiver.store.federated_rooms.side_events([forged.event_id, unknown.event_id])
        assert [(side.event_id, side.kind) for side in sides] == [(forged.event_id, "rejected")]

    on_receiver(tmp_path, scenario)


def test_positions_of_what_came_along_are_in_no_timeline(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", *(f"@m{number}:remote.example" for number in range(50)))
        room = await receiver.join(world)
        events, store = receiver.store.events, receiver.store
        assert await events.head(room.number) == room.head
        assert [each.event_id for _, each in await events.following(0, 2**62, 100)] == world.heads
        assert await events.latest(room.number, 2**62, 5) == 0
        assert len(await store.federated_rooms.outside(room.number, 0, 1_000)) == len(world.state) - 1
        for stored in await store.federated_rooms.outside(room.number, 0, 1_000):
            assert stored.flags == OUTSIDE
            assert stored.position < room.seeded

    on_receiver(tmp_path, scenario)


def test_what_was_redacted_before_it_came_is_never_shown(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN)
        room = await receiver.join(world)
        left, right = world.fork(), world.fork()
        said = left.says(CAROL, "پنهان")
        redaction = right.send(DAN, "m.room.redaction", {"redacts": said.event_id})
        heard: list[StoredEvent] = []
        receiver.store.journal.listen(RoomEvents, lambda item: heard.extend(item.events))
        assert await receiver.add(room, redaction) == [Outcome.ACCEPTED]
        assert room.pending_redactions == {said.event_id: redaction.event_id}
        receiver.restart()
        room = await receiver.registry.get(room.id)
        assert await receiver.add(room, said) == [Outcome.ACCEPTED]
        assert [(event.event_id, event.content) for event in heard][-1] == (said.event_id, b"{}")
        assert not room.pending_redactions
        assert await receiver.problems() == []

    on_receiver(tmp_path, scenario)


def test_a_redaction_takes_effect_whichever_comes_first(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN)
        room = await receiver.join(world)
        said, other = world.says(CAROL, "پنهان"), world.says(ALICE, "ماند")
        redactions = [
            world.send(DAN, "m.room.redaction", {"redacts": each.event_id}) for each in (said, other)
        ]
        received = [await receiver.reception.submit(room, event) for event in (said, other, *redactions)]
        for _, durable in received:
            assert durable is not None
            await durable
        taken, kept = await receiver.store.events.by_ids([said.event_id, other.event_id])
        assert (taken.content, taken.redacted_by) == (b"{}", redactions[0].event_id)
        assert kept.redacted_by is None  # DAN is of CAROL's server, but not of ALICE's, and no moderator
        assert not room.pending_redactions

    on_receiver(tmp_path, scenario)


def test_rooms_of_old_versions_may_hold_numbers_and_levels_that_are_none(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("5", CAROL, DAN)
        room = await receiver.join(world)
        levels = {"users": {ALICE: 100}, "notifications": {"room": "many"}, "ban": 50.5}
        changed = world.send(ALICE, "m.room.power_levels", levels, "")
        loud = world.send(CAROL, "m.room.message", {"msgtype": "m.text", "body": "@room", "x": 1e10})
        loud_too = world.send(
            CAROL, "m.room.message", {"msgtype": "m.text", "body": "!", "m.mentions": {"room": True}}
        )
        taken = [
            world.send(who, "m.room.redaction", {}, redacts=what.event_id)
            for who, what in ((ALICE, loud), (DAN, changed), (DAN, loud_too))
        ]
        outcomes = await receiver.add(room, changed, loud, loud_too, *taken)
        assert outcomes == [Outcome.ACCEPTED] * 6
        found = {
            each.event_id: each for each in await receiver.store.events.by_ids(ids([changed, loud, loud_too]))
        }
        assert found[loud.event_id].redacted_by == taken[0].event_id
        assert found[changed.event_id].redacted_by is None
        assert found[loud_too.event_id].redacted_by == taken[2].event_id
        own = world.send(ALICE, "m.room.redaction", {}, redacts=changed.event_id)
        assert await receiver.add(room, own) == [Outcome.ACCEPTED]
        assert await receiver.problems() == []

    on_receiver(tmp_path, scenario)
