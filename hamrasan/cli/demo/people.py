"""The people of the demo, who use their provider as any app does: over the client-server API."""

from __future__ import annotations

import time
from itertools import count
from typing import Any
from urllib.parse import quote

from hamrasan.cli.demo.providers import HOST, Provider
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.runtime.outbound import Outbound, OutboundFailed, Reach

PASSWORD = "hamrasan-demo"
"""Of everybody in the demo, which listens on this machine only."""
REQUEST_S = 90.0
"""For one request; joining a room over servers on a busy machine is the longest."""
WAIT_S = 60.0
"""For one message."""
POLL_MS = 20_000
MAX_BYTES = 16 * 1024 * 1024


class RequestFailed(Exception):
    """A provider refuses what somebody asked for, or does not answer."""


class Person:
    """Somebody with an account at one of the providers."""

    def __init__(self, provider: Provider, localpart: str, name: str, outbound: Outbound) -> None:
        self.provider = provider
        self.localpart = localpart
        self.name = name
        self._outbound = outbound
        self._token = ""
        self._since = ""
        self._transactions = count(time.time_ns())
        self._heard: dict[str, float] = {}
        """Texts of messages that came, in order, and when."""

    @property
    def user_id(self) -> str:
        """Who they are for everybody."""
        return f"@{self.localpart}:{self.provider.name}"

    async def enter(self) -> None:
        """Make the account, or log in if it is there from the last time; take the name that is shown."""
        body = {"username": self.localpart, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        try:
            session = await self._ask("POST", "/register", body)
        except RequestFailed:
            who = {"type": "m.id.user", "user": self.localpart}
            body = {"type": "m.login.password", "identifier": who, "password": PASSWORD}
            session = await self._ask("POST", "/login", body)
        self._token = session["access_token"]
        await self._ask("PUT", f"/profile/{quote(self.user_id)}/displayname", {"displayname": self.name})

    async def make_room(self, label: str, name: str) -> None:
        """Make a room that everybody can find and enter, unless it is there already."""
        try:
            await self._ask("GET", f"/directory/room/{quote(f'#{label}:{self.provider.name}')}")
        except RequestFailed:
            options = {"preset": "public_chat", "room_alias_name": label, "name": name}
            await self._ask("POST", "/createRoom", options)

    async def join(self, alias: str) -> str:
        """Go into a room, at whatever provider it was made; return its id."""
        room_id: str = (await self._ask("POST", f"/join/{quote(alias)}", {}))["room_id"]
        return room_id

    async def say(self, room_id: str, text: str) -> None:
        """Send a message."""
        path = f"/rooms/{quote(room_id)}/send/m.room.message/{next(self._transactions)}"
        await self._ask("PUT", path, {"msgtype": "m.text", "body": text})

    async def catch_up(self) -> None:
        """Be told of everything so far, so that what is heard from now on is new."""
        query = "" if not self._since else f"?since={quote(self._since)}"
        self._since = (await self._ask("GET", f"/sync{query}"))["next_batch"]

    async def hear(self, room_id: str, text: str) -> float:
        """Wait until a message has come; return when it did (`time.perf_counter`)."""
        until = time.perf_counter() + WAIT_S
        while text not in self._heard:
            if time.perf_counter() > until:
                raise RequestFailed(f"{self.user_id}: {text}")
            answer = await self._ask("GET", f"/sync?timeout={POLL_MS}&since={quote(self._since)}")
            now = time.perf_counter()
            self._since = answer["next_batch"]
            section = answer.get("rooms", {}).get("join", {}).get(room_id, {})
            for event in section.get("timeline", {}).get("events", ()):
                body = event["content"].get("body")
                if event["type"] == "m.room.message" and isinstance(body, str):
                    self._heard.setdefault(body, now)
        return self._heard[text]

    def heard_of(self, texts: list[str]) -> list[str]:
        """Return those of the texts that were heard, in the order in which they came."""
        wanted = set(texts)
        return [text for text in self._heard if text in wanted]

    async def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = f"{self.provider.url.replace('localhost', HOST)}/_matrix/client/v3{path}"
        try:
            answer = await self._outbound.send(
                method,
                url,
                timeout_s=REQUEST_S,
                max_bytes=MAX_BYTES,
                body=b"" if body is None else encode_json(body),
                headers=headers,
                reach=Reach.ANYWHERE,
            )
        except OutboundFailed as error:
            raise RequestFailed(f"{self.provider.name}: {error}") from None
        value: dict[str, Any] = parse_json(answer.body)
        if answer.status != 200:
            raise RequestFailed(f"{self.provider.name}: {value.get('error')}")
        return value
