"""`m.room.power_levels`: nobody grants or takes what is above the own level (authorization rules 9 or 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hamrasan.protocol.auth_rules.create import is_user_id
from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.auth_rules.power_levels import DEFAULT_LEVELS, Level, creators_of, parse_level
from hamrasan.protocol.auth_rules.state import AuthState
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import RoomVersion


def check_power_levels(event: Event, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the new levels are well-formed and their changes within the sender's reach."""
    _check_format(event.content, version)
    _check_creators_unlisted(event.content, state.create, version)
    current = state.event("m.room.power_levels", "")
    if current is None:
        return
    own_level = state.power_levels.of(event.sender)
    _check_properties(current.content, event.content, own_level, version)
    names = ("events", "notifications") if version.authorization.limits_notification_levels else ("events",)
    for name in names:
        _check_entries(name, current.content, event.content, own_level, version)
    _check_users(event.sender, current.content, event.content, own_level, version)


def _check_format(content: Mapping[str, Any], version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the properties have the form that `version` takes."""
    numbers = rule_numbers(version)
    if version.authorization.integer_power_levels:
        for name in DEFAULT_LEVELS:
            if name in content and parse_level(content[name], version) is None:
                raise NotAllowed(numbers.levels_integers, f"The power level '{name}' must be an integer.")
        for name in ("events", "notifications"):
            _check_level_map(name, content, numbers.levels_maps, version)
    _check_level_map("users", content, numbers.levels_users, version)
    for user_id in content.get("users", ()):
        if not is_user_id(user_id):
            raise NotAllowed(numbers.levels_users, "The power levels list something that is not a user id.")


def _check_level_map(name: str, content: Mapping[str, Any], rule: str, version: RoomVersion) -> None:
    """Raise `NotAllowed` if the property is there and not an object whose values are levels."""
    if name not in content:
        return
    levels = content[name]
    if not isinstance(levels, Mapping):
        raise NotAllowed(rule, f"'{name}' of the power levels must be an object.")
    for value in levels.values():
        if parse_level(value, version) is None:
            raise NotAllowed(rule, f"'{name}' of the power levels holds something that is not an integer.")


def _check_creators_unlisted(content: Mapping[str, Any], create: Event | None, version: RoomVersion) -> None:
    """Raise `NotAllowed` if creators who stand above all levels are given one."""
    if not version.authorization.privileged_creators or create is None:
        return
    users = content.get("users", {})
    for creator in creators_of(create, version):
        if creator in users:
            raise NotAllowed(
                rule_numbers(version).levels_creators,
                f"{creator} created the room and cannot be given a power level.",
            )


def _check_properties(
    old: Mapping[str, Any], new: Mapping[str, Any], own_level: Level, version: RoomVersion
) -> None:
    """Raise `NotAllowed` if one of the plain properties changes from or to a level above the sender's."""
    rule = rule_numbers(version).levels_property_changed
    for name, before, after in _changes(old, new, DEFAULT_LEVELS, rule, version):
        if before is not None and before > own_level:
            raise NotAllowed(
                f"{rule}.1", f"The power level '{name}' is above the sender's and cannot be changed."
            )
        if after is not None and after > own_level:
            raise NotAllowed(f"{rule}.2", f"The power level '{name}' would be above the sender's own.")


def _check_entries(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], own_level: Level, version: RoomVersion
) -> None:
    """Raise `NotAllowed` if an entry of `events` or `notifications` changes from or to a level above the sender's."""
    numbers = rule_numbers(version)
    before_map, after_map = (
        _map(old, name, numbers.levels_entry_changed),
        _map(new, name, numbers.levels_entry_added),
    )
    keys = dict.fromkeys((*before_map, *after_map))
    for key, before, after in _changes(before_map, after_map, keys, numbers.levels_entry_changed, version):
        if before is not None and before > own_level:
            raise NotAllowed(
                f"{numbers.levels_entry_changed}.1",
                f"The level for '{key}' is above the sender's and cannot be changed.",
            )
        if after is not None and after > own_level:
            raise NotAllowed(
                f"{numbers.levels_entry_added}.1", f"The level for '{key}' would be above the sender's own."
            )


def _check_users(
    sender: str, old: Mapping[str, Any], new: Mapping[str, Any], own_level: Level, version: RoomVersion
) -> None:
    """Raise `NotAllowed` if the level of an equal or superior changes, or somebody gets more than the sender has."""
    numbers = rule_numbers(version)
    before_map, after_map = (
        _map(old, "users", numbers.levels_user_changed),
        _map(new, "users", numbers.levels_user_added),
    )
    users = dict.fromkeys((*before_map, *after_map))
    for user_id, before, after in _changes(
        before_map, after_map, users, numbers.levels_user_changed, version
    ):
        if before is not None and before >= own_level and user_id != sender:
            raise NotAllowed(
                f"{numbers.levels_user_changed}.1",
                f"{user_id} has no lower power level than {sender}, so it stays.",
            )
        if after is not None and after > own_level:
            raise NotAllowed(
                f"{numbers.levels_user_added}.1", f"{user_id} would get a higher power level than {sender}."
            )


def _map(content: Mapping[str, Any], name: str, rule: str) -> Mapping[str, Any]:
    """Return a property that is a map, empty if absent; raise `NotAllowed` if it is something else."""
    levels = content.get(name, {})
    if not isinstance(levels, Mapping):
        raise NotAllowed(
            rule, f"'{name}' of the power levels is not an object, so nobody can tell what changes."
        )
    return levels


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], keys: Mapping[str, Any], rule: str, version: RoomVersion
) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield (key, level before, level after) for each of `keys` that was added, changed or removed; None for absent."""
    for key in keys:
        if key in old and key in new and type(old[key]) is type(new[key]) and old[key] == new[key]:
            continue  # an entry that cannot be read may stay as it is
        before = _level(key, old, rule, version)
        after = _level(key, new, rule, version)
        if before != after:
            yield key, before, after


def _level(key: str, levels: Mapping[str, Any], rule: str, version: RoomVersion) -> int | None:
    """Return the level of an entry, None if absent; raise `NotAllowed` if it is not a number."""
    if key not in levels:
        return None
    level = parse_level(levels[key], version)
    if level is None:
        raise NotAllowed(rule, f"The power level '{key}' is not a number, so nobody can tell what changes.")
    return level
