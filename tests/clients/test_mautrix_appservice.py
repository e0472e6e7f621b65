"""mautrix as an application service: its users speak, and its bot reads and writes what is encrypted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import SERVER_NAME, ServerProcess, free_port, server_process
from tests.registrations import registration, write_registration

if sys.version_info >= (3, 13):
    pytest.skip("python-olm, which mautrix encrypts with, has no wheels for 3.13", allow_module_level=True)

from mautrix.appservice import AppService, ASStateStore
from mautrix.client import Client
from mautrix.client.state_store.memory import MemoryStateStore
from mautrix.crypto import OlmMachine
from mautrix.types import (
    EncryptedEvent,
    EventType,
    Membership,
    MemberStateEventContent,
    RoomID,
    StateEvent,
    UserID,
)

from tests.clients.events import await_event, joins
from tests.clients.mautrix_person import WAIT_S, EncryptedRooms, Keys, mautrix_device

pytestmark = pytest.mark.filterwarnings(
    "ignore:The (sender_key|device_id) field:DeprecationWarning",
    "ignore:The loop argument is deprecated:DeprecationWarning",
    "ignore:loop argument is deprecated:DeprecationWarning",
)
"""The library reads members of events that it calls deprecated itself, and hands aiohttp a loop."""

BOT = UserID(f"@_mau_bot:{SERVER_NAME}")


class State(ASStateStore, MemoryStateStore):
    """What the service knows of rooms and of its users, in memory."""

    def __init__(self) -> None:
        ASStateStore.__init__(self)
        MemoryStateStore.__init__(self)


class Service:
    """A running application service of the library; `az` is the library's own."""

    def __init__(self, az: AppService, state: State) -> None:
        self.az = az
        self.state = state
        self.heard: list[Any] = []
        self._news = asyncio.Condition()
        az.matrix_event_handler(self._hear)

    async def _hear(self, event: Any) -> None:
        content = getattr(event, "content", None)
        if isinstance(content, MemberStateEventContent) and _invites_bot(event, content):
            await self.az.intent.join_room_by_id(event.room_id)
        self.heard.append(event)
        async with self._news:
            self._news.notify_all()

    async def hears(self, event_id: str) -> Any:
        """Return an event once the service was told of it."""
        async with asyncio.timeout(WAIT_S), self._news:
            while not (found := [e for e in self.heard if getattr(e, "event_id", None) == event_id]):
                await self._news.wait()
        return found[0]


def _invites_bot(event: StateEvent, content: MemberStateEventContent) -> bool:
    return event.state_key == BOT and content.membership == Membership.INVITE


@asynccontextmanager
async def service(server: ServerProcess, values: dict[str, Any], port: int) -> AsyncIterator[Service]:
    """Run an application service of the library until the end of the block."""
    state = State()
    az = AppService(
        server=server.url,
        domain=SERVER_NAME,
        as_token=values["as_token"],
        hs_token=values["hs_token"],
        bot_localpart=values["sender_localpart"],
        id=values["id"],
        state_store=state,
        ephemeral_events=True,
        encryption_events=True,
    )
    await az.start("127.0.0.1", port)
    try:
        yield Service(az, state)
    finally:
        await az.stop()


def registered(data_dir: Path) -> tuple[dict[str, Any], int]:
    """Register the service in a data folder; return the registration and the service's port."""
    port = free_port()
    wants: dict[str, Any] = {
        "receive_ephemeral": True,
        "org.matrix.msc3202": True,
        "io.element.msc4190": True,
    }
    values = registration("mau", url=f"http://127.0.0.1:{port}", **wants)
    write_registration(data_dir, values)
    return values, port


def test_its_users_speak_in_rooms_that_its_bot_was_invited_to(tmp_path: Path) -> None:
    values, port = registered(tmp_path / "data")

    async def live(server: ServerProcess) -> None:
        anna = server.register("anna")
        async with service(server, values, port) as mau:
            assert await mau.az.ping_self("ping") >= 0
            await mau.az.intent.ensure_registered()
            await mau.az.intent.set_displayname("پل")
            room_id = RoomID(await asyncio.to_thread(anna.create_room, invite=[BOT]))
            await asyncio.to_thread(await_event, anna, room_id, joins(BOT))
            question = await asyncio.to_thread(anna.send, room_id, "کسی هست؟")
            event = await mau.hears(question)
            assert (event.sender, event.content.body) == (anna.user_id, "کسی هست؟")
            ghost = mau.az.intent.user(UserID(f"@_mau_ghost:{SERVER_NAME}"))
            await ghost.set_displayname("سایه")
            # The room is not public: the library invites its user with the bot, once the bot may do so.
            levels = await asyncio.to_thread(anna.get, f"/rooms/{room_id}/state/m.room.power_levels")
            levels["users"] = {**levels.get("users", {}), str(BOT): 50}
            await asyncio.to_thread(anna.put, f"/rooms/{room_id}/state/m.room.power_levels", levels)
            await ghost.ensure_joined(room_id)
            answer = await ghost.send_text(room_id, "بله", timestamp=1_600_000_000_000)
            seen = await asyncio.to_thread(anna.get, f"/rooms/{room_id}/event/{answer}")
            assert (seen["sender"], seen["content"]["body"]) == (ghost.mxid, "بله")
            assert seen["origin_server_ts"] == 1_600_000_000_000
            await mau.hears(answer)

    with server_process(tmp_path / "data") as server:
        asyncio.run(live(server))
        assert server.complaints == []


ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


def test_its_bot_reads_and_writes_what_is_encrypted(tmp_path: Path) -> None:
    """Keys come in transactions: the bot's device never syncs."""
    values, port = registered(tmp_path / "data")

    async def live(server: ServerProcess) -> None:
        user_id = server.register("anna").user_id
        async with service(server, values, port) as mau, mautrix_device(server, user_id) as anna:
            client = Client(mxid=BOT, base_url=server.url, token=values["as_token"], state_store=mau.state)
            await client.create_device_msc4190("BRIDGE", "bridge")
            store = Keys(BOT, "a secret of the tests only")
            machine = client.crypto = OlmMachine(client, store, EncryptedRooms(mau.state))
            await machine.load()
            mau.az.to_device_handler = machine.handle_as_to_device_event
            mau.az.otk_handler = machine.handle_as_otk_counts
            mau.az.device_list_handler = machine.handle_as_device_lists
            await machine.share_keys()
            room_id = await anna.client.create_room(invitees=[BOT], initial_state=[ENCRYPTION])
            await anna.join(room_id)
            await anna.sees(room_id, BOT)
            sent = await anna.say(room_id, "رازی دارم")
            event = await mau.hears(sent)
            assert isinstance(event, EncryptedEvent)
            decrypted = await machine.decrypt_megolm_event(event)
            assert (decrypted.type, decrypted.content.body) == (EventType.ROOM_MESSAGE, "رازی دارم")
            await client.get_joined_members(room_id)
            answer = await client.send_text(room_id, "پیش من می‌ماند")
            assert await anna.hears(answer) == (BOT, "پیش من می‌ماند")
            stored = await anna.client.get_event(room_id, answer)
            assert stored.type == EventType.ROOM_ENCRYPTED
            await client.api.session.close()

    with server_process(tmp_path / "data") as server:
        asyncio.run(live(server))
        assert server.complaints == []
