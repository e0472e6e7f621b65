"""What people see of a room before they are in it (client-server API, "Published Room Directory")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hamrasan.protocol.event import StateKey
from hamrasan.protocol.visibility import WORLD_READABLE, parse_visibility
from hamrasan.storage.ports.rooms import RoomRow

_TYPES = (
    "m.room.create",
    "m.room.name",
    "m.room.topic",
    "m.room.canonical_alias",
    "m.room.avatar",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
)
SUMMARY_KEYS: tuple[StateKey, ...] = tuple((event_type, "") for event_type in _TYPES)
"""The state that a summary is made of."""

ALIAS_SIGIL = "#"
MEDIA_SCHEME = "mxc://"
"""An avatar with another address is none: clients would fetch it from wherever whoever has set it likes."""

ContentOf = Callable[[str], Mapping[str, Any]]
"""From an event type to the content of the state event under the empty state key, empty if there is none."""


@dataclass(frozen=True, slots=True)
class RoomSummary:
    """A room as the directory shows it; the names are those of `PublishedRoomsChunk`."""

    room: int
    room_id: str
    num_joined_members: int
    name: str | None
    topic: str | None
    canonical_alias: str | None
    avatar_url: str | None
    join_rule: str
    room_type: str | None
    world_readable: bool
    guest_can_join: bool
    federates: bool
    """Whether users of other servers can come in, as far as the room's creation says; clients are not told."""

    def chunk(self) -> dict[str, Any]:
        """Return the JSON object for clients; what the room has not set is left out."""
        fields: dict[str, Any] = {
            "room_id": self.room_id,
            "num_joined_members": self.num_joined_members,
            "world_readable": self.world_readable,
            "guest_can_join": self.guest_can_join,
            "join_rule": self.join_rule,
            "name": self.name,
            "topic": self.topic,
            "canonical_alias": self.canonical_alias,
            "avatar_url": self.avatar_url,
            "room_type": self.room_type,
        }
        return {name: value for name, value in fields.items() if value is not None}


def summarize(row: RoomRow, joined: int, content: ContentOf) -> RoomSummary:
    """Make the summary of a room from its state."""
    return RoomSummary(
        room=row.room,
        room_id=row.room_id,
        num_joined_members=joined,
        name=_text(content("m.room.name"), "name"),
        topic=plain_topic(content("m.room.topic")),
        canonical_alias=_text(content("m.room.canonical_alias"), "alias", ALIAS_SIGIL),
        avatar_url=_text(content("m.room.avatar"), "url", MEDIA_SCHEME),
        join_rule=_text(content("m.room.join_rules"), "join_rule") or "invite",
        room_type=_text(content("m.room.create"), "type"),
        world_readable=parse_visibility(content("m.room.history_visibility")) == WORLD_READABLE,
        guest_can_join=content("m.room.guest_access").get("guest_access") == "can_join",
        federates=content("m.room.create").get("m.federate") is not False,
    )


def plain_topic(content: Mapping[str, Any]) -> str | None:
    """Return the plain text of an `m.room.topic`: its `text/plain` representation, else `topic`."""
    block = content.get("m.topic")
    texts = block.get("m.text") if isinstance(block, Mapping) else None
    for text in texts if isinstance(texts, list) else ():
        if isinstance(text, Mapping) and text.get("mimetype", "text/plain") == "text/plain":
            body = text.get("body")
            if isinstance(body, str) and body:
                return body
    return _text(content, "topic")


def _text(content: Mapping[str, Any], key: str, start: str = "") -> str | None:
    """Return a text of a state event that may hold anything, None if it is none, or does not begin as it must."""
    value = content.get(key)
    return value if isinstance(value, str) and value and value.startswith(start) else None
