"""The events of one room during a resolution, and what is looked up in them again and again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hamrasan.protocol.auth_rules.errors import MissingEventError
from hamrasan.protocol.auth_rules.needs import CREATE, POWER_LEVELS
from hamrasan.protocol.auth_rules.power_levels import PowerLevels
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.hashing import create_event_id_of
from hamrasan.protocol.room_versions import RoomVersion


class RoomEvents:
    """All events that a resolution may ask for, with parsed power levels kept for each power levels event."""

    def __init__(self, version: RoomVersion, events: Mapping[str, Event], rejected: Collection[str]) -> None:
        self.version = version
        self.rejected = rejected
        self._events = events
        self._power_levels: dict[tuple[str | None, str | None], PowerLevels] = {}

    def get(self, event_id: str, needed_for: str) -> Event:
        """Return an event; raise `MissingEventError`, which says what it is needed for."""
        event = self._events.get(event_id)
        if event is None:
            raise MissingEventError(event_id, needed_for)
        return event

    def cited(self, event: Event, key: StateKey) -> Event | None:
        """Return the event that `event` has for `key` among its auth events."""
        for event_id in event.auth_events:
            auth_event = self._events.get(event_id)
            if auth_event is None:
                raise MissingEventError(event_id, f"as auth event of {event.event_id}")
            if auth_event.key == key:
                return auth_event
        return None

    def create_of(self, event: Event) -> Event | None:
        """Return the create event that `event` is based on: the one its room id names, or its auth event."""
        if self.version.authorization.room_id_is_create_hash:
            return self.get(create_event_id_of(event.room_id), "as create event of the room")
        return self.cited(event, CREATE)

    def power_levels(self, create: Event | None, event: Event | None) -> PowerLevels:
        """Return the power levels that an `m.room.power_levels` event sets, or the defaults if there is none."""
        key = (None if create is None else create.event_id, None if event is None else event.event_id)
        levels = self._power_levels.get(key)
        if levels is None:
            levels = PowerLevels(create, None if event is None else event.content, self.version)
            self._power_levels[key] = levels
        return levels

    def power_levels_before(self, event: Event) -> PowerLevels:
        """Return the power levels that `event` itself says it was sent under, by its auth events."""
        return self.power_levels(self.create_of(event), self.cited(event, POWER_LEVELS))

    def chain(self, event_ids: Iterable[str], *, without: Collection[str] = frozenset()) -> set[str]:
        """Return these events and their auth chains, but nothing in or behind `without`.

        Walks with a list of its own, as an auth chain can be longer than the interpreter's stack.
        """
        found = {event_id for event_id in event_ids if event_id not in without}
        waiting = list(found)
        while waiting:
            event_id = waiting.pop()
            for auth_id in self.get(event_id, "to follow the auth chains of the states").auth_events:
                if auth_id not in found and auth_id not in without:
                    found.add(auth_id)
                    waiting.append(auth_id)
        return found
