"""Somebody who uses mautrix, the library of many bridges and bots, with end-to-end encryption."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mautrix.client import Client
from mautrix.client.state_store.memory import MemoryStateStore
from mautrix.crypto import MemoryCryptoStore, OlmMachine, StateStore
from mautrix.types import (
    CrossSigningUsage,
    EventID,
    EventType,
    MessageEvent,
    RoomEncryptionStateEventContent,
    RoomID,
    SigningKey,
    TextMessageEventContent,
    TOFUSigningKey,
    UserID,
)

from tests.processes import ServerProcess
from tests.running import PASSWORD

WAIT_S = 20


class EncryptedRooms(StateStore):
    """Tells the machine which rooms are encrypted, from what the client has synced."""

    def __init__(self, state: MemoryStateStore) -> None:
        self._state = state

    async def is_encrypted(self, room_id: RoomID) -> bool:
        return bool(await self._state.is_encrypted(room_id))

    async def get_encryption_info(self, room_id: RoomID) -> RoomEncryptionStateEventContent | None:
        return await self._state.get_encryption_info(room_id)

    async def find_shared_rooms(self, user_id: UserID) -> list[RoomID]:
        return [room for room, members in self._state.members.items() if user_id in members]


class Keys(MemoryCryptoStore):
    """The library's store, which fails when it is given a cross-signing key once more: its rows are tuples."""

    async def put_cross_signing_key(self, user_id: UserID, usage: CrossSigningUsage, key: SigningKey) -> None:
        known = self._cross_signing_keys.setdefault(user_id, {})
        first = known[usage].first if usage in known else key
        known[usage] = TOFUSigningKey(key=key, first=first)


class MautrixPerson:
    """A logged-in client of mautrix that syncs; `client` and `machine` are the library's own."""

    def __init__(self, client: Client, machine: OlmMachine, state: MemoryStateStore) -> None:
        self.client = client
        self.machine = machine
        self._state = state
        self._heard: dict[str, MessageEvent] = {}
        self._news = asyncio.Condition()
        client.add_event_handler(EventType.ROOM_MESSAGE, self._hear)
        client.add_event_handler(EventType.ALL, self._notice)

    async def _hear(self, event: Any) -> None:
        self._heard[event.event_id] = event
        await self._notice(event)

    async def _notice(self, _event: Any) -> None:
        async with self._news:
            self._news.notify_all()

    async def join(self, room_id: str) -> None:
        """Join an encrypted room, and wait until the library knows that it is one."""
        await self.client.join_room_by_id(RoomID(room_id))
        async with asyncio.timeout(WAIT_S), self._news:
            while not await self._state.is_encrypted(RoomID(room_id)):
                await self._news.wait()

    async def sees(self, room_id: str, user_id: str) -> None:
        """Wait until somebody is in a room."""
        async with asyncio.timeout(WAIT_S), self._news:
            while not await self._state.is_joined(RoomID(room_id), UserID(user_id)):
                await self._news.wait()

    async def say(self, room_id: str, body: str) -> EventID:
        """Send a text message, encrypted where the room is."""
        return await self.client.send_text(RoomID(room_id), body)

    async def hears(self, event_id: str) -> tuple[str, str]:
        """Return sender and text of a message once it has come and been decrypted."""
        async with asyncio.timeout(WAIT_S), self._news:
            while event_id not in self._heard:
                await self._news.wait()
        event = self._heard[event_id]
        assert isinstance(event.content, TextMessageEventContent)
        return event.sender, event.content.body


@asynccontextmanager
async def mautrix_device(server: ServerProcess, user_id: str) -> AsyncIterator[MautrixPerson]:
    """Log in on a new device, publish its keys, and sync until the end of the block."""
    state = MemoryStateStore()
    client = Client(mxid=UserID(user_id), base_url=server.url, state_store=state)
    try:
        await client.login(password=PASSWORD, device_name="mautrix")
        store = Keys(user_id, "a secret of the tests only")
        machine = client.crypto = OlmMachine(client, store, EncryptedRooms(state))
        await machine.load()
        await machine.share_keys()
        person = MautrixPerson(client, machine, state)
        syncing = client.start(None)
        try:
            yield person
        finally:
            client.stop()
            await asyncio.wait([syncing])
    finally:
        await client.api.session.close()
