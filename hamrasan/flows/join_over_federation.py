"""Joining a room that this server is not in (server-server API, "Joining Rooms").

What the resident server sends is believed as far as signatures and rules prove it: signatures are checked here, and by
`Reception.seed` each event by those that authorise it, and the join by the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hamrasan.federation.handshakes import (
    AUTHORISED_VIA,
    Handshake,
    Handshakes,
    JoinAnswer,
    Prepared,
    unhelpful,
)
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.flows.fill_gap import FillGap
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.reception import MissingEvents, Outcome, Reception
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.residency import is_resident
from hamrasan.rooms.room import Room
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger

MAX_STATE_EVENTS = 500_000
"""State of one room, with what authorises it: more than any room has, and some gigabytes while it is read."""

_log = get_logger(__name__)


class JoinOverFederation:
    """Lets users of this server into rooms through other servers."""

    def __init__(
        self,
        handshakes: Handshakes,
        checks: PduChecks,
        reception: Reception,
        registry: RoomRegistry,
        invitations: Invitations,
        gaps: FillGap,
        server_name: str,
    ) -> None:
        self._handshakes = handshakes
        self._checks = checks
        self._reception = reception
        self._registry = registry
        self._invitations = invitations
        self._gaps = gaps
        self._server_name = server_name
        self._locks = KeyedLocks()

    async def join(
        self, room_id: str, user_id: str, content: Mapping[str, Any], servers: Iterable[str]
    ) -> Room | None:
        """Let a user into a room through the first of `servers` that helps; return the room.

        `content` is that of the membership event. Returns None if this server has come into the room meanwhile, so
        that the user can join here. Raises the other servers' refusal, `ServerUnreachable`, `M_NOT_FOUND`.
        """
        wanted = list(servers)
        async with self._locks(room_id):  # two who join at once must not begin the room twice
            room = await self._registry.find(room_id)
            if room is not None and is_resident(room, self._server_name):
                return None
            room = await self._handshakes.first(
                wanted, lambda server: self._join_through(server, room_id, user_id, content)
            )
        await self._invitations.drop(room_id, room.head)
        return room

    async def vouched(
        self, room: Room, user_id: str, content: Mapping[str, Any], servers: Iterable[str]
    ) -> None:
        """Let a user into a restricted room that this server is in, but in which nobody of it may vouch for them.

        Raises as `join`.
        """
        await self._handshakes.first(servers, lambda server: self._vouched_by(server, room, user_id, content))

    async def _vouched_by(self, server: str, room: Room, user_id: str, content: Mapping[str, Any]) -> None:
        handshakes = self._handshakes
        prepared = await handshakes.prepare(Handshake.JOIN, server, room.id, user_id, content, room.version)
        answer = await handshakes.send_join(prepared)
        joined = await self._signed_join(prepared, answer)
        try:
            outcome = await self._reception.add(room, joined)
        except MissingEvents:
            outcome = await self._add_with_state(room, joined, prepared, answer)
        if outcome in (Outcome.REJECTED, Outcome.SOFT_FAILED):
            raise unhelpful(server, "The room does not take the join after all.")

    async def _add_with_state(
        self, room: Room, joined: Event, prepared: Prepared, answer: JoinAnswer
    ) -> Outcome:
        """Take a join in that follows something which has not come here yet."""
        state, chain = await self._checked(prepared, answer)
        try:
            await self._reception.add_outliers(room, [*chain, *state])
            return await self._reception.add(room, joined, state_before=state)
        except MissingEvents:
            raise _incomplete(prepared.server) from None

    async def _join_through(
        self, server: str, room_id: str, user_id: str, content: Mapping[str, Any]
    ) -> Room:
        prepared = await self._handshakes.prepare(Handshake.JOIN, server, room_id, user_id, content)
        answer = await self._handshakes.send_join(prepared)
        joined = await self._signed_join(prepared, answer)
        state, chain = await self._checked(prepared, answer)
        if (room := await self._registry.find(room_id)) is not None:
            await self._gaps.bridge(room, joined, server)
        try:
            return await self._reception.seed(room_id, prepared.version.id, state, chain, joined)
        except MissingEvents:
            raise _incomplete(server) from None

    async def _signed_join(self, prepared: Prepared, answer: JoinAnswer) -> Event:
        """Return the join, with the signature of the server that let the user in where it needs one."""
        if answer.event is not None:
            try:
                joined = await self._checks.check_pdu(
                    answer.event, prepared.version, room_id=prepared.event.room_id
                )
            except MatrixError as error:
                _log.info("a join came back changed", server=prepared.server, reason=error.message)
            else:
                if joined.event_id == prepared.event.event_id:
                    return joined
        if AUTHORISED_VIA in prepared.event.content:
            raise unhelpful(prepared.server, "It has not signed the join that it authorises.")
        return prepared.event

    async def _checked(self, prepared: Prepared, answer: JoinAnswer) -> tuple[list[Event], list[Event]]:
        """Return the state before the join, and what else authorises it; what is forged is left out."""
        room_id, version, server = prepared.event.room_id, prepared.version, prepared.server
        if len(answer.state) + len(answer.auth_chain) > MAX_STATE_EVENTS:
            raise unhelpful(server, "The state of the room is too large.")
        state = await self._checks.check_pdus(answer.state, version, room_id=room_id)
        known = {_hash(event.pdu) for event in state.events}
        others = [pdu for pdu in answer.auth_chain if _hash(pdu) not in known]  # most of it is state, too
        chain = await self._checks.check_pdus(others, version, room_id=room_id)
        if refused := (*state.refused, *chain.refused):
            _log.warning(
                "parts of a joined room's state were refused",
                room=room_id,
                server=server,
                refused=len(refused),
                reason=refused[0].reason,
            )
        return state.events, chain.events


def _hash(pdu: Any) -> Any:
    """Return the content hash that an event says it has; None where it says none."""
    hashes = pdu.get("hashes") if isinstance(pdu, Mapping) else None
    told = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    return told if isinstance(told, str) else None


def _incomplete(server: str) -> MatrixError:
    return unhelpful(server, "What it tells of the room's state is not complete.")
