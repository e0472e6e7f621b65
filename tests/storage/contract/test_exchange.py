"""What every store must do with what is exchanged with other servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hamrasan.storage.ports.exchange import (
    DropLag,
    DropServerMessages,
    NewServerMessage,
    PutLag,
    PutRoomServer,
    RoomServerRow,
    ServerMessageRow,
    StagedPdu,
    StagePdu,
    UnstagePdus,
)
from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.rooms import FORWARD, OUTSIDE, NewRoom, PutMembership, StoredEvent
from hamrasan.storage.ports.user_data import READ, READ_PRIVATE, UNTHREADED, PutReceipt
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario

OWN, FAR, OTHER = "own.test", "far.test", "other.test"
ALICE, BOB = f"@alice:{OWN}", f"@bob:{FAR}"
Run = Callable[[Scenario], None]


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def event(position: Position, room: int, sender: str = ALICE, **fields: Any) -> StoredEvent:
    plain = StoredEvent(
        position=position,
        room=room,
        event_id=f"$event-{position}",
        type="m.room.message",
        state_key=None,
        sender=sender,
        origin_server_ts=position,
        depth=position,
        content=b"{}",
        envelope=b'{"auth_events":[],"prev_events":[]}',
        replaces=0,
        flags=0,
        relates_to=None,
        rel_type=None,
        txn_device=None,
        txn_id=None,
    )
    return plain._replace(**fields)


async def two_rooms(store: Store) -> None:
    """Room 1 is shared with both other servers, room 2 with one of them, room 3 with nobody."""
    rooms = [NewRoom(number, f"!{number}", "12", ALICE, 0) for number in (1, 2, 3)]
    joined = [
        PutRoomServer(1, FAR, True, 1, 1),
        PutRoomServer(1, OTHER, True, 4, 4),
        PutRoomServer(2, FAR, True, 2, 2),
    ]
    await put(store, *rooms, *joined)


def test_servers_of_rooms_and_of_users(run: Run) -> None:
    async def scenario(store: Store) -> None:
        reader = store.exchange
        assert not await reader.has_remote_rooms(OWN)
        await two_rooms(store)
        assert await reader.has_remote_rooms(OWN)
        assert sorted(await reader.servers(OWN, 5)) == [FAR, OTHER]
        assert len(await reader.servers(OWN, 1)) == 1
        assert await reader.servers(FAR, 5) == [OTHER]
        assert sorted(await reader.room_servers(1)) == [
            RoomServerRow(FAR, True, 1, 1),
            RoomServerRow(OTHER, True, 4, 4),
        ]
        assert await reader.room_servers(3) == []
        members = [PutMembership(room, ALICE, "join", 1, "$1", ALICE, 1) for room in (1, 2, 3)]
        await put(store, *members, PutMembership(2, BOB, "leave", 1, "$2", BOB, 1))
        assert await reader.servers_of_user(ALICE) == [FAR, OTHER]
        assert await reader.servers_of_user(BOB) == []
        await put(store, PutRoomServer(1, OTHER, False, 9, 4))
        assert await reader.servers_of_user(ALICE) == [FAR]
        assert RoomServerRow(OTHER, False, 9, 4) in await reader.room_servers(1)
        assert await reader.room_ids([1, 3, 7]) == {1: "!1", 3: "!3"}

    run(scenario)


def test_a_server_lacks_what_came_while_it_was_there(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await two_rooms(store)
        await put(
            store,
            event(3, 1),
            event(5, 1, state_key="x"),
            event(6, 2),
            event(7, 3),
            event(8, 1, sender=BOB),
            event(9, 1, sender=BOB, flags=FORWARD, state_key="y"),
            event(10, 1, state_key="z", flags=OUTSIDE),
            event(11, 1, sender="@eve:notown.test"),
        )

        async def lacks(server: str, after: Position, upto: Position = 100, most: int = 10) -> Any:
            return tuple(await store.exchange.news_of_rooms(server, OWN, after, upto, most))

        assert await lacks(FAR, 0) == ([3, 5, 6, 9], True)
        assert await lacks(FAR, 3, 6) == ([5, 6], True)
        assert await lacks(OTHER, 0) == ([5, 9], True), "it came at 4"
        assert await lacks("never.test", 0) == ([], True)
        assert await lacks(FAR, 0, most=3) == ([6, 9], False), "the latest of each room"
        assert await lacks(FAR, 0, 10**9, 2) == ([6, 9], False)
        await put(store, PutRoomServer(1, OTHER, False, 5, 4))
        assert await lacks(OTHER, 0) == ([5], True), "it went with 5"

    run(scenario)


def test_a_long_absence_is_told_by_the_latest_event_of_each_room(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await two_rooms(store)
        await put(store, event(3, 1, state_key=""), event(5, 1), event(6, 2), event(7, 2, sender=BOB))
        news = await store.exchange.news_of_rooms(FAR, OWN, 0, 10_000_000, 10)
        assert tuple(news) == ([5, 6], False)

    run(scenario)


def test_lags(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, PutLag(FAR, 5), PutLag(OTHER, 6), PutLag(FAR, 7))
        assert await store.exchange.lags() == [PutLag(FAR, 7), PutLag(OTHER, 6)]
        await put(store, DropLag(FAR))
        assert await store.exchange.lags() == [PutLag(OTHER, 6)]

    run(scenario)


def test_messages_wait_for_their_server_in_order(run: Run) -> None:
    async def scenario(store: Store) -> None:
        reader = store.exchange
        await put(
            store,
            NewServerMessage(FAR, 2, 0, b"2.0"),
            NewServerMessage(FAR, 1, 1, b"1.1"),
            NewServerMessage(FAR, 1, 0, b"1.0"),
            NewServerMessage(OTHER, 1, 2, b"other"),
        )
        assert sorted(await reader.servers_with_messages()) == [FAR, OTHER]
        assert await reader.messages(FAR, (0, -1), 2) == [
            ServerMessageRow(1, 0, b"1.0"),
            ServerMessageRow(1, 1, b"1.1"),
        ]
        assert await reader.messages(FAR, (1, 0), 9) == [
            ServerMessageRow(1, 1, b"1.1"),
            ServerMessageRow(2, 0, b"2.0"),
        ]
        await put(store, NewServerMessage(FAR, 1, 2, b"1.2"), DropServerMessages(FAR, 1, 1))
        assert [row.content for row in await reader.messages(FAR, (0, -1), 9)] == [b"1.2", b"2.0"]
        await put(store, DropServerMessages(FAR, 2, 0))
        assert await reader.servers_with_messages() == [OTHER]

    run(scenario)


def test_receipts_of_own_users_in_shared_rooms(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await two_rooms(store)

        def receipt(room: int, user: str, position: Position, type: str = READ) -> PutReceipt:
            return PutReceipt(room, user, type, UNTHREADED, "$1", 1, 1_000, position)

        await put(
            store,
            receipt(1, ALICE, 10),
            receipt(2, ALICE, 11),
            receipt(3, ALICE, 12),
            receipt(1, BOB, 13),
            receipt(2, ALICE, 14, READ_PRIVATE),
        )

        async def found(
            after: Position, upto: Position, most: int, server: str | None = None
        ) -> list[Position]:
            return [row.position for row in await store.exchange.receipts(OWN, after, upto, most, server)]

        assert await found(0, 100, 10) == [11, 10]
        assert await found(10, 100, 10) == [11]
        assert await found(0, 100, 1) == [11]
        assert await found(0, 100, 10, OTHER) == [10]
        (row,) = await store.exchange.receipts(OWN, 10, 100, 10)
        assert (row.room_id, row.user_id, row.event_id, row.ts) == ("!2", ALICE, "$1", 1_000)

    run(scenario)


def test_staged_events_are_unstaged_together(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, StagePdu("a", FAR, "!1", b"1"), StagePdu("b", OTHER, "!2", b"2"))
        await put(store, StagePdu("a", FAR, "!1", b"3"))
        rows = await store.exchange.staged(0, 10)
        assert [(row.lot, row.origin, row.room_id, row.pdu) for row in rows] == [
            ("a", FAR, "!1", b"1"),
            ("b", OTHER, "!2", b"2"),
            ("a", FAR, "!1", b"3"),
        ]
        assert await store.exchange.staged(rows[1].number, 10) == [StagedPdu(rows[2].number, *rows[2][1:])]
        await put(store, UnstagePdus("a"))
        assert [row.pdu for row in await store.exchange.staged(0, 10)] == [b"2"]

    run(scenario)
