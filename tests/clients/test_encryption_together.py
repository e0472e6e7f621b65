"""Two client libraries converse encrypted: each of them encrypts for all devices of the other one, and of its own."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import nio
from nio.crypto.attachments import decrypt_attachment

from tests.clients.nio_person import NioPerson, events_in, log_in, succeeded
from tests.clients.node import Deed, run_scenario
from tests.clients.texts import CONVERSATION
from tests.processes import ServerProcess


class Puppet:
    """Does with two devices of matrix-nio what the scenario in JavaScript asks for."""

    def __init__(self, devices: list[NioPerson]) -> None:
        self._devices = devices
        self._room_id = ""
        self._seen: list[dict[str, Any]] = [{} for _ in devices]
        self.heard: list[list[Any]] = []
        self.opened = b""

    async def join(self, question: dict[str, Any]) -> None:
        self._room_id = question["roomId"]
        first = self._devices[0]
        await first.sync_until(lambda answer: answer.rooms.invite.get(self._room_id))
        await first.join(self._room_id)
        for number, device in enumerate(self._devices):
            await device.sync_until(partial(self._is_ready, number))

    def _is_ready(self, number: int, _answer: nio.SyncResponse) -> bool | None:
        room = self._devices[number].client.rooms.get(self._room_id)
        return (room is not None and room.encrypted) or None

    async def open(self, question: dict[str, Any]) -> None:
        """Fetch the encrypted file of a message, and decrypt it."""
        [event] = await self._hear(question["eventId"])
        assert isinstance(event, nio.RoomEncryptedFile), event
        client = self._devices[0].client
        answer = succeeded(await client.download(event.url), nio.DownloadResponse)
        self.opened = decrypt_attachment(answer.body, event.key["k"], event.hashes["sha256"], event.iv)

    async def attach(self, _: dict[str, Any]) -> dict[str, str]:
        """Send the file that was opened, under another name."""
        client = self._devices[0].client
        data = BytesIO(self.opened)
        stored, keys = await client.upload(
            data, "application/pdf", "پاسخ.pdf", encrypt=True, filesize=len(self.opened)
        )
        uri = succeeded(stored, nio.UploadResponse).content_uri
        content = {"msgtype": "m.file", "body": "پاسخ.pdf", "file": {"url": uri, **(keys or {})}}
        return {"eventId": await self._devices[0].send_event(self._room_id, "m.room.message", content)}

    async def say(self, question: dict[str, Any]) -> dict[str, str]:
        device = self._devices[question["device"]]
        return {"eventId": await device.send(self._room_id, question["body"])}

    async def hear(self, question: dict[str, Any]) -> None:
        self.heard.append(await self._hear(question["eventId"]))

    async def _hear(self, event_id: str) -> list[Any]:
        """Return the event as each device gets it."""
        heard = []
        for number, device in enumerate(self._devices):

            def found(answer: nio.SyncResponse, number: int = number) -> Any:
                events = events_in(answer, self._room_id)
                self._seen[number].update({event.event_id: event for event in events})
                return self._seen[number].get(event_id)

            heard.append(self._seen[number].get(event_id) or await device.sync_until(found))
        return heard


def play(
    server: ServerProcess, keys: Path, devices: int, scenario: str, names: tuple[str, ...], **given: Any
) -> tuple[dict[str, Any], Puppet, str]:
    """Run a scenario beside somebody with matrix-nio; return its report, who that was, and their user id."""

    async def live() -> tuple[dict[str, Any], Puppet, str]:
        loop = asyncio.get_running_loop()

        def deed(method: Any) -> Deed:
            """The scenario runs in a thread of its own; nio lives in this loop."""

            def do(question: dict[str, Any]) -> Any:
                coroutine: Coroutine[Any, Any, Any] = method(question)
                return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

            return do

        user_id = server.register("nio-encrypts").user_id
        async with AsyncExitStack() as stack:
            people = [await stack.enter_async_context(log_in(server, user_id, keys)) for _ in range(devices)]
            puppet = Puppet(people)
            deeds = {name: deed(getattr(puppet, name)) for name in names}
            wanted = {"url": server.url, "other": user_id, **given}
            report = await asyncio.to_thread(run_scenario, scenario, deeds, **wanted)
            return report, puppet, user_id

    return asyncio.run(live())


def test_nio_and_the_js_sdk_converse_encrypted_on_two_devices_each(
    client_server: ServerProcess, tmp_path: Path
) -> None:
    texts = CONVERSATION[:8]
    names = ("join", "say", "hear")
    report, puppet, user_id = play(
        client_server, tmp_path, 2, "encrypted_beside_nio", names, name="js-encrypts", texts=texts
    )
    senders = [report["me"], user_id] * 4
    for number, body in enumerate(texts):
        expected = {"body": body, "sent": "m.room.encrypted", "sender": senders[number]}
        assert report["heard"][number] == [expected] * 2
        for event in puppet.heard[number]:
            assert isinstance(event, nio.RoomMessageText), event
            assert (event.body, event.sender, event.decrypted) == (body, senders[number], True)


def test_encrypted_files_go_both_ways_and_lie_sealed_on_the_server(
    client_server: ServerProcess, tmp_path: Path
) -> None:
    content = b"%PDF-1.7 " + bytes(range(256)) * 500
    sent = b64encode(content).decode()
    names = ("join", "open", "attach")
    report, puppet, _ = play(
        client_server, tmp_path, 1, "attachments", names, name="js-attaches", content=sent
    )
    assert puppet.opened == content
    assert b64decode(report["received"]) == content
    assert report["body"] == "پاسخ.pdf"
    stored = b64decode(report["stored"])
    assert len(stored) == len(content)
    assert stored != content
