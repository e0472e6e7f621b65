"""What servers are told of a room with an invite or a knock ("Stripped state"), as events in federation format."""

from __future__ import annotations

from typing import Any

from hamrasan.protocol.event import StateKey
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.room import Room

TOLD: tuple[StateKey, ...] = (
    ("m.room.create", ""),
    ("m.room.join_rules", ""),
    ("m.room.name", ""),
    ("m.room.avatar", ""),
    ("m.room.topic", ""),
    ("m.room.canonical_alias", ""),
    ("m.room.encryption", ""),
)
"""What the specification names; besides, the membership of whoever invites."""


async def told_state(events: FederatedEvents, room: Room, *members: str) -> list[dict[str, Any]]:
    """Return the state events that a server outside the room may know, and the memberships of `members`."""
    keys = (*TOLD, *(("m.room.member", user_id) for user_id in members))
    known = [event_id for key in keys if (event_id := room.state_event_id(key)) is not None]
    return list((await events.pdus(known)).values())
