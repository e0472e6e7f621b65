"""What other servers are given of a room: events in federation format, states, auth chains, templates.

Who asks, and whether they may see it, is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hamrasan.protocol.auth_rules import auth_types, check_auth
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import not_found
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.event_format import build_pdu, max_depth
from hamrasan.protocol.room_versions import RoomVersion, room_version
from hamrasan.protocol.signing import SigningKey, sign_event
from hamrasan.rooms.branches import BEFORE
from hamrasan.rooms.known_events import KnownEvents
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.resolution import Resolution
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import pdu_of
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.slices import Slices, give_way
from hamrasan.storage.ports.federated_rooms import BranchRow
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import OUTSIDE, StoredEvent

MAX_SIGNATURES = 100_000
"""Signatures of this server's events that are kept (about 250 bytes each): an event goes to all servers of a room, and
to whoever joins a large room go as many as it has members.
"""
MAX_ROOMS = 10_000
"""Rooms of which id and version are kept by number."""
MAX_CHAIN = 200_000
"""Events of one auth chain. The state of a room of 100,000 members leads to a few more than it has entries."""
READ_AT_ONCE = 100
"""Events read and put together in one go: one or two milliseconds."""


class FederatedEvents:
    """Gives out events as other servers are to have them."""

    def __init__(self, registry: RoomRegistry, server_name: str, key: SigningKey) -> None:
        """Events of users of `server_name` are signed with `key`, when somebody first asks for them."""
        self._registry = registry
        self._server_name = server_name
        self._key = key
        self._known = KnownEvents(registry.events, registry.federated)
        self._branches = registry.branches
        self._resolution = Resolution(self._branches, self._known, registry.state, registry.federated)
        self._signatures: BoundedCache[str, str] = BoundedCache(MAX_SIGNATURES)
        self._rooms: BoundedCache[int, tuple[str, RoomVersion]] = BoundedCache(MAX_ROOMS)

    async def pdus(self, event_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return events by their ids in federation format, in the order asked for; unknown ones are left out.

        Also those that are kept beside rooms: whoever answers with them has to think of whom they are for.
        """
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(event_ids), READ_AT_ONCE):
            if start:
                await give_way()
            chunk = list(dict.fromkeys(event_ids[start : start + READ_AT_ONCE]))
            for stored in await self._registry.events.by_ids(chunk):
                found[stored.event_id] = await self.pdu(stored)
            rest = [event_id for event_id in chunk if event_id not in found]
            for side in await self._registry.federated.side_events(rest) if rest else ():
                found[side.event_id] = parse_json(side.pdu)
        return {event_id: found[event_id] for event_id in dict.fromkeys(event_ids) if event_id in found}

    async def pdu(self, stored: StoredEvent) -> dict[str, Any]:
        """Return a stored event in federation format, with this server's signature if it is one of its own."""
        room_id, version = await self._room(stored.room)
        pdu = pdu_of(stored, room_id, version)
        if "signatures" not in pdu:
            name, key_id = self._server_name, self._key.key_id
            signature = self._signatures.get(stored.event_id)
            if signature is None:
                signed = sign_event(pdu, version, name, self._key)
                signature = signed["signatures"][name][key_id]
                self._signatures.put(stored.event_id, signature)
            pdu["signatures"] = {name: {key_id: signature}}
        return pdu

    async def state_before(self, room: Room, event_id: str) -> dict[StateKey, str]:
        """Return the ids of the state before an event; raise `M_NOT_FOUND` if the event or that state is not known."""
        await self._registry.journal.submit(Batch())
        stored = await self._registry.events.by_id(event_id)
        told = await self._registry.federated.branches([BEFORE + event_id])
        if told:
            return await self._whole(room, told[BEFORE + event_id])
        if stored is not None and stored.room == room.number and stored.position > 0:
            in_list = not room.forked or stored.position < room.forked
            if in_list and stored.flags < OUTSIDE:
                return await self._whole(room, BranchRow(stored.position - 1, {}))
        known = await self._known.find(room.number, room.id, [event_id])
        event = known.events.get(event_id)
        if event is None or (stored is not None and stored.position < 0):
            raise _state_unknown()
        rows = await self._branches.after(room, event.prev_events)
        if not rows or len(rows) < len(set(event.prev_events)):
            raise _state_unknown()
        base = self._registry.journal.durable
        deltas = await self._branches.differences(room, rows, base)
        before = await self._resolution.resolve(room, base, deltas, {})
        return await self._whole(room, BranchRow(base, before))

    async def state_after(self, room: Room, event_id: str) -> dict[StateKey, str]:
        """Return the ids of the state after an event; raise `M_NOT_FOUND` if the event or that state is not known."""
        await self._registry.journal.submit(Batch())
        rows = await self._branches.after(room, [event_id])
        if event_id not in rows:
            raise _state_unknown()
        return await self._whole(room, rows[event_id])

    async def auth_chain(self, event_ids: Iterable[str]) -> list[str]:
        """Return the ids of everything that these events lead to by their auth events, without themselves."""
        given = set(event_ids)
        found: dict[str, None] = {}
        waiting = list(given)
        while waiting and len(found) <= MAX_CHAIN:
            cited = await self._registry.federated.auth_events(waiting)
            slices = Slices(self._registry.clock)
            waiting = []
            for _, auth_events in cited.values():
                await slices.pause()
                for event_id in auth_events:
                    if event_id not in found:
                        found[event_id] = None
                        if event_id not in given:
                            waiting.append(event_id)
        return list(found)

    async def template(
        self,
        room: Room,
        event_type: str,
        sender: str,
        state_key: str | None,
        content: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return an event that the room would take now, without hashes and signatures, for another server to finish.

        Raises `NotAllowed`. For a restricted join `content` names the user of this server who vouches for it.
        """
        version = room.version
        keys = auth_types(event_type, sender, state_key, content, version)
        pdu = build_pdu(
            version,
            room_id=room.id,
            type=event_type,
            sender=sender,
            content=content,
            state_key=state_key,
            origin_server_ts=self._registry.clock.now_ms(),
            depth=min(room.depth + 1, max_depth(version)),
            prev_events=list(room.extremities),
            auth_events=[each for key in keys if (each := room.state_event_id(key)) is not None],
        )
        event = Event(
            event_id="",
            room_id=room.id,
            type=event_type,
            sender=sender,
            state_key=state_key,
            content=content,
            origin_server_ts=pdu["origin_server_ts"],
            depth=pdu["depth"],
            prev_events=pdu["prev_events"],
            auth_events=pdu["auth_events"],
            redacts=None,
            pdu=pdu,
        )
        check_auth(event, room, version, authorised_signed=True)
        return pdu

    async def _whole(self, room: Room, row: BranchRow) -> dict[StateKey, str]:
        state = {
            (stored.type, stored.state_key or ""): stored.event_id
            for stored in await self._registry.state.at(room.number, row.position)
        }
        for key, event_id in row.delta.items():
            if event_id is None:
                state.pop(key, None)
            else:
                state[key] = event_id
        return state

    async def _room(self, number: int) -> tuple[str, RoomVersion]:
        known = self._rooms.get(number)
        if known is None:
            (row,) = await self._registry.rooms.page(number - 1, 1)
            known = (row.room_id, room_version(row.version))
            self._rooms.put(number, known)
        return known


def _state_unknown() -> Exception:
    return not_found("The state at this event is not known here.")
