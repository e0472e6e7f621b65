"""Taking in the events that another server pushes for one room (server-server API, "PDUs").

What can be judged at once is, one after another, and made durable together. An event whose past is not known holds up
those that came with it, but not those of other servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.flows.end_invitation import EndInvitation
from hamrasan.flows.fill_gap import FillGap
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.protocol.hashing import event_id_of
from hamrasan.rooms.reception import MissingEvents, Outcome, Reception
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_acls import ServerAcls
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.journal import CommitFailed

GAP_S = 300.0
"""For all that is fetched for one event; a server that takes longer holds up only its own events."""
NOT_HERE = "This server is not in the room."
DENIED = "The room does not let your server take part."
REJECTED = "The room's rules do not allow the event."
FAULT = "The event could not be judged."
GAP = "What comes before this event, or what it cites, could not be had."

_log = get_logger(__name__)


class ReceivePdus:
    """Judges what other servers push."""

    def __init__(
        self,
        registry: RoomRegistry,
        reception: Reception,
        acls: ServerAcls,
        checks: PduChecks,
        gaps: FillGap,
        outside: EndInvitation,
        own: str,
    ) -> None:
        self._outside = outside
        self._registry = registry
        self._reception = reception
        self._acls = acls
        self._checks = checks
        self._gaps = gaps
        self._own = own

    async def receive(self, origin: str, room_id: str, pdus: Sequence[Any]) -> dict[str, str | None]:
        """Take in events of a room, in their order; return, by event id, why one was not taken, or None.

        Of a room that is not known here nothing can be said: not even ids, which depend on the room's version. Raises
        `CommitFailed`, and `M_LIMIT_EXCEEDED` when the server is too busy: then what was taken will be known the next
        time.
        """
        room = await self._registry.find(room_id)
        if room is None or self._own not in room.servers:
            await self._outside.receive(origin, room_id, room, pdus)
        if room is None:
            return {}
        if self._own not in room.servers:
            return _all_refused(pdus, room, NOT_HERE)
        if not self._acls.allows(room, origin):
            return _all_refused(pdus, room, DENIED)
        checked = await self._checks.check_pdus(pdus, room.version, room_id=room_id)
        results: dict[str, str | None] = {
            refused.event_id: refused.reason for refused in checked.refused if refused.event_id is not None
        }
        waiting: list[asyncio.Future[None]] = []
        try:
            for event in checked.events:
                results[event.event_id] = await self._take(room, event, origin, waiting)
        finally:
            if waiting:
                await asyncio.wait(waiting)
        for durable in waiting:
            durable.result()
        return results

    async def _take(
        self, room: Room, event: Event, origin: str, waiting: list[asyncio.Future[None]]
    ) -> str | None:
        """Take in one event, which need not be durable after this; return why not."""
        try:
            try:
                outcome, durable = await self._reception.submit(room, event)
                if durable is not None:
                    waiting.append(durable)
            except MissingEvents:
                async with asyncio.timeout(GAP_S):
                    outcome = await self._gaps.add(room, event, origin)
        except (MissingEvents, TimeoutError):
            _log.info("an event came whose past cannot be had", event_id=event.event_id, server=origin)
            return GAP
        except CommitFailed:
            raise
        except MatrixError as error:
            if error.status in (429, 503):
                raise
            return error.message
        except Exception as error:  # whatever it is, what came with it is judged
            _log.error("an event could not be judged", event_id=event.event_id, exc_info=error)
            return FAULT
        return REJECTED if outcome is Outcome.REJECTED else None


def _all_refused(pdus: Sequence[Any], room: Room, reason: str) -> dict[str, str | None]:
    """Return the same reason for each event that has an id."""
    refused: dict[str, str | None] = {}
    for pdu in pdus:
        try:
            refused[event_id_of(pdu, room.version)] = reason
        except (MatrixError, KeyError, TypeError, AttributeError):  # it has not the form of an event
            continue
    return refused
