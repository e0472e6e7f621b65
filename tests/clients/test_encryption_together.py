"""Two client libraries converse encrypted: each of them encrypts for all devices of the other one, and of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import nio

from tests.clients.nio_person import NioPerson, events_in, log_in
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

    async def say(self, question: dict[str, Any]) -> dict[str, str]:
        device = self._devices[question["device"]]
        return {"eventId": await device.send(self._room_id, question["body"])}

    async def hear(self, question: dict[str, Any]) -> None:
        event_id = question["eventId"]
        heard = []
        for number, device in enumerate(self._devices):

            def found(answer: nio.SyncResponse, number: int = number) -> Any:
                events = events_in(answer, self._room_id)
                self._seen[number].update({event.event_id: event for event in events})
                return self._seen[number].get(event_id)

            heard.append(self._seen[number].get(event_id) or await device.sync_until(found))
        self.heard.append(heard)


def test_nio_and_the_js_sdk_converse_encrypted_on_two_devices_each(
    client_server: ServerProcess, tmp_path: Path
) -> None:
    texts = CONVERSATION[:8]

    async def live() -> None:
        loop = asyncio.get_running_loop()

        def deed(method: Any) -> Deed:
            """The scenario runs in a thread of its own; nio lives in this loop."""

            def do(question: dict[str, Any]) -> Any:
                coroutine: Coroutine[Any, Any, Any] = method(question)
                return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

            return do

        user_id = client_server.register("nio-encrypts").user_id
        async with (
            log_in(client_server, user_id, tmp_path) as phone,
            log_in(client_server, user_id, tmp_path) as tablet,
        ):
            puppet = Puppet([phone, tablet])
            deeds = {name: deed(getattr(puppet, name)) for name in ("join", "say", "hear")}
            given: dict[str, Any] = {"name": "js-encrypts", "other": user_id, "texts": texts}
            report = await asyncio.to_thread(
                run_scenario, "encrypted_beside_nio", deeds, url=client_server.url, **given
            )
        senders = [report["me"], user_id] * 4
        for number, body in enumerate(texts):
            expected = {"body": body, "sent": "m.room.encrypted", "sender": senders[number]}
            assert report["heard"][number] == [expected] * 2
            for event in puppet.heard[number]:
                assert isinstance(event, nio.RoomMessageText), event
                assert (event.body, event.sender, event.decrypted) == (body, senders[number], True)

    asyncio.run(live())
