"""An encrypted room of 5,000: what a message costs does not grow with the members; counted in reads of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hamrasan.rooms.new_event import NewEvent
from hamrasan.storage.ports.devices import NewDevice
from hamrasan.storage.ports.encryption import PutDeviceKeys
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.sqlite.database import Database
from tests.sync.world import World, in_world

MEMBERS = 5_000
FEW = 5
ALICE = "@alice:example.org"
ENCRYPTED = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "sealed", "session_id": "s"}
USERS_AT_ONCE = 400
"""A read of many users asks for at least so many at once."""


@contextmanager
def counting() -> Iterator[list[str]]:
    """Collect the statements of all reads."""
    statements: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("get", "rows", "scan"):
            read = getattr(Database, name)

            def noted(self: Database, sql: str, *rest: Any, read: Any = read) -> Any:
                statements.append(sql)
                return read(self, sql, *rest)

            patch.setattr(Database, name, noted)
        yield statements


async def encrypted_room(world: World, count: int) -> tuple[str, list[str]]:
    """Return a room and its members, each of whom has a device with keys."""
    room_id = await world.room(ALICE)
    await world.send(room_id, ALICE, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, "")
    room = await world.services.registry.get(room_id)
    members = [f"@m{number}-{count}:example.org" for number in range(count)]
    for user_id in members:
        join = NewEvent("m.room.member", user_id, {"membership": "join"}, user_id)
        await world.services.registry.send(room, join)
    writes: list[Write] = []
    for user_id in members:
        writes.append(NewDevice(user_id, "D", None, 1, None, None))
        writes.append(PutDeviceKeys(user_id, "D", b'{"keys":{},"signatures":{}}'))
    await world.store.journal.submit(Batch(writes))
    return room_id, members


async def reads_of_a_message(world: World, room_id: str, members: list[str]) -> dict[str, int]:
    """Return how many reads each step of a first message takes: asking for keys, sharing the room's key, sending."""
    reads: dict[str, int] = {}
    await world.send(room_id, ALICE, "m.room.encrypted", ENCRYPTED)
    with counting() as statements:
        await world.services.key_query.ask(ALICE, dict.fromkeys(members, ()))
    reads["query"] = len(statements)
    with counting() as statements:
        messages = {user_id: {"D": {"key": "sealed"}} for user_id in members}
        await world.services.to_device.send(ALICE, "ALICE", f"t-{room_id}", "m.room.encrypted", messages)
    reads["share"] = len(statements)
    with counting() as statements:
        await world.send(room_id, ALICE, "m.room.encrypted", ENCRYPTED)
    reads["send"] = len(statements)
    return reads


def test_a_message_to_a_large_encrypted_room_reads_no_more_than_one_to_a_small_room() -> None:
    async def scenario(world: World) -> None:
        few = await reads_of_a_message(world, *await encrypted_room(world, FEW))
        many = await reads_of_a_message(world, *await encrypted_room(world, MEMBERS))
        assert many["send"] == few["send"]
        for step in ("query", "share"):
            assert many[step] <= few[step] * -(-MEMBERS // USERS_AT_ONCE)

    in_world(scenario)
