"""The state that the authorization rules read (server-server API, "Authorisation rules").

class AuthState(Protocol)
    create: Event | None
    power_levels: PowerLevels
    join_rule: str
    membership(user_id) -> str | None
    event(event_type, state_key) -> Event | None

MapAuthState(version, Mapping[StateKey, Event])   the same from a plain map
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hamrasan.protocol.auth_rules.needs import CREATE, JOIN_RULES, POWER_LEVELS
from hamrasan.protocol.auth_rules.power_levels import PowerLevels
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import RoomVersion

DEFAULT_JOIN_RULE = "invite"
"""The join rule of a room that has set none."""


class AuthState(Protocol):
    """A room's state at one moment, as far as the rules ask for it.

    The rules ask for nothing beyond the keys of `deciding_types`, and read memberships through `membership` only.
    """

    @property
    def create(self) -> Event | None:
        """The room's `m.room.create` event."""

    @property
    def power_levels(self) -> PowerLevels:
        """The room's power levels, parsed; the defaults if there is no `m.room.power_levels`."""

    @property
    def join_rule(self) -> str:
        """The room's join rule (see `join_rule_of`)."""

    def membership(self, user_id: str) -> str | None:
        """Return the membership of `user_id`: `join`, `invite`, `knock`, `leave`, `ban`, or None for never seen."""

    def event(self, event_type: str, state_key: str) -> Event | None:
        """Return the state event; asked for `m.room.power_levels` and `m.room.third_party_invite` only."""


def join_rule_of(join_rules: Event | None) -> str:
    """Return the join rule that an `m.room.join_rules` event sets; "" (nobody may join) if it is not a string."""
    if join_rules is None:
        return DEFAULT_JOIN_RULE
    rule = join_rules.content.get("join_rule", DEFAULT_JOIN_RULE)
    return rule if isinstance(rule, str) else ""


class MapAuthState:
    """An `AuthState` over a map of state events, for events that come with their state (federation, tests)."""

    __slots__ = ("_events", "_power_levels", "_version")

    def __init__(self, version: RoomVersion, events: Mapping[StateKey, Event]) -> None:
        self._version = version
        self._events = events
        self._power_levels: PowerLevels | None = None

    @property
    def create(self) -> Event | None:
        """The room's `m.room.create` event."""
        return self._events.get(CREATE)

    @property
    def power_levels(self) -> PowerLevels:
        """The room's power levels, parsed when first asked for."""
        if self._power_levels is None:
            event = self._events.get(POWER_LEVELS)
            content = None if event is None else event.content
            self._power_levels = PowerLevels(self.create, content, self._version)
        return self._power_levels

    @property
    def join_rule(self) -> str:
        """The room's join rule."""
        return join_rule_of(self._events.get(JOIN_RULES))

    def membership(self, user_id: str) -> str | None:
        """Return the membership of `user_id`."""
        event = self._events.get(("m.room.member", user_id))
        return None if event is None else event.membership

    def event(self, event_type: str, state_key: str) -> Event | None:
        """Return the state event of that type and state key."""
        return self._events.get((event_type, state_key))
