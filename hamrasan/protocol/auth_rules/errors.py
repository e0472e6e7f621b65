"""What the authorization rules raise (server-server API, "Authorisation rules")."""

from __future__ import annotations

from hamrasan.protocol.errors import MatrixError


class NotAllowed(MatrixError):
    """The authorization rules of the room's version reject an event.

    `rule` is the number of the rule in that version's list in the specification (for example "9.4"),
    `message` says in a sentence what is wrong.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(403, "M_FORBIDDEN", reason)
        self.rule = rule

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.message}"


class MissingEventError(LookupError):
    """An event that is needed to decide was not given: the caller has to fetch it first; nothing is decided."""

    def __init__(self, event_id: str, needed_for: str) -> None:
        super().__init__(f"event {event_id} is needed {needed_for}, but was not given")
        self.event_id = event_id
