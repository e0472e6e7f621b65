"""Having events judged by a room's policy server (server-server API, "Policy Servers"): those of users of this server
before the room takes them, those of others when they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hamrasan.federation.client import FederationClient, ServerUnreachable
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.protocol.errors import MatrixError, forbidden, unavailable
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.signing import sign_event
from hamrasan.rooms.new_event import NewEvent, Signed
from hamrasan.rooms.policy_servers import KEY_ID, PolicyServer, is_judged, is_recommended, policy_server_of
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import pdu_of
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.rooms import StoredEvent

TIMEOUT_S = 10.0
"""Somebody waits for their message to be sent."""
MAX_ATTEMPTS = 5
"""Times that an event is made anew because the room went on while it was judged."""
MAX_BYTES = 64 * 1024
"""Of an answer: a signature."""

_log = get_logger(__name__)


class AskPolicyServer:
    """Asks policy servers for their signatures."""

    def __init__(self, registry: RoomRegistry, client: FederationClient, keys: OwnKeys) -> None:
        self._registry = registry
        self._client = client
        self._keys = keys
        self._locks = KeyedLocks()

    async def before_sending(self, room: Room, new: NewEvent) -> NewEvent:
        """Return an event with the policy server's signature on what the room would make of it now.

        So the caller has to add it without waiting. One that no policy server is asked about comes back as it is.
        Raises what the rules do, the policy server's refusal, `M_FORBIDDEN` if it cannot be asked or signs wrongly, and
        503 if the room does not rest.
        """
        if policy_server_of(room) is None or not is_judged(new.type, new.state_key):
            return new
        if new.origin_server_ts is None:
            new = replace(new, origin_server_ts=self._registry.clock.now_ms())
        # One after another: each would find the room changed by the one before. Whoever waits goes on only once the
        # caller has added this one, since it does so without waiting.
        async with self._locks(room.id):
            return await self._judged(room, new)

    async def _judged(self, room: Room, new: NewEvent) -> NewEvent:
        for _ in range(MAX_ATTEMPTS):
            server = policy_server_of(room)
            if server is None:
                return new
            stored = self._would_be(room, new)
            pdu = pdu_of(stored, room.id, room.version)
            pdu = sign_event(pdu, room.version, self._keys.server_name, self._keys.current)
            try:
                signed = await self._signed(room, server, pdu)
            except ServerUnreachable as error:
                raise forbidden(f"This room has its messages judged first, and {error.message}") from None
            if not is_recommended(signed, room, server):
                raise forbidden(f"The policy server {server.name} gave no signature that is right.")
            if self._would_be(room, new).event_id == stored.event_id:
                return replace(new, signed=Signed(stored.event_id, signed["signatures"]))
        raise unavailable("The room changes too fast to have an event judged; please try again later.")

    def _would_be(self, room: Room, new: NewEvent) -> StoredEvent:
        """Return what the room would make of an event now; nothing changes, nor is its transaction noted."""
        decision = self._registry.begin(room)
        stored = decision.add(replace(new, txn=None))
        decision.undo()
        return stored

    async def on_receipt(self, room: Room, event: Event) -> Event | None:
        """Return an event of another server with the policy server's signature; None if it gives none.

        One that no policy server is asked about comes back as it is.
        """
        server = policy_server_of(room)
        if server is None or not is_judged(event.type, event.state_key):
            return event
        if is_recommended(event.pdu, room, server):
            return event
        try:
            signed = await self._signed(room, server, dict(event.pdu))
        except MatrixError as error:
            _log.info("an event is not recommended", room=room.id, server=server.name, reason=error.message)
            return None
        if not is_recommended(signed, room, server):
            return None
        return event_from_pdu(signed, event.event_id, event.room_id)

    async def _signed(self, room: Room, server: PolicyServer, pdu: dict[str, Any]) -> dict[str, Any]:
        """Return an event with what the policy server answers as its signature; raise what it refuses."""
        answer = await self._client.post(
            server.name, "/_matrix/policy/v1/sign", body=pdu, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES
        )
        given = answer.get(server.name)
        signature = given.get(KEY_ID) if isinstance(given, Mapping) else None
        if not isinstance(signature, str):
            return pdu
        signatures: dict[str, Any] = dict(pdu["signatures"])
        signatures[server.name] = {**signatures.get(server.name, {}), KEY_ID: signature}
        return {**pdu, "signatures": signatures}
