"""What this server asks others about a room that it is in, so as to understand an event that came (server-server API,
"Backfilling and retrieving missing events", "Retrieving event authorisation information").

Every answer is checked like what is pushed; what is wrong in it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hamrasan.federation.client import FederationClient, path_of
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.protocol.event import Event
from hamrasan.rooms.room import Room

PAGE = 100
"""Events asked for at once; other servers give fewer if they like."""
MAX_ANSWERED = 5_000
"""Events of one answer that are looked at, but for states: auth chains of rooms with thousands of changes are
shorter."""
MAX_STATE = 200_000
"""Events of a room's state, and as many auth events, that are looked at."""
STATE_BYTES = 256 * 1024 * 1024
"""Of a room's whole state, which is asked for only after a very long absence; a member event takes a KiB."""
STATE_S = 120.0
PREFIX = "/_matrix/federation/v1/"


class RoomState(NamedTuple):
    """A room's state, and the auth chain of it."""

    state: list[Event]
    auth_chain: list[Event]


class RoomRequests:
    """Asks other servers about rooms. All methods raise `RemoteRefused`, `ServerUnreachable`, `CommitFailed`."""

    def __init__(self, client: FederationClient, checks: PduChecks) -> None:
        self._client = client
        self._checks = checks

    async def missing_events(
        self, server: str, room: Room, earliest: Sequence[str], latest: Sequence[str]
    ) -> list[Event]:
        """Return events between those that are known and those that have come."""
        body = {
            "earliest_events": list(earliest),
            "latest_events": list(latest),
            "limit": PAGE,
            "min_depth": 0,
        }
        path = path_of(PREFIX + "get_missing_events/{}", room.id)
        answer = await self._client.post(server, path, body=body)
        return await self._checked(answer.get("events"), room, PAGE)

    async def backfill(self, server: str, room: Room, event_ids: Sequence[str]) -> list[Event]:
        """Return these events and some before them."""
        path = path_of(PREFIX + "backfill/{}", room.id)
        answer = await self._client.get(server, path, query={"v": list(event_ids), "limit": PAGE})
        return await self._checked(answer.get("pdus"), room, PAGE)

    async def auth_chain(self, server: str, room: Room, event_id: str) -> list[Event]:
        """Return the auth chain of an event."""
        path = path_of(PREFIX + "event_auth/{}/{}", room.id, event_id)
        answer = await self._client.get(server, path)
        return await self._checked(answer.get("auth_chain"), room, MAX_ANSWERED)

    async def state_before(self, server: str, room: Room, event_id: str) -> RoomState:
        """Return the state before an event, with its auth chain."""
        path = path_of(PREFIX + "state/{}", room.id)
        answer = await self._client.get(
            server, path, query={"event_id": event_id}, timeout_s=STATE_S, max_bytes=STATE_BYTES
        )
        return RoomState(
            await self._checked(answer.get("pdus"), room, MAX_STATE),
            await self._checked(answer.get("auth_chain"), room, MAX_STATE),
        )

    async def _checked(self, pdus: Any, room: Room, most: int) -> list[Event]:
        if not isinstance(pdus, list):
            return []
        return (await self._checks.check_pdus(pdus[:most], room.version, room_id=room.id)).events
