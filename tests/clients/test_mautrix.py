"""mautrix with end-to-end encryption: beside matrix-nio, and two devices that a recovery key makes trust each other."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import nio
import pytest

from tests.clients.nio_person import NioPerson, events_in, log_in
from tests.clients.texts import CONVERSATION
from tests.processes import ServerProcess

if sys.version_info >= (3, 13):
    pytest.skip("python-olm, which mautrix encrypts with, has no wheels for 3.13", allow_module_level=True)

from mautrix.types import TrustState, UserID

from tests.clients.mautrix_person import mautrix_device

pytestmark = pytest.mark.filterwarnings("ignore:The (sender_key|device_id) field:DeprecationWarning")
"""The library reads members of events that it calls deprecated itself."""

ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


async def heard_by(person: NioPerson, room_id: str, event_id: str) -> Any:
    def found(answer: nio.SyncResponse) -> Any:
        return next((e for e in events_in(answer, room_id) if e.event_id == event_id), None)

    return await person.sync_until(found)


def test_mautrix_and_nio_converse_encrypted(client_server: ServerProcess, tmp_path: Path) -> None:
    async def live() -> None:
        bot, other = (client_server.register(name).user_id for name in ("mau-bot", "mau-nio"))
        async with (
            mautrix_device(client_server, bot) as phone,
            mautrix_device(client_server, bot) as tablet,
            log_in(client_server, other, tmp_path) as person,
        ):
            room_id = await person.create_room(invite=[bot], initial_state=[ENCRYPTION])
            await phone.join(room_id)
            await tablet.join(room_id)
            await person.sync_until(lambda _: bot in person.client.rooms[room_id].users or None)
            for number, body in enumerate(CONVERSATION[:6]):
                if number % 2:
                    sent = await person.send(room_id, body)
                    sender = other
                else:
                    sent = await (phone, tablet)[number // 2 % 2].say(room_id, body)
                    sender = bot
                    event = await heard_by(person, room_id, sent)
                    assert isinstance(event, nio.RoomMessageText), event
                    assert (event.body, event.decrypted) == (body, True)
                for device in (phone, tablet):
                    assert await device.hears(sent) == (sender, body)

    asyncio.run(live())


def test_a_recovery_key_of_mautrix_signs_a_second_device(client_server: ServerProcess) -> None:
    async def live() -> None:
        user_id = UserID(client_server.register("mau-recovers").user_id)
        async with (
            mautrix_device(client_server, user_id) as phone,
            mautrix_device(client_server, user_id) as tablet,
        ):
            recovery_key = await phone.machine.generate_recovery_key()
            await tablet.machine.verify_with_recovery_key(recovery_key)
            answer = await phone.client.query_keys([user_id])
            [signing] = answer.self_signing_keys[user_id].keys
            for device in (phone, tablet):
                signatures = answer.device_keys[user_id][device.client.device_id].signatures[user_id]
                assert signing in signatures
                identity = await phone.machine.get_or_fetch_device(user_id, device.client.device_id)
                assert identity is not None
                assert await phone.machine.resolve_trust(identity) >= TrustState.CROSS_SIGNED_TOFU
            master = answer.master_keys[user_id]
            assert [key_id.key_id for key_id in master.signatures[user_id]] == [phone.client.device_id]

    asyncio.run(live())
