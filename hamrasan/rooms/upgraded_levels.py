"""Power levels on their way from a room to the one that replaces it (client-server API, "Room Upgrades")."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hamrasan.protocol.auth_rules import creators_of
from hamrasan.protocol.auth_rules.power_levels import DEFAULT_LEVELS, parse_level
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.rooms.default_levels import CREATOR_LEVEL, secure_tombstone
from hamrasan.rooms.room import Room

POWER_LEVELS = "m.room.power_levels"
_MAPS = ("users", "events", "notifications")
MODERATOR_LEVEL = 50
"""Who may still write into a room that was replaced ("Room Upgrades", step 6)."""


def upgraded_levels(old: Room, version: RoomVersion, creators: Collection[str]) -> dict[str, Any]:
    """Return the content of `m.room.power_levels` for the room of `version` that `creators` replace `old` with.

    Everybody keeps their level. Creators who stand above all levels in one of the rooms only are taken out of the
    levels, or put among them; levels that no room of `version` can hold become numbers or go.
    """
    content = _readable(old.content(POWER_LEVELS), old.version)
    users: dict[str, int] = content.get("users", {})
    had_none = old.event(POWER_LEVELS, "") is None
    if old.create is not None and (had_none or old.version.authorization.privileged_creators):
        users = {**users, **dict.fromkeys(creators_of(old.create, old.version), CREATOR_LEVEL)}
    if version.authorization.privileged_creators:
        users = {user_id: level for user_id, level in users.items() if user_id not in creators}
    elif old.version.authorization.privileged_creators:
        users.update((user_id, max(users.get(user_id, 0), CREATOR_LEVEL)) for user_id in creators)
    return secure_tombstone({**content, "users": users}, version)


def silenced_levels(old: Room) -> dict[str, Any]:
    """Return the power levels after which only moderators write into a room and invite to it."""
    content = old.content(POWER_LEVELS)
    levels = old.power_levels
    quiet = max(MODERATOR_LEVEL, levels.users_default + 1)
    return {
        **content,
        "events_default": max(quiet, levels.events_default),
        "invite": max(quiet, levels.invite),
    }


def _readable(content: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """Return `content` with every level as the integer that it means in `version`, without those that mean nothing."""
    readable: dict[str, Any] = {}
    for name in DEFAULT_LEVELS:
        if (level := parse_level(content.get(name), version)) is not None:
            readable[name] = level
    for name in _MAPS:
        entries = content.get(name)
        if isinstance(entries, Mapping):
            levels = {key: parse_level(value, version) for key, value in entries.items()}
            readable[name] = {key: level for key, level in levels.items() if level is not None}
    return readable
