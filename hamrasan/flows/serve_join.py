"""What a server gets that joins a room through this one: the room's state, whole or without most members (server-server
API, `PUT /send_join`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hamrasan.flows.serve_handshakes import ServeHandshakes, Taken
from hamrasan.protocol.event import StateKey
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.heroes import heroes
from hamrasan.rooms.membership import MEMBER

_NAMES: tuple[StateKey, ...] = (("m.room.name", ""), ("m.room.canonical_alias", ""))


class ServedJoin(NamedTuple):
    """The answer to a join: its members, and ids of the events that are its lists."""

    members: dict[str, Any]
    state: list[str]
    auth_chain: list[str]


class ServeJoin:
    """Lets users of other servers into rooms."""

    def __init__(self, handshakes: ServeHandshakes, events: FederatedEvents) -> None:
        self._handshakes = handshakes
        self._events = events

    async def join(
        self, server: str, room_id: str, event_id: str, pdu: Any, *, omit_members: bool
    ) -> ServedJoin:
        """Let a room take a join; return the state before it. Raises as `ServeHandshakes.take`."""
        taken = await self._handshakes.take(server, room_id, event_id, pdu, "join")
        state = await self._events.state_before(taken.room, event_id)
        members: dict[str, Any] = {"event": taken.event.pdu}
        if not omit_members:
            kept = list(state.values())
            return ServedJoin(members, kept, await self._events.auth_chain([*kept, event_id]))
        shown = _without_members(taken, state)
        chain = await self._events.auth_chain([*shown, event_id])
        redundant = set(shown)
        members |= {"members_omitted": True, "servers_in_room": taken.servers}
        return ServedJoin(members, shown, [each for each in chain if each not in redundant])


def _without_members(taken: Taken, state: dict[StateKey, str]) -> list[str]:
    """Return the events of a state without members but for those who stand for a room that has no name."""
    named = any(key in state for key in _NAMES)
    shown = frozenset() if named else frozenset(heroes(taken.room, taken.event.sender))
    return [
        event_id
        for (event_type, state_key), event_id in state.items()
        if event_type != MEMBER or state_key in shown
    ]
