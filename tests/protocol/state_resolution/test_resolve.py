"""The door to state resolution: what it takes, what it asks for, what it does with odd and hostile input."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from hamrasan.protocol.state_resolution import MissingEventError, resolve, split_states
from hamrasan.protocol.state_resolution.orderings import reverse_topological_power_order
from hamrasan.protocol.state_resolution.room import RoomEvents
from tests.protocol.factory import ALICE, BOB, CAROL, EVE, World, public_world

TOPIC = ("m.room.topic", "")
LEVELS = ("m.room.power_levels", "")


class Watched(Mapping[str, Event]):
    """Events that note which of them were asked for."""

    def __init__(self, events: Mapping[str, Event]) -> None:
        self._events = events
        self.asked: set[str] = set()

    def __getitem__(self, event_id: str) -> Event:
        self.asked.add(event_id)
        return self._events[event_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)


def two_topics(version: str) -> tuple[World, World, World]:
    """Return a room with some history, and two branches of it with a topic each."""
    start = public_world(version, BOB, CAROL, levels={BOB: 50})
    start.sets_topic(ALICE, "before")
    left, right = start.fork(), start.fork()
    left.sets_topic(BOB, "left")
    right.sets_topic(ALICE, "right")
    return start, left, right


@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_no_state_one_state_and_equal_states_need_no_events(version: str) -> None:
    room = public_world(version, BOB)
    for states in ([room.state], [room.state, dict(room.state)], [room.state] * 3):
        assert resolve(room.version, states, {}) == room.state
    assert resolve(room.version, [], {}) == {}
    assert resolve(room.version, [{}, {}], {}) == {}


@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_the_states_given_are_not_changed_and_the_answer_is_new(version: str) -> None:
    _, left, right = two_topics(version)
    before = dict(left.state), dict(right.state)
    answer = left.resolved([left.state, right.state])
    assert (left.state, right.state) == before
    alone = resolve(left.version, [left.state], {})
    alone.clear()
    assert answer
    assert left.state == before[0]


def test_split_states_tells_what_to_load() -> None:
    a, b, c = ("m.a", ""), ("m.b", ""), ("m.c", "")
    assert split_states([{a: "$1", b: "$2"}, {a: "$1", b: "$3", c: "$4"}]) == (
        {a: "$1"},
        {b: {"$2", "$3"}, c: {"$4"}},
    )
    assert split_states([]) == ({}, {})


@pytest.mark.parametrize("version", ["2", "11", "12"])
def test_a_missing_event_is_named_and_nothing_is_guessed(version: str) -> None:
    _, left, right = two_topics(version)
    events = Watched(left.events)
    expected = resolve(left.version, [left.state, right.state], events)
    assert events.asked
    for event_id in events.asked:
        fewer = {key: event for key, event in left.events.items() if key != event_id}
        with pytest.raises(MissingEventError) as missing:
            resolve(left.version, [left.state, right.state], fewer)
        assert missing.value.event_id == event_id
        assert event_id in str(missing.value)
    needed = {key: left.events[key] for key in events.asked}
    assert resolve(left.version, [left.state, right.state], needed) == expected


@pytest.mark.parametrize("version", ["2", "11", "12"])
def test_with_the_unconflicted_chain_at_hand_strangers_are_not_loaded(version: str) -> None:
    start, left, right = two_topics(version)
    everything = [left.state, right.state]
    shared = {event_id for event_id in start.events if event_id != start.state[TOPIC]}
    events = Watched({key: event for key, event in left.events.items() if event.state_key != CAROL})
    assert resolve(left.version, everything, events, unconflicted_chain=shared) == left.resolved(everything)
    with pytest.raises(MissingEventError):
        resolve(left.version, everything, events)


@pytest.mark.parametrize("version", ["2", "11"])
def test_the_unconflicted_chain_keeps_old_events_out(version: str) -> None:
    """Levels that only one topic cites, but which the newer, agreed levels cite too, are not tried again."""
    start = public_world(version, BOB)
    left = start.fork()
    left.sets_topic(ALICE, "under the first levels")
    start.sets_power_levels(ALICE, {ALICE: 100, BOB: 50})
    right = start.fork()
    right.sets_topic(BOB, "under the second levels")
    start.sets_power_levels(ALICE, {ALICE: 100})
    for branch in (left, right):
        branch.state[LEVELS] = start.state[LEVELS]
    state = left.resolved([left.state, right.state])
    assert state[LEVELS] == start.state[LEVELS]
    assert state[TOPIC] == left.state[TOPIC]


class TestRejected:
    def world(self, version: str) -> tuple[World, World, str]:
        """Return branches with a topic each; Bob's cites a membership that neither state has, but both build on."""
        left = public_world(version, BOB, levels={BOB: 50})
        left.send(BOB, "m.room.name", {"name": "ours"}, "")
        right = left.fork()
        membership = left.state["m.room.member", BOB]
        left.sets_topic(ALICE, "hers", at=500)
        right.sets_topic(BOB, "his", at=600)
        for branch in (left, right):
            del branch.state["m.room.member", BOB]
        return left, right, membership

    @pytest.mark.parametrize("version", ["2", "11", "12"])
    def test_auth_events_stand_in_for_missing_state(self, version: str) -> None:
        left, right, _ = self.world(version)
        assert left.resolved([left.state, right.state])[TOPIC] == right.state[TOPIC]

    @pytest.mark.parametrize("version", ["2", "11", "12"])
    def test_unless_they_were_rejected(self, version: str) -> None:
        left, right, membership = self.world(version)
        state = resolve(left.version, [left.state, right.state], left.events, rejected={membership})
        assert state[TOPIC] == left.state[TOPIC]

    @pytest.mark.parametrize("version", ["2", "11", "12"])
    def test_a_rejected_state_event_that_passes_now_is_taken(self, version: str) -> None:
        _, left, right = two_topics(version)
        later = right.state[TOPIC]
        state = resolve(left.version, [left.state, right.state], left.events, rejected={later})
        assert state[TOPIC] == later


