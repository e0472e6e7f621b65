"""What other servers tell of rooms that this one does not know (server-server API, "Spaces"; client-server API, "Room
Summaries").

They tell it to this server, which has to see who of its users may hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hamrasan.federation.queries import RemoteQueries, listed_room
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import server_name_of
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.membership import Membership
from hamrasan.rooms.residency import likely_servers
from hamrasan.rooms.spaces import MAX_CHILDREN, SPACE, RoomElsewhere
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.invitations import InvitationRow

MAX_SERVERS = 3
"""Servers that are asked for one room, one after another; a space may have hundreds of rooms."""
MAX_KNOWN = 5_000
"""Rooms of which an answer is remembered, some kilobytes each."""
LIFETIME_S = 60.0
"""How long: clients look through a space page by page, and again when somebody goes back to it."""
MAX_ALLOWED = 100
"""Rooms of whose members one may join, as far as they are looked at."""

_OPEN = frozenset({"public", "knock", "knock_restricted"})
_RESTRICTED = frozenset({"restricted", "knock_restricted"})

_log = get_logger(__name__)


class _Told(NamedTuple):
    """What a server tells of one room."""

    fields: dict[str, Any]
    allowed: tuple[str, ...]
    children: list[dict[str, Any]]
    """Stripped `m.space.child` events."""


class FindElsewhere:
    """Finds rooms on other servers for those who may hear of them."""

    def __init__(
        self,
        queries: RemoteQueries,
        membership: Membership,
        invitations: Invitations,
        clock: Clock,
        server_name: str,
    ) -> None:
        self._queries = queries
        self._membership = membership
        self._invitations = invitations
        self._clock = clock
        self._server_name = server_name
        self._known: BoundedCache[tuple[str, bool], tuple[float, _Told | None]] = BoundedCache(MAX_KNOWN)

    async def find(
        self, room_id: str, via: Iterable[str], user_id: str | None, suggested_only: bool = False
    ) -> RoomElsewhere | None:
        """Return what other servers tell of a room, None if they tell nothing that the user may hear.

        `user_id` is None for somebody who is not known: they hear of nothing here.
        """
        if user_id is None:
            return None
        pending = await self._invitations.pending(room_id, user_id, None)
        known = [] if pending is None else [pending.via, server_name_of(pending.sender)]
        told = await self._tell(room_id, [*known, *via], suggested_only)
        if told is None:
            return None if pending is None else RoomElsewhere(_summed_up(pending), [])
        if pending is None and not await self._may_hear(told, user_id):
            return None
        return RoomElsewhere(told.fields, told.children)

    async def _may_hear(self, told: _Told, user_id: str) -> bool:
        rule = told.fields.get("join_rule", "public")  # without one it is public ("PublishedRoomsChunk")
        if told.fields["world_readable"] or rule in _OPEN:
            return True
        if rule not in _RESTRICTED:
            return False
        joined = await self._membership.joined_rooms(user_id)
        return not set(told.allowed).isdisjoint(joined)

    async def _tell(self, room_id: str, via: Iterable[str], suggested_only: bool) -> _Told | None:
        known = self._known.get((room_id, suggested_only))
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        told = None
        servers = [server for server in likely_servers(room_id, via) if server != self._server_name]
        for server in servers[:MAX_SERVERS]:
            try:
                answer = await self._queries.hierarchy(server, room_id, suggested_only)
            except MatrixError as error:
                _log.info(
                    "a server tells nothing of a room", server=server, room=room_id, reason=error.message
                )
                continue
            told = _read(answer.get("room"))
            if told is not None and told.fields["room_id"] == room_id:
                self._take_children(answer.get("children"), suggested_only)
                break
            told = None
        self._known.put((room_id, suggested_only), (self._clock.monotonic() + LIFETIME_S, told))
        return told

    def _take_children(self, children: Any, suggested_only: bool) -> None:
        """Remember what comes along of the rooms in a space, but for spaces: of these there is more to ask."""
        until = self._clock.monotonic() + LIFETIME_S
        for child in children[:MAX_CHILDREN] if isinstance(children, list) else ():
            told = _read(child)
            if told is not None and told.fields.get("room_type") != SPACE:
                key = (told.fields["room_id"], suggested_only)
                if key not in self._known:
                    self._known.put(key, (until, told))


def _summed_up(invitation: InvitationRow) -> dict[str, Any]:
    """Return what an invite, or the answer to a knock, tells of a room: whoever has it may know as much."""
    state = {
        event["type"]: event["content"] for event in parse_json(invitation.state) if not event["state_key"]
    }
    told: dict[str, Any] = {
        "room_id": invitation.room_id,
        "room_version": invitation.version,
        "num_joined_members": 1,  # whoever invites; nobody tells of more
        "world_readable": False,
        "guest_can_join": False,
    }
    for field, event_type, member in _TOLD_BY_STATE:
        value = state.get(event_type, {}).get(member)
        if isinstance(value, str):
            told[field] = value
    return told


_TOLD_BY_STATE = (
    ("name", "m.room.name", "name"),
    ("topic", "m.room.topic", "topic"),
    ("avatar_url", "m.room.avatar", "url"),
    ("canonical_alias", "m.room.canonical_alias", "alias"),
    ("join_rule", "m.room.join_rules", "join_rule"),
    ("room_type", "m.room.create", "type"),
    ("encryption", "m.room.encryption", "algorithm"),
)


def _read(room: Any) -> _Told | None:
    fields = listed_room(room)
    if fields is None:
        return None
    allowed = room.get("allowed_room_ids")
    named = [text for text in allowed if isinstance(text, str)] if isinstance(allowed, list) else []
    if named:
        fields["allowed_room_ids"] = named[:MAX_ALLOWED]
    state = room.get("children_state")
    return _Told(fields, tuple(named[:MAX_ALLOWED]), _children(state if isinstance(state, list) else []))


def _children(state: Sequence[Any]) -> list[dict[str, Any]]:
    """Return those of the stripped events that have the form of such."""
    found = []
    for event in state[:MAX_CHILDREN]:
        if not isinstance(event, dict) or event.get("type") != "m.space.child":
            continue
        texts = {name: event.get(name) for name in ("type", "state_key", "sender")}
        content, ts = event.get("content"), event.get("origin_server_ts")
        if (
            all(isinstance(text, str) for text in texts.values())
            and isinstance(content, dict)
            and type(ts) is int
        ):
            found.append({**texts, "content": content, "origin_server_ts": ts})
    return found
