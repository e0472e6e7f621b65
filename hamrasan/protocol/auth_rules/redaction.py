"""`m.room.redaction` (room versions 1 and 2, authorization rule 11; judged when it is applied since)."""

from __future__ import annotations

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.auth_rules.state import AuthState
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import RoomVersion


def check_redaction(event: Event, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the sender has the redact level or redacts an event of the same server."""
    levels = state.power_levels
    if levels.of(event.sender) >= levels.redact:
        return
    if event.redacts is not None and event.redacts.partition(":")[2] == event.event_id.partition(":")[2]:
        return
    raise NotAllowed(
        f"{rule_numbers(version).redaction}.3",
        f"{event.sender} needs power level {levels.redact} to redact events of other servers.",
    )