class TestHostileRooms:
    LONG = 5_000
    """More than the interpreter's stack holds."""

    @pytest.mark.parametrize("version", ["2", "11", "12"])
    def test_auth_chains_longer_than_the_stack(self, version: str) -> None:
        start = public_world(version, BOB)
        left, right = start.fork(), start.fork()
        own = {} if version == "12" else {ALICE: 100}
        template = left.sets_power_levels(ALICE, {**own, BOB: 1})
        previous = template
        for number in range(self.LONG):
            cited = [i for i in template.auth_events if start.events[i].key != LEVELS]
            event_id = f"${number:043d}"
            previous = replace(template, event_id=event_id, auth_events=[*cited, previous.event_id])
            left.add(previous)
        left.sets_topic(ALICE, "deep")
        right.sets_topic(ALICE, "flat", at=0)
        state = left.resolved([left.state, right.state])
        assert state[LEVELS] == previous.event_id
        assert state[TOPIC] == left.state[TOPIC]

    def test_events_that_cite_each_other_in_a_circle_end(self) -> None:
        left = public_world("2", BOB)
        right = left.fork()
        one = left.sets_power_levels(ALICE, {ALICE: 100, BOB: 1})
        two = left.sets_power_levels(ALICE, {ALICE: 100, BOB: 2})
        left.events[one.event_id] = replace(one, auth_events=[*one.auth_events[:1], two.event_id])
        left.events[two.event_id] = replace(two, auth_events=[*two.auth_events[:1], one.event_id])
        topic = left.sets_topic(ALICE, "circle")
        right.sets_topic(ALICE, "line", at=0)
        state = left.resolved([left.state, right.state])
        assert state[TOPIC] in (topic.event_id, right.state[TOPIC])
        assert state == left.resolved([right.state, left.state])

    def test_a_circle_is_left_out_of_the_order(self) -> None:
        room = public_world("2", BOB)
        one = room.sets_topic(ALICE, "1")
        two = room.sets_topic(ALICE, "2")
        room.events[one.event_id] = replace(one, auth_events=[*one.auth_events, two.event_id])
        room.events[two.event_id] = replace(two, auth_events=[*two.auth_events, one.event_id])
        ids = {one.event_id, two.event_id, room.state[LEVELS]}
        assert reverse_topological_power_order(ids, RoomEvents(room.version, room.events, ())) == [
            room.state[LEVELS]
        ]

    def test_message_events_in_a_state_are_passed_over(self) -> None:
        left = public_world("11", BOB)
        right = left.fork()
        message = left.says(BOB, "I am state")
        left.state["m.room.message", ""] = message.event_id
        assert ("m.room.message", "") not in right.resolved([left.state, right.state])

    def test_levels_that_cannot_be_read_sort_as_nothing(self) -> None:
        start = World("9", only_create=True)
        start.joins(ALICE)
        start.sets_power_levels(ALICE, {ALICE: 100}, {"users_default": "none"})
        left, right = start.fork(), start.fork()
        closed = left.sets_join_rule(ALICE, "invite", at=500)
        stranger = right.make(EVE, "m.room.join_rules", {"join_rule": "public"}, "", at=400)
        right.add(stranger)
        state = left.resolved([left.state, right.state])
        assert state["m.room.join_rules", ""] == closed.event_id
