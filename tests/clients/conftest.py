"""The server that the client libraries share, and a room with a long past in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.processes import ServerProcess, server_process

LONG = 1_000
"""Messages of the long room: dozens of pages for every library."""


@pytest.fixture(scope="session")
def client_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server process that many tests share; each registers users of its own. It must not log an error."""
    with server_process(tmp_path_factory.mktemp("clients") / "data") as server:
        yield server
        assert server.complaints == []


@dataclass(frozen=True, slots=True)
class LongRoom:
    """A public room and its messages, the first one first."""

    room_id: str
    event_ids: tuple[str, ...]
    bodies: tuple[str, ...]


@pytest.fixture(scope="session")
def long_room(client_server: ServerProcess) -> LongRoom:
    """A room that anybody may join and read from its first message on."""
    writer = client_server.register("writer")
    room_id = writer.create_room(preset="public_chat", name="اتاق دراز")
    bodies = tuple(f"پیام شمارهٔ {number}" for number in range(LONG))
    return LongRoom(room_id, tuple(writer.send(room_id, body) for body in bodies), bodies)
