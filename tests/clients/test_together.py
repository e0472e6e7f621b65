"""Two client libraries in one room: what one of them does, the other one sees."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import nio
import pytest

from tests.clients.nio_person import NioPerson, events_in, registered, succeeded
from tests.clients.node import Deed, run_scenario
from tests.clients.texts import CONVERSATION
from tests.processes import ServerProcess


class Puppet:
    """Does with matrix-nio what the scenario in JavaScript asks for."""

    def __init__(self, person: NioPerson) -> None:
        self._person = person
        self._client = person.client
        self.room_id = ""
        self.heard: list[str] = []

    async def join(self, question: dict[str, Any]) -> None:
        self.room_id = question["roomId"]
        await self._person.sync_until(lambda answer: answer.rooms.invite.get(self.room_id))
        await self._person.join(self.room_id)

    async def say(self, question: dict[str, Any]) -> dict[str, str]:
        return {"eventId": await self._person.send(self.room_id, question["body"])}

    async def hear(self, question: dict[str, Any]) -> None:
        event = await self._arrives(question["eventId"])
        self.heard.append(event.body)
        answer = await self._client.update_receipt_marker(self.room_id, event.event_id)
        succeeded(answer, nio.UpdateReceiptMarkerResponse)

    async def type(self, question: dict[str, Any]) -> None:
        succeeded(await self._client.room_typing(self.room_id, question["typing"]), nio.RoomTypingResponse)

    async def see_reaction(self, question: dict[str, Any]) -> None:
        event = await self._arrives(question["eventId"])
        assert (event.reacts_to, event.key) == (question["to"], "❤️")

    async def see_receipt(self, question: dict[str, Any]) -> None:
        def read(_: nio.SyncResponse) -> bool | None:
            receipts = self._client.rooms[self.room_id].read_receipts.values()
            return any(receipt.event_id == question["eventId"] for receipt in receipts) or None

        await self._person.sync_until(read)

    async def edit(self, question: dict[str, Any]) -> None:
        relation = {"rel_type": "m.replace", "event_id": question["eventId"]}
        content = {"msgtype": "m.text", "body": "بهتر"}
        await self._person.send(
            self.room_id, "* بهتر", **{"m.new_content": content, "m.relates_to": relation}
        )

    async def redact(self, question: dict[str, Any]) -> None:
        succeeded(await self._client.room_redact(self.room_id, question["eventId"]), nio.RoomRedactResponse)

    async def leave(self, _: dict[str, Any]) -> None:
        succeeded(await self._client.room_leave(self.room_id), nio.RoomLeaveResponse)

    async def _arrives(self, event_id: str) -> Any:
        def found(answer: nio.SyncResponse) -> Any:
            return next((e for e in events_in(answer, self.room_id) if e.event_id == event_id), None)

        return await self._person.sync_until(found)


@pytest.mark.parametrize("version", ["11", "12"])
def test_nio_and_the_js_sdk_hear_read_and_see_each_other(client_server: ServerProcess, version: str) -> None:
    async def live() -> None:
        loop = asyncio.get_running_loop()

        def deed(method: Any) -> Deed:
            """The scenario runs in a thread of its own; nio lives in this loop."""

            def do(question: dict[str, Any]) -> Any:
                coroutine: Coroutine[Any, Any, Any] = method(question)
                return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

            return do

        async with registered(client_server, "nio-beside") as person:
            puppet = Puppet(person)
            names = ("join", "say", "hear", "type", "see_reaction", "see_receipt", "edit", "redact", "leave")
            deeds = {name.replace("_", " "): deed(getattr(puppet, name)) for name in names}
            given: dict[str, Any] = {"other": person.user_id, "version": version, "texts": CONVERSATION}
            report = await asyncio.to_thread(
                run_scenario, "beside_nio", deeds, url=client_server.url, name=f"js-beside-{version}", **given
            )
            assert [text.encode() for text in puppet.heard] == [text.encode() for text in CONVERSATION[::2]]
            assert [text.encode() for text in report["heard"]] == [
                text.encode() for text in CONVERSATION[1::2]
            ]
            assert report["edited"] == "بهتر"

    asyncio.run(live())
