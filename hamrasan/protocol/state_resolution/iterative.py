"""Building a state by trying events one after the other (room version 2, "Iterative auth checks")."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from hamrasan.protocol.auth_rules.check import check_auth
from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.needs import CREATE, JOIN_RULES, POWER_LEVELS
from hamrasan.protocol.auth_rules.power_levels import PowerLevels
from hamrasan.protocol.auth_rules.state import join_rule_of
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.state_resolution.conflicts import StateMap
from hamrasan.protocol.state_resolution.room import RoomEvents


class StateSoFar:
    """The state of a resolution so far as an event meets it, an `AuthState`.

    What neither the resolved state nor its base has comes from the auth events of `completed_by`, unless those were
    rejected. Events of the resolved state count even if they were rejected once: they have passed here.
    """

    __slots__ = ("_base", "_completed_by", "_resolved", "_room")

    def __init__(
        self, resolved: StateMap, base: StateMap, room: RoomEvents, completed_by: Event | None
    ) -> None:
        self._resolved = resolved
        self._base = base
        self._room = room
        self._completed_by = completed_by

    def _find(self, key: StateKey) -> Event | None:
        event_id = self._resolved.get(key) or self._base.get(key)
        if event_id is not None:
            return self._room.get(event_id, "as state that decides about conflicted events")
        if self._completed_by is None:
            return None
        cited = self._room.cited(self._completed_by, key)
        return None if cited is None or cited.event_id in self._room.rejected else cited

    @property
    def create(self) -> Event | None:
        """The room's create event."""
        if self._completed_by is not None and self._room.version.authorization.room_id_is_create_hash:
            return self._room.create_of(self._completed_by)
        return self._find(CREATE)

    @property
    def power_levels(self) -> PowerLevels:
        """The power levels, parsed once for each event that sets them."""
        return self._room.power_levels(self.create, self._find(POWER_LEVELS))

    @property
    def join_rule(self) -> str:
        """The join rule."""
        return join_rule_of(self._find(JOIN_RULES))

    def membership(self, user_id: str) -> str | None:
        """Return the membership of `user_id`."""
        event = self._find(("m.room.member", user_id))
        return None if event is None else event.membership

    def event(self, event_type: str, state_key: str) -> Event | None:
        """Return the state event of that type and state key."""
        return self._find((event_type, state_key))


def apply_allowed(
    event_ids: Iterable[str], resolved: MutableMapping[StateKey, str], base: StateMap, room: RoomEvents
) -> None:
    """Put each event into `resolved` that the state so far, `resolved` on top of `base`, allows; skip the others.

    The signature of a restricted join's authorising server was checked when the event came in.
    """
    for event_id in event_ids:
        event = room.get(event_id, "to be checked")
        key = event.key
        if key is None:
            continue
        try:
            check_auth(event, StateSoFar(resolved, base, room, event), room.version, authorised_signed=True)
        except NotAllowed:
            continue
        resolved[key] = event_id
