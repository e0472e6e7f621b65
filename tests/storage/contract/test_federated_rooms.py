"""What every store must do with what is special about rooms that other servers are in."""

from __future__ import annotations

from collections.abc import Callable

from hamrasan.protocol.canonical_json import encode_json
from hamrasan.storage.ports.federated_rooms import (
    OUTLIER,
    REJECTED,
    AddExtremity,
    BranchRow,
    BranchState,
    DropExtremities,
    DropMembership,
    DropPendingRedaction,
    DropSideEvent,
    FederatedRoomRow,
    HistoryEvent,
    MoveEvent,
    OutsideEvent,
    PendingRedaction,
    PutFederatedRoom,
    SideEvent,
)
from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.rooms import OUTSIDE, NewRoom, PutMembership, StateVersion, StoredEvent
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario

Run = Callable[[Scenario], None]

ROOM, OTHER = 1, 2
ALICE = "@alice:example.org"


async def write(store: Store, *writes: Write, positions: int = 0) -> None:
    await store.journal.submit(Batch(list(writes), positions))


async def begin(store: Store) -> None:
    """Have two rooms, and ten positions."""
    rooms = [NewRoom(number, f"!{number}:example.org", "12", ALICE, number) for number in (ROOM, OTHER)]
    await write(store, *rooms, positions=10)


def event(position: Position, *, flags: int = 0, type: str = "m.room.topic", room: int = ROOM) -> StoredEvent:
    envelope = encode_json({"auth_events": [f"$cited{position}"], "prev_events": []})
    return StoredEvent(
        position,
        room,
        f"$event{position}",
        type,
        "",
        ALICE,
        1,
        1,
        b"{}",
        envelope,
        0,
        flags,
        None,
        None,
        None,
        None,
    )


