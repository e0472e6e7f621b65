"""What a redaction that was accepted may take away ("Handling redactions" of room version 3)."""

from __future__ import annotations

from hamrasan.protocol.auth_rules import NotAllowed
from hamrasan.protocol.canonical_json import compact, parse_json
from hamrasan.protocol.event import Event
from hamrasan.protocol.hashing import encode_event
from hamrasan.protocol.redaction import redact_content
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.rooms import StoredEvent

REDACTION = "m.room.redaction"

MAX_PENDING_REDACTIONS = 1_000
"""Redactions that wait for their event, in each room; they are kept in memory, and a server could send any number."""


def redacted(stored: StoredEvent, redaction_id: str, version: RoomVersion) -> StoredEvent:
    """Return an event as its redaction leaves it."""
    content = redact_content(stored.type, parse_json(stored.content), version)
    return stored._replace(content=compact(encode_event(content, version)), redacted_by=redaction_id)


def may_redact(room: Room, redaction: StoredEvent | Event, target: StoredEvent | Event) -> bool:
    """Return whether a redaction has an effect: it comes from the same server as the event, or from a moderator."""
    if target.type == "m.room.create":
        return False
    if redaction.sender.partition(":")[2] == target.sender.partition(":")[2]:
        return True
    try:
        return room.power_levels.of(redaction.sender) >= room.power_levels.redact
    except NotAllowed:  # levels that cannot be read (before version 10) let nobody do anything
        return False
