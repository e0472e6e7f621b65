"""An event on its way to readers: the stored bytes, spliced into the client's form ("Room Event Format").

Nothing is parsed or serialised again: the content goes out as the bytes that were hashed.
"""

from __future__ import annotations

from typing import Any

import orjson

from hamrasan.protocol.canonical_json import json_string, parse_json
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.storage.ports.rooms import StoredEvent


class TimelineEvent:
    """A stored event with the parts of its client form that are the same for every reader."""

    __slots__ = ("_body", "_content", "stored")

    def __init__(self, stored: StoredEvent) -> None:
        self.stored = stored
        self._body: bytes | None = None
        self._content: dict[str, object] | None = None

    @property
    def body(self) -> bytes:
        """The client form without `room_id`, `unsigned` and the closing brace."""
        if self._body is None:
            self._body = _body(self.stored)
        return self._body

    @property
    def content(self) -> dict[str, object]:
        """The content, parsed when first asked for."""
        if self._content is None:
            self._content = parse_json(self.stored.content)
        return self._content

    def stripped(self) -> bytes:
        """Return the stripped state event that somebody outside the room may see ("Stripped state")."""
        stored = self.stored
        return b'{"type":%b,"state_key":%b,"sender":%b,"content":%b}' % (
            json_string(stored.type),
            json_string(stored.state_key or ""),
            json_string(stored.sender),
            stored.content,
        )


def _body(stored: StoredEvent) -> bytes:
    state_key = b"" if stored.state_key is None else b',"state_key":' + json_string(stored.state_key)
    if stored.type == "m.room.redaction":
        state_key += _redacts(stored)
    return b'{"content":%b,"event_id":"%b","origin_server_ts":%d,"sender":%b%b,"type":%b' % (
        stored.content,
        stored.event_id.encode(),
        stored.origin_server_ts,
        json_string(stored.sender),
        state_key,
        json_string(stored.type),
    )


def _redacts(stored: StoredEvent) -> bytes:
    """Return top-level `redacts` whatever the room version ("m.room.redaction": both places, for older clients)."""
    redacts = parse_json(stored.envelope).get("redacts") or parse_json(stored.content).get("redacts")
    return b',"redacts":' + orjson.dumps(redacts) if isinstance(redacts, str) else b""


def parsed_event(stored: StoredEvent, room_id: str) -> Event:
    """Return a stored event as the rules read it. Its PDU is not needed by them and left out."""
    envelope = parse_json(stored.envelope)
    return Event(
        event_id=stored.event_id,
        room_id=room_id,
        type=stored.type,
        sender=stored.sender,
        state_key=stored.state_key,
        content=parse_json(stored.content),
        origin_server_ts=stored.origin_server_ts,
        depth=stored.depth,
        prev_events=envelope["prev_events"],
        auth_events=envelope["auth_events"],
        redacts=envelope.get("redacts"),
        pdu=envelope,
    )


def pdu_of(stored: StoredEvent, room_id: str, version: RoomVersion) -> dict[str, Any]:
    """Return a stored event in the federation format of its room version, put together from its pieces."""
    pdu: dict[str, Any] = parse_json(stored.envelope)
    pdu["content"] = parse_json(stored.content)
    pdu["depth"] = stored.depth
    pdu["origin_server_ts"] = stored.origin_server_ts
    pdu["sender"] = stored.sender
    pdu["type"] = stored.type
    if stored.type != "m.room.create" or not version.authorization.room_id_is_create_hash:
        pdu["room_id"] = room_id
    if stored.state_key is not None:
        pdu["state_key"] = stored.state_key
    return pdu
