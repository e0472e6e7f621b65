"""`m.room.aliases` (room versions 1 to 5, authorization rule 4; an ordinary state event since)."""

from __future__ import annotations

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import RoomVersion


def check_aliases(event: Event, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the event is about the aliases of its sender's own server."""
    rule = rule_numbers(version).aliases
    if event.state_key is None:
        raise NotAllowed(f"{rule}.1", "m.room.aliases must be a state event.")
    if event.sender.partition(":")[2] != event.state_key:
        raise NotAllowed(
            f"{rule}.2", f"{event.sender} cannot set the aliases of the server '{event.state_key}'."
        )
