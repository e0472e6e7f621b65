"""A server of a test that takes part in rooms: it does its part of handshakes, and keeps no state of its own.

there = Visitor(here.land.stranger("there"), here)
there.join(room_id, there.user("zahra"))
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from hamrasan.protocol.hashing import event_id_of
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from hamrasan.protocol.signing import sign_event
from tests.federation.country import Member
from tests.federation.strangers import Asked, Stranger, json_answer
from tests.running import answered

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
SENDS = {"join": V2 + "/send_join", "leave": V2 + "/send_leave", "knock": V1 + "/send_knock"}
VERSIONS = [version.id for version in ROOM_VERSIONS.values() if not version.hashed_references]


class Visitor:
    """A stranger that visits one server of a country."""

    def __init__(self, stranger: Stranger, host: Member) -> None:
        self.stranger = stranger
        self.host = host
        self.name = stranger.name
        stranger.answers_below[V1 + "/send/"] = json_answer({"pdus": {}})
        stranger.answers_below[V2 + "/invite/"] = self._sign_invite

    async def _sign_invite(self, asked: Asked) -> AsyncIterator[bytes]:
        """Answer to an invite with its own signature on it."""
        body = json.loads(asked.body)
        version = room_version(body["room_version"])
        signed = sign_event(body["event"], version, self.name, self.stranger.key)
        async for piece in json_answer({"event": signed})(asked):
            yield piece

    @property
    def received(self) -> list[dict[str, Any]]:
        """The events that came in transactions, in the order in which they came."""
        sent = [asked for asked in self.stranger.asked if asked.uri.startswith(V1 + "/send/")]
        return [pdu for asked in sent for pdu in json.loads(asked.body)["pdus"]]

    def user(self, localpart: str) -> str:
        return f"@{localpart}:{self.name}"

    def request(self, method: str, path: str, body: Any = None, /, **query: Any) -> httpx.Response:
        """Send a signed request; `path` is below `/_matrix/federation/v1` unless it names a prefix."""
        uri = path if path.startswith("/_") else V1 + path
        if query:
            uri += "?" + urlencode(query, doseq=True)
        return self.stranger.request(self.host, method, uri, body)

    def get(self, path: str, **query: Any) -> Any:
        return answered(self.request("GET", path, **query))

    # Handshakes.

    def ask_template(self, membership: str, room_id: str, user_id: str, **query: Any) -> httpx.Response:
        if membership != "leave":
            query.setdefault("ver", VERSIONS)
        return self.request("GET", path_of(f"/make_{membership}", room_id, user_id), **query)

    def template(self, membership: str, room_id: str, user_id: str) -> tuple[RoomVersion, dict[str, Any]]:
        """Return the room's version, and an event that can be signed and sent."""
        answer = answered(self.ask_template(membership, room_id, user_id))
        event = {key: value for key, value in answer["event"].items() if key != "origin"}
        return room_version(answer["room_version"]), event

    def signed(self, event: dict[str, Any], version: RoomVersion) -> tuple[str, dict[str, Any]]:
        """Return an event's id, and the event with hash and signature."""
        pdu = self.stranger.sign(event, version)
        return event_id_of(pdu, version), pdu

    def send(
        self, membership: str, room_id: str, event_id: str, pdu: Mapping[str, Any], **query: Any
    ) -> httpx.Response:
        return self.request("PUT", path_of(SENDS[membership], room_id, event_id), dict(pdu), **query)

    def change(self, membership: str, room_id: str, user_id: str, **query: Any) -> Any:
        """Do a whole handshake; return the answer to its second half."""
        version, event = self.template(membership, room_id, user_id)
        event_id, pdu = self.signed(event, version)
        return answered(self.send(membership, room_id, event_id, pdu, **query))

    def join(self, room_id: str, user_id: str, **query: Any) -> Any:
        return self.change("join", room_id, user_id, **query)

    def event_id(self, pdu: Mapping[str, Any], version: str) -> str:
        return event_id_of(pdu, room_version(version))


def path_of(prefix: str, *parts: str) -> str:
    return "/".join([prefix, *(quote(part, safe="") for part in parts)])
