"""An event as the rules see it (specification, "Events"; each room version's "Event format")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

StateKey = tuple[str, str]
"""(event type, state key): what a piece of room state is found by."""


@dataclass(slots=True, eq=False)
class Event:
    """A persistent event (PDU) with its id, parsed.

    `pdu` is the whole event as JSON value in the federation format of its room version, without `event_id`
    (room versions 1 and 2 carry it inside `pdu`). The other fields are read from it once. Events are never changed.
    """

    event_id: str
    room_id: str
    type: str
    sender: str
    state_key: str | None
    content: Mapping[str, Any]
    origin_server_ts: int
    """Milliseconds since the Unix epoch, as the sending server's clock had it."""
    depth: int
    prev_events: Sequence[str]
    auth_events: Sequence[str]
    redacts: str | None
    pdu: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> StateKey | None:
        """Return the state key pair, or None for a message event."""
        return None if self.state_key is None else (self.type, self.state_key)

    @property
    def membership(self) -> str | None:
        """Return `content.membership` where it is a string."""
        membership = self.content.get("membership")
        return membership if isinstance(membership, str) else None


def event_from_pdu(pdu: Mapping[str, Any], event_id: str, room_id: str) -> Event:
    """Read an `Event` from a PDU whose format has been checked (`event_format.check_pdu_format`).

    `room_id` is given apart, because the create event of newer room versions does not carry it.
    """
    content = pdu["content"]
    redacts = pdu.get("redacts", content.get("redacts") if pdu["type"] == "m.room.redaction" else None)
    return Event(
        event_id=event_id,
        room_id=room_id,
        type=pdu["type"],
        sender=pdu["sender"],
        state_key=pdu.get("state_key"),
        content=content,
        origin_server_ts=pdu["origin_server_ts"],
        depth=pdu["depth"],
        prev_events=_references(pdu["prev_events"]),
        auth_events=_references(pdu["auth_events"]),
        redacts=redacts if isinstance(redacts, str) else None,
        pdu=pdu,
    )


def _references(references: Sequence[Any]) -> Sequence[str]:
    """Return plain event ids, also from the [id, hashes] pairs of the first room versions."""
    return [reference if isinstance(reference, str) else reference[0] for reference in references]
