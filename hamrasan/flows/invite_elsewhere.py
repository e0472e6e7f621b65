"""Inviting a user of another server (server-server API, "Inviting to a room"): that server signs the invite before the
room takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.federation.client import FederationClient, path_of
from hamrasan.federation.handshakes import federating_version, unhelpful
from hamrasan.federation.key_ring import KeyRing
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.protocol.errors import forbidden
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.identifiers import server_name_of
from hamrasan.protocol.signing import SignatureError, sign_event, signing_key_ids, verify_event_signature
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.reception import Outcome, Reception
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import pdu_of
from hamrasan.rooms.told_state import told_state
from hamrasan.storage.ports.rooms import StoredEvent

TIMEOUT_S = 30.0
"""For the other server to ask whether its user wants to be invited."""


class InviteElsewhere:
    """Invites users of other servers."""

    def __init__(
        self,
        client: FederationClient,
        keys: OwnKeys,
        key_ring: KeyRing,
        registry: RoomRegistry,
        events: FederatedEvents,
        reception: Reception,
    ) -> None:
        self._client = client
        self._keys = keys
        self.server_name = keys.server_name
        self._key_ring = key_ring
        self.registry = registry
        self._events = events
        self._reception = reception

    async def invite(self, room: Room, new: NewEvent) -> str:
        """Add an invite to a room once the invited user's server has signed it; return the event's id.

        Raises `NotAllowed`, the other server's refusal, `ServerUnreachable`.
        """
        federating_version(room.version.id)
        if room.content("m.room.create").get("m.federate") is False:
            raise forbidden("This room is closed to users of other servers.")
        server = server_name_of(new.state_key or "")
        event = self._signed(room, await self.registry.judged(room, new))
        answer = await self._client.put(
            server,
            path_of("/_matrix/federation/v2/invite/{}/{}", room.id, event.event_id),
            body={
                "room_version": room.version.id,
                "event": event.pdu,
                "invite_room_state": await told_state(self._events, room, new.sender),
            },
            timeout_s=TIMEOUT_S,
        )
        signed = await self._with_signature(event, answer.get("event"), room, server)
        outcome = await self._reception.add(room, signed)
        if outcome in (Outcome.REJECTED, Outcome.SOFT_FAILED):
            raise forbidden("The room has changed meanwhile, and does not take this invite any more.")
        return signed.event_id

    def _signed(self, room: Room, new: NewEvent) -> Event:
        """Return the invite as the room would take it now; nothing changes yet."""
        decision = self.registry.begin(room)
        stored: StoredEvent = decision.add(new)
        decision.undo()
        pdu = sign_event(
            pdu_of(stored, room.id, room.version), room.version, self._keys.server_name, self._keys.current
        )
        return event_from_pdu(pdu, stored.event_id, room.id)

    async def _with_signature(self, event: Event, answer: Any, room: Room, server: str) -> Event:
        """Return the event with the other server's signature; nothing else is taken from its answer."""
        ids = signing_key_ids(answer, server) if isinstance(answer, Mapping) else []
        keys = await self._key_ring.keys(server, ids, event.origin_server_ts)
        for key_id, key in keys.items():
            signature = answer["signatures"][server][key_id]
            ours: dict[str, Any] = dict(event.pdu["signatures"])
            pdu = {**event.pdu, "signatures": {**ours, server: {key_id: signature}}}
            try:
                verify_event_signature(pdu, room.version, server, key_id, key)
            except SignatureError:
                continue
            return event_from_pdu(pdu, event.event_id, event.room_id)
        raise unhelpful(server, "It has not signed the invite.")
