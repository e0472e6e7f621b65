"""Somebody who uses matrix-nio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import nio

from tests.processes import ServerProcess
from tests.running import PASSWORD

WAIT_MS = 20_000
"""Longest wait for a piece of news; on a server that works it comes at once."""
CONFIG = nio.AsyncClientConfig(encryption_enabled=False, max_timeouts=3, request_timeout=30)
ENCRYPTING = nio.AsyncClientConfig(encryption_enabled=True, max_timeouts=3, request_timeout=30)

T = TypeVar("T")
Story = Callable[["NioPerson", "NioPerson"], Awaitable[None]]


class NioPerson:
    """A logged-in client of matrix-nio; `client` is the library's own."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.client = client

    @property
    def user_id(self) -> str:
        return str(self.client.user_id)

    async def sync(self) -> nio.SyncResponse:
        """Return what the server has for this client now."""
        return succeeded(await self.client.sync(timeout=0), nio.SyncResponse)

    async def sync_until(self, found: Callable[[nio.SyncResponse], T | None]) -> T:
        """Sync until `found` returns something for one of the answers, and return that."""
        async with asyncio.timeout(WAIT_MS / 1000):
            while True:
                answer = succeeded(await self.client.sync(timeout=WAIT_MS), nio.SyncResponse)
                if self.client.olm is not None:
                    await self.tend_keys()
                result = found(answer)
                if result is not None:
                    return result

    async def tend_keys(self) -> None:
        """Do what the library finds due for encryption after an answer, as its own loop does."""
        client = self.client
        if client.should_upload_keys:
            succeeded(await client.keys_upload(), nio.KeysUploadResponse)
        if client.should_query_keys:
            succeeded(await client.keys_query(), nio.KeysQueryResponse)
        if client.should_claim_keys:
            await client.keys_claim(client.get_users_for_key_claiming())
        await client.send_to_device_messages()

    async def send(self, room_id: str, body: str, **content: Any) -> str:
        """Send a text message and return its event's id."""
        content = {"msgtype": "m.text", "body": body, **content}
        return await self.send_event(room_id, "m.room.message", content)

    async def send_event(self, room_id: str, event_type: str, content: dict[str, Any]) -> str:
        """Send an event and return its id."""
        answer = await self.client.room_send(room_id, event_type, content, ignore_unverified_devices=True)
        return str(succeeded(answer, nio.RoomSendResponse).event_id)

    async def create_room(self, **wish: Any) -> str:
        """Create a room and return its id."""
        return str(succeeded(await self.client.room_create(**wish), nio.RoomCreateResponse).room_id)

    async def join(self, room_id: str) -> None:
        """Join a room."""
        assert succeeded(await self.client.join(room_id), nio.JoinResponse).room_id == room_id


@asynccontextmanager
async def log_in(server: ServerProcess, user_id: str, keys: Path | None = None) -> AsyncIterator[NioPerson]:
    """Log in on a new device; with a folder for `keys`, it encrypts, and has published them."""
    config = CONFIG if keys is None else ENCRYPTING
    client = nio.AsyncClient(server.url, user_id, store_path=str(keys or ""), config=config)
    try:
        succeeded(await client.login(PASSWORD, device_name="nio"), nio.LoginResponse)
        person = NioPerson(client)
        if keys is not None:
            await person.tend_keys()
        yield person
    finally:
        await client.close()


@asynccontextmanager
async def registered(server: ServerProcess, name: str) -> AsyncIterator[NioPerson]:
    """Register somebody by plain HTTP, and log them in with the library."""
    async with log_in(server, server.register(name).user_id) as person:
        yield person


def succeeded(answer: Any, wanted: type[Any]) -> Any:
    """Return an answer of the library if it is of the class `wanted`; fail with its text if it is an error."""
    assert isinstance(answer, wanted), answer
    return answer


def events_in(answer: nio.SyncResponse, room_id: str) -> list[Any]:
    """Return the timeline of a room in an answer."""
    room = answer.rooms.join.get(room_id)
    return [] if room is None else list(room.timeline.events)


def texts_in(events: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield id and text of those events that are text messages."""
    for event in events:
        if isinstance(event, nio.RoomMessageText):
            yield event.event_id, event.body


def between_two(server: ServerProcess, story: Story) -> None:
    """Let two new people live through `story`."""

    async def live() -> None:
        async with registered(server, "nio-a") as one, registered(server, "nio-b") as other:
            await story(one, other)

    asyncio.run(live())


async def meet(one: NioPerson, other: NioPerson, **wish: Any) -> str:
    """Return a room that `one` created and both are in; both have synced."""
    room_id = await one.create_room(preset=nio.RoomPreset.private_chat, invite=[other.user_id], **wish)
    await other.join(room_id)
    await one.sync_until(lambda _: other.user_id in members(one, room_id) or None)
    await other.sync_until(lambda _: one.user_id in members(other, room_id) or None)
    return room_id


def members(person: NioPerson, room_id: str) -> set[str]:
    """Return who is in the room, as the library has understood it."""
    room = person.client.rooms.get(room_id)
    return set() if room is None else set(room.users) - set(room.invited_users)