def test_a_room_is_a_list_until_something_else_is_said(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        read = store.federated_rooms.room
        assert await read(ROOM) is None
        missing, awaited = encode_json(["$a", "$b"]), encode_json(["$c"])
        await write(store, PutFederatedRoom(ROOM, 3, 4, 5, missing, awaited))
        assert await read(ROOM) == FederatedRoomRow(3, 4, 5, ("$a", "$b"), ("$c",), (), {})
        await write(store, PutFederatedRoom(ROOM, 3, 4, 6, b"[]", b"[]"))
        assert await read(ROOM) == FederatedRoomRow(3, 4, 6, (), (), (), {})
        assert await read(OTHER) is None

    run(scenario)


def test_extremities_are_in_the_order_of_depth(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        await write(
            store, AddExtremity(ROOM, "$late", 7), AddExtremity(ROOM, "$b", 5), AddExtremity(ROOM, "$a", 5)
        )
        row = await store.federated_rooms.room(ROOM)
        assert row is not None
        assert row.extremities == (("$a", 5), ("$b", 5), ("$late", 7))
        await write(store, DropExtremities(ROOM), AddExtremity(ROOM, "$new", 8))
        row = await store.federated_rooms.room(ROOM)
        assert row is not None
        assert row.extremities == (("$new", 8),)
        await write(store, DropExtremities(ROOM))
        assert await store.federated_rooms.room(ROOM) is None

    run(scenario)


def test_redactions_wait_for_their_events(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        await write(
            store, PendingRedaction(ROOM, "$target", "$first"), PendingRedaction(ROOM, "$target", "$second")
        )
        row = await store.federated_rooms.room(ROOM)
        assert row is not None
        assert row.pending_redactions == {"$target": "$first"}
        await write(store, DropPendingRedaction(ROOM, "$target"))
        assert await store.federated_rooms.room(ROOM) is None

    run(scenario)


def test_states_of_branches_are_replaced_by_later_ones(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        delta = [["m.room.topic", "", "$t"], ["m.room.member", ALICE, None]]
        await write(store, BranchState("$a", ROOM, 3, encode_json(delta)), BranchState("$b", ROOM, 4, b"[]"))
        expected = BranchRow(3, {("m.room.topic", ""): "$t", ("m.room.member", ALICE): None})
        read = store.federated_rooms.branches
        assert await read(["$a", "$b", "$c"]) == {"$a": expected, "$b": BranchRow(4, {})}
        await write(store, BranchState("$a", ROOM, 5, b"[]"))
        assert await read(["$a"]) == {"$a": BranchRow(5, {})}

    run(scenario)


def test_events_beside_a_room_come_and_go(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        pdu = encode_json({"auth_events": ["$x"]})
        first, second = SideEvent("$a", ROOM, OUTLIER, pdu), SideEvent("$b", ROOM, REJECTED, pdu)
        other = SideEvent("$c", OTHER, OUTLIER, pdu)
        await write(store, first, second, other)
        reader = store.federated_rooms
        assert await reader.side_events(["$a", "$c", "$d"]) == [first, other]
        assert await reader.all_side_events(ROOM, "", 10) == [first, second]
        assert await reader.all_side_events(ROOM, "$a", 1) == [second]
        await write(store, first._replace(kind=REJECTED), DropSideEvent("$b"))
        assert await reader.all_side_events(ROOM, "", 10) == [first._replace(kind=REJECTED)]
        # What comes and goes in one commit is gone.
        await write(store, SideEvent("$e", ROOM, OUTLIER, pdu), DropSideEvent("$e"))
        assert await reader.side_events(["$e"]) == []

    run(scenario)


def test_what_is_outside_is_in_no_timeline_but_can_be_the_state(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        outside, inside = event(2, flags=OUTSIDE), event(3, type="m.room.name")
        await write(
            store,
            OutsideEvent._make(outside),
            inside,
            StateVersion(ROOM, "m.room.topic", "", 2, 2),
            StateVersion(ROOM, "m.room.name", "", 3, 3),
        )
        assert await store.events.page(ROOM, 0, 10, 10, backwards=False) == [inside]
        assert [found for _, found in await store.events.following(0, 10, 10)] == [inside]
        assert await store.events.head(ROOM) == 3
        assert await store.federated_rooms.outside(ROOM, 0, 10) == [outside]
        assert await store.state.at(ROOM, 10) == [outside, inside]
        assert await store.events.by_id(outside.event_id) == outside

    run(scenario)


def test_an_event_that_gets_a_place_is_the_same_state_from_there(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        outside, later = event(2, flags=OUTSIDE), event(4)._replace(replaces=2)
        versions = [StateVersion(ROOM, "m.room.topic", "", position, position) for position in (2, 4)]
        await write(store, OutsideEvent._make(outside), later, *versions)
        placed = outside._replace(position=-1, flags=0)
        await write(store, HistoryEvent._make(placed), MoveEvent(-1, ROOM, "m.room.topic", "", 2))
        assert await store.federated_rooms.outside(ROOM, 0, 10) == []
        assert await store.state.at(ROOM, 3) == [placed]
        assert await store.events.by_id(outside.event_id) == placed
        assert await store.events.page(ROOM, -10, 10, 10, backwards=False) == [
            placed,
            later._replace(replaces=-1),
        ]
        assert await store.federated_rooms.lowest_position() == -1
        # From its place on it was the state, whenever this server came to know.
        assert [found.position for found in await store.state.versions(ROOM, "m.room.topic", "")] == [-1, 4]

    run(scenario)


def test_state_that_comes_back_counts_from_when_it_did(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        member = event(2, type="m.room.member")._replace(state_key=ALICE)
        other = event(3, type="m.room.member")._replace(state_key=ALICE)
        versions = [
            StateVersion(ROOM, "m.room.member", ALICE, position, of)
            for position, of in ((2, 2), (3, 3), (5, 2), (7, 0))
        ]
        await write(store, member, other, *versions)
        found = await store.state.versions(ROOM, "m.room.member", ALICE)
        assert [(each.position, each.event_id) for each in found] == [
            (2, "$event2"),
            (3, "$event3"),
            (5, "$event2"),
        ]
        assert await store.federated_rooms.flipped_members(ROOM) == [(ALICE, 5, 2), (ALICE, 7, 0)]
        assert await store.state.at(ROOM, 6) == [member]
        assert await store.state.at(ROOM, 8) == []
        assert await store.federated_rooms.changed_keys(ROOM, 3, 6) == [("m.room.member", ALICE)]
        assert await store.federated_rooms.changed_keys(ROOM, 7, 9) == []
        await write(store, PutMembership(ROOM, ALICE, "join", 5, "$event2", ALICE, 2))
        await write(store, DropMembership(ROOM, ALICE))
        assert await store.rooms.members(ROOM) == []

    run(scenario)


def test_auth_events_are_found_wherever_an_event_is(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await begin(store)
        side = SideEvent("$side", ROOM, OUTLIER, encode_json({"auth_events": ["$x", "$y"]}))
        plain = event(3)._replace(state_key=None, type="m.room.message")  # goes to the table of recent ones
        await write(store, event(2), plain, side, HistoryEvent._make(event(-1, room=OTHER)))
        found = await store.federated_rooms.auth_events(["$event2", "$event3", "$side", "$event-1", "$none"])
        assert {key: (room, list(cited)) for key, (room, cited) in found.items()} == {
            "$event2": (ROOM, ["$cited2"]),
            "$event3": (ROOM, ["$cited3"]),
            "$side": (ROOM, ["$x", "$y"]),
            "$event-1": (OTHER, ["$cited-1"]),
        }

    run(scenario)
