"""The power levels that a room begins with (client-server API, "createRoom", step 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hamrasan.protocol.room_versions import RoomVersion

CREATOR_LEVEL = 100
"""What creators have where they are not above all levels."""
PRIVATE_INVITE_LEVEL = 0
"""In private rooms everybody may invite; in public ones, which need no invites, only moderators."""
TOMBSTONE_LEVEL = 150
"""Level for `m.room.tombstone` where creators are above all levels: above every administrator that they make."""

_EVENTS: Mapping[str, int] = {
    "m.room.name": 50,
    "m.room.avatar": 50,
    "m.room.topic": 50,
    "m.room.canonical_alias": 50,
    "m.room.power_levels": 100,
    "m.room.history_visibility": 100,
    "m.room.encryption": 100,
    "m.room.server_acl": 100,
    "m.room.tombstone": 100,
}
"""Moderators change how a room looks; what can shut people out or show the past to others needs an administrator."""


def default_power_levels(version: RoomVersion, creator: str, trusted: Iterable[str]) -> dict[str, Any]:
    """Return the content of a new room's `m.room.power_levels`; `trusted` get the same rights as the creator."""
    privileged = version.authorization.privileged_creators
    levels: dict[str, Any] = {
        "users": {} if privileged else dict.fromkeys((creator, *trusted), CREATOR_LEVEL),
        "users_default": 0,
        "events": dict(_EVENTS),
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 50,
    }
    if privileged:
        levels["events"]["m.room.tombstone"] = TOMBSTONE_LEVEL
    return levels


def secure_tombstone(levels: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """Return `levels` with a level for `m.room.tombstone` above `state_default`, where creators are privileged."""
    secured = dict(levels)
    events, state_default = secured.get("events", {}), secured.get("state_default", 50)
    if not (
        version.authorization.privileged_creators
        and isinstance(events, Mapping)
        and isinstance(state_default, int)
    ):
        return secured
    current = events.get("m.room.tombstone", state_default)
    if isinstance(current, int) and current <= state_default:
        secured["events"] = {**events, "m.room.tombstone": max(TOMBSTONE_LEVEL, state_default + 1)}
    return secured
