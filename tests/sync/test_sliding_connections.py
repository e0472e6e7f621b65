"""Connections of sliding sync: what is remembered of them, within which limits, and over restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.sync.sliding import connection_registry
from hamrasan.sync.sliding.connections import MAX_MEMBERS, Connection, Mark, News, SentRoom
from hamrasan.sync.sliding.kept import decode_connection, encode_connection
from hamrasan.sync.sliding.required_state import RequiredState, choice_of
from tests.running import running
from tests.sliding import Connection as Client
from tests.sliding import texts
from tests.sync.sliding_client import SlidingClient
from tests.sync.world import World, in_world

ALICE, BOB = "@alice:example.org", "@bob:example.org"
KEY = (ALICE, "DEVICE", "main")
CHOICE = choice_of(
    frozenset({RequiredState(frozenset({("m.room.name", ""), (None, None)}), frozenset(), True)})
)


def sent(upto: int, **changes: Any) -> SentRoom:
    return SentRoom(upto, "join", 5, CHOICE)._replace(**changes)


def test_an_answer_counts_once_its_position_comes_back() -> None:
    connection = Connection(KEY, "name")
    connection.answered(News(Mark("first", 5), {"!a:x": sent(5)}, [3]))
    assert not connection.accepts("other")
    assert connection.rooms == {}
    assert not connection.has_member(3)
    assert connection.accepts("first")
    assert connection.rooms == {"!a:x": sent(5)}
    assert connection.has_member(3)
    connection.answered(News(Mark("lost", 6), {"!a:x": sent(6)}))
    assert connection.accepts("first")
    connection.answered(News(Mark("again", 7), {"!b:x": sent(7)}))
    assert not connection.accepts("lost")
    assert connection.accepts("again")
    assert not connection.accepts("first")
    assert connection.rooms == {"!a:x": sent(5), "!b:x": sent(7)}


def test_nothing_goes_on_from_no_position() -> None:
    assert not Connection(KEY, "name").accepts("")


def test_members_are_remembered_up_to_a_limit() -> None:
    connection = Connection(KEY, "name")
    connection.answered(News(Mark("p"), members=[1, *range(2, MAX_MEMBERS + 2)]))
    assert connection.accepts("p")
    assert not connection.has_member(1)
    assert connection.has_member(MAX_MEMBERS + 1)


def test_a_connection_is_kept_as_it_was() -> None:
    connection = Connection(KEY, "name")
    mark = Mark("first", 5, 0, {"all": 3}, frozenset({"!a:x"}), True, frozenset({"!b:x"}))
    connection.answered(News(mark, {"!a:x": sent(5, receipts=True)}))
    assert connection.accepts("first")
    connection.answered(News(Mark("second", 6), {"!b:x": sent(6, account_data=True)}))
    restored = decode_connection(KEY, "new", encode_connection(connection))
    assert restored is not None
    assert (restored.mark, restored.rooms) == (mark, connection.rooms)
    assert restored.rooms["!a:x"].choice is CHOICE
    assert restored.accepts("second")
    assert restored.rooms["!b:x"] == sent(6, account_data=True)


def test_what_another_version_kept_is_not_read() -> None:
    assert decode_connection(KEY, "new", b'{"version":0}') is None


def test_a_client_goes_on_over_a_restart_and_begins_anew_after_a_crash() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        client = SlidingClient(world, ALICE)
        await client.sync()
        await client.sync()
        await world.say(room_id, ALICE)
        for crash in (False, False, True):
            name = client.pos
            await world.restart(crash=crash)
            await world.say(room_id, ALICE)
            before = list(client.rooms[room_id]["timeline"])
            kept = await is_known(client)
            assert kept is not crash
            await client.sync()
            assert client.pos != name
            assert len(client.rooms[room_id]["timeline"]) > len(before)

    in_world(scenario)


async def is_known(client: SlidingClient) -> bool:
    try:
        await client.world.services.sliding_sync.connect(client.request())
    except MatrixError as error:
        return error.errcode != "M_UNKNOWN_POS"
    return True


def test_an_answer_that_was_lost_with_a_restart_is_given_again() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        client = SlidingClient(world, ALICE)
        await client.sync()
        event_id = await world.say(room_id, ALICE)
        await client.sync(lost=True)
        await world.restart()
        await client.sync()
        assert client.rooms[room_id]["timeline"][-1] == event_id

    in_world(scenario)


def test_what_is_kept_for_long_is_forgotten() -> None:
    async def scenario(world: World) -> None:
        client = SlidingClient(world, ALICE)
        await client.sync()
        await world.restart()
        world.clock.advance(connection_registry.KEPT_MS / 1000 + 1)
        await world.restart()
        assert not await is_known(client)

    in_world(scenario)


def test_memory_is_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        for _ in range(3):
            await world.room(ALICE)
        monkeypatch.setattr(connection_registry, "MAX_WEIGHT", 7)
        clients = [SlidingClient(world, ALICE, str(number)) for number in range(3)]
        for client in clients:
            await client.sync()
            await client.sync()
        assert [await is_known(client) for client in clients] == [False, True, True]
        monkeypatch.setattr(connection_registry, "MAX_CONNECTIONS", 1)
        await SlidingClient(world, BOB).sync()
        assert len(world.services.sliding_sync.connections) == 1

    in_world(scenario)


def test_a_position_survives_the_restart_of_a_server(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        client = Client(alice, "main")
        client.rooms()
        alice.send(room_id, "before")
    with running(tmp_path / "data") as server:
        client.person = type(alice)(server.url, alice.user_id, alice.device_id, alice.token)
        room = client.rooms()[room_id]
        assert (texts(room), "initial" in room) == (["before"], False)
        assert client.rooms() == {}
        client.person.http.close()
