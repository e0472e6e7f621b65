"""Power levels, parsed once (client-server API, "m.room.power_levels"; each room version's notes on their format).

    PowerLevels(create: Event | None, content: Mapping | None, version: RoomVersion)
        .of(user_id) -> Level            .to_send(event_type, is_state) -> int
        .invite  .kick  .ban  .redact    .users_default  .events_default  .state_default    -> int
        .notification(key) -> int

`Level` is an int, or `CREATOR_LEVEL` (above every int) for the creators of a room of version 12 and later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import RoomVersion

Level = int | float
"""A power level: an int, or `CREATOR_LEVEL`."""

CREATOR_LEVEL: Final = math.inf
"""What privileged creators have: more than any level that can be written down."""

CREATOR_LEVEL_WITHOUT_EVENT: Final = 100
"""The creator's level while a room has no power levels event (before version 12)."""

DEFAULT_LEVELS: Final[Mapping[str, int]] = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 0,
}
"""What each property means while it is absent."""

DEFAULT_NOTIFICATION_LEVEL: Final = 50
"""The level for a notification key that is not listed (client-server API, `notifications.room`)."""

_INTEGER_TEXT = re.compile(r"\s*([+-]?)0*([0-9]{1,16})\s*", re.ASCII)
"""An integer written as text, with a sign, leading zeros and spaces at will; 16 digits hold 2^53."""

_LARGEST_INTEGER = 2**53 - 1
"""The largest power level that canonical JSON can hold; a text beyond it is no level."""


def parse_level(value: Any, version: RoomVersion) -> int | None:
    """Return the level that `value` means in `version`, or None if it means none.

    Until version 9 texts count ("100"), until version 5 also floats, cut off at the point.
    """
    if type(value) is int:
        return value
    if version.authorization.integer_power_levels:
        return None
    if isinstance(value, str):
        found = _INTEGER_TEXT.fullmatch(value)
        if found is None:
            return None
        level = int(found[1] + found[2])
        return level if abs(level) <= _LARGEST_INTEGER else None
    if isinstance(value, float) and not version.strict_canonical_json and math.isfinite(value):
        return int(value)
    return None


def creators_of(create: Event, version: RoomVersion) -> tuple[str, ...]:
    """Return who created the room: one user, and from version 12 also the `additional_creators`."""
    if not version.authorization.creator_from_sender:
        creator = create.content.get("creator")
        return (creator,) if isinstance(creator, str) else ()
    if not version.authorization.privileged_creators:
        return (create.sender,)
    additional = create.content.get("additional_creators")
    if not isinstance(additional, list):
        return (create.sender,)
    return (create.sender, *(user_id for user_id in additional if isinstance(user_id, str)))


class PowerLevels:
    """The power levels of a room at one moment.

    Making one never fails, because a room of an older version may hold a power levels event with unreadable
    parts. Such a level is kept as None, and asking for it raises `NotAllowed`.
    """

    __slots__ = ("_events", "_levels", "_notifications", "_users", "_version")

    def __init__(self, create: Event | None, content: Mapping[str, Any] | None, version: RoomVersion) -> None:
        """Parse `content` of `m.room.power_levels`; None means that the room has no such event."""
        self._version = version
        creators = () if create is None else creators_of(create, version)
        self._levels: dict[str, int | None] = dict(DEFAULT_LEVELS)
        self._users: dict[str, Level | None] = {}
        self._events: dict[str, int | None] = {}
        self._notifications: dict[str, int | None] = {}
        if content is not None:
            for name in DEFAULT_LEVELS:
                if name in content:
                    self._levels[name] = parse_level(content[name], version)
            self._users.update(self._entries(content.get("users")))
            self._events = self._entries(content.get("events"))
            self._notifications = self._entries(content.get("notifications"))
        else:
            self._users.update(dict.fromkeys(creators, CREATOR_LEVEL_WITHOUT_EVENT))
        if version.authorization.privileged_creators:
            self._users.update(dict.fromkeys(creators, CREATOR_LEVEL))

    def _entries(self, entries: Any) -> dict[str, int | None]:
        """Return a map of levels; what is not an object has no entries."""
        if not isinstance(entries, Mapping):
            return {}
        return {key: parse_level(value, self._version) for key, value in entries.items()}

    def of(self, user_id: str) -> Level:
        """Return the power level of `user_id`."""
        try:
            level = self._users[user_id]
        except KeyError:
            level = self._levels["users_default"]
        return self._unreadable(f"level of {user_id}") if level is None else level

    def to_send(self, event_type: str, is_state: bool) -> int:
        """Return the level that sending an event of this type needs (its *required power level*)."""
        try:
            level = self._events[event_type]
        except KeyError:
            level = self._levels["state_default" if is_state else "events_default"]
        return self._unreadable(f"level for {event_type}") if level is None else level

    def notification(self, key: str) -> int:
        """Return the level that triggering a notification (`room` for `@room`) needs."""
        level = self._notifications.get(key, DEFAULT_NOTIFICATION_LEVEL)
        return self._unreadable(f"level for the notification {key}") if level is None else level

    @property
    def notifications(self) -> Mapping[str, int]:
        """The levels that triggering notifications needs, by key, as far as the room says and they are levels."""
        return {key: level for key, level in self._notifications.items() if level is not None}

    @property
    def invite(self) -> int:
        """The level that inviting needs."""
        return self._named("invite")

    @property
    def kick(self) -> int:
        """The level that removing a member needs."""
        return self._named("kick")

    @property
    def ban(self) -> int:
        """The level that banning and unbanning need."""
        return self._named("ban")

    @property
    def redact(self) -> int:
        """The level that redacting somebody else's event needs."""
        return self._named("redact")

    @property
    def users_default(self) -> int:
        """The level of users who are not listed."""
        return self._named("users_default")

    @property
    def events_default(self) -> int:
        """The level that message events of a type that is not listed need."""
        return self._named("events_default")

    @property
    def state_default(self) -> int:
        """The level that state events of a type that is not listed need."""
        return self._named("state_default")

    def _named(self, name: str) -> int:
        level = self._levels[name]
        return self._unreadable(f"level '{name}'") if level is None else level

    def _unreadable(self, what: str) -> int:
        raise NotAllowed(
            rule_numbers(self._version).level, f"The {what} in the room's power levels is not a number."
        )
