"""What somebody on this server wants to add to a room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hamrasan.storage.ports.rooms import StoredEvent


class Transaction(NamedTuple):
    """What makes a repeated request recognisable (client-server API, "Transaction identifiers")."""

    device_id: str
    txn_id: str


class Signed(NamedTuple):
    """Signatures, and the id of the event that they are for: as the room was then."""

    event_id: str
    signatures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before the room has decided on it."""

    type: str
    sender: str
    content: Mapping[str, Any]
    state_key: str | None = None
    txn: Transaction | None = None
    redacts: StoredEvent | None = None
    """The event that an `m.room.redaction` takes back."""
    authorised: bool = False
    """A member of this server vouches for a restricted join, so this server will sign it."""
    origin_server_ts: int | None = None
    """When it was sent, if an application service says so; else it is now."""
    signed: Signed | None = None
    """With what it was signed before it is in the room, by a policy server; other events are signed late."""
