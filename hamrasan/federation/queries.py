"""Short questions to other servers: where a room is, who somebody is, which rooms are listed, what is below a space
(server-server API, "Querying for information", "Published Room Directory", "Spaces").

What comes back is checked for its form; anything else of it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hamrasan.federation.client import FederationClient, RemoteRefused, ServerUnreachable, path_of
from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.protocol.identifiers import check_room_id, check_server_name, parse_room_alias, server_name_of
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.shared_work import SharedWork

MAX_SERVERS_OF_ALIAS = 500
"""Servers of a room that are taken over from an answer."""
TIMEOUT_S = 15.0
"""For an answer that the other server has at hand, while somebody waits."""
MAX_PROFILE_BYTES = 70_000
"""Of a profile: what the specification lets it have, and what surrounds it."""
MAX_PROFILES = 10_000
"""Profiles of other servers' users in memory; some megabytes for usual ones."""
PROFILE_LIFETIME_S = 60.0
"""How long a profile is good for: clients that show a list of people ask for each of them, again and again."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Of a page of a directory, or of one level of a space."""


class FoundAlias(NamedTuple):
    """The room of an alias, and servers that are in it."""

    room_id: str
    servers: list[str]


class RemoteQueries:
    """Asks other servers."""

    def __init__(self, client: FederationClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._profiles: BoundedCache[str, tuple[float, dict[str, Any] | None]] = BoundedCache(MAX_PROFILES)
        self._asking: SharedWork[dict[str, Any] | None] = SharedWork()

    async def alias(self, alias: str) -> FoundAlias:
        """Return the room of another server's alias; raises `M_NOT_FOUND`, `ServerUnreachable`."""
        server = parse_room_alias(alias).server_name
        try:
            answer = await self._client.get(
                server,
                "/_matrix/federation/v1/query/directory",
                query={"room_alias": alias},
                timeout_s=TIMEOUT_S,
            )
        except RemoteRefused as refusal:
            raise not_found(f"{server} does not know the room alias {alias}.") from refusal
        room_id, servers = answer.get("room_id"), answer.get("servers")
        if not isinstance(room_id, str):
            raise ServerUnreachable(server, "it names no room")
        try:
            check_room_id(room_id)
        except MatrixError:
            raise ServerUnreachable(server, "it names no room") from None
        named = servers if isinstance(servers, list) else []
        return FoundAlias(room_id, _server_names(named) or [server])

    async def profile(self, user_id: str) -> dict[str, Any]:
        """Return the profile of another server's user; raises `M_NOT_FOUND`, `ServerUnreachable`."""
        known = self._profiles.get(user_id)
        if known is None or known[0] < self._clock.monotonic():
            profile = await self._asking.do(user_id, lambda: self._ask_profile(user_id))
            self._profiles.put(user_id, (self._clock.monotonic() + PROFILE_LIFETIME_S, profile))
        else:
            profile = known[1]
        if profile is None:
            raise not_found(f"{server_name_of(user_id)} shows no profile of {user_id}.")
        return profile

    async def profile_field(self, user_id: str, field: str) -> dict[str, Any]:
        """Return an object with one field of a profile; raises as `profile`, and `M_NOT_FOUND` if it is not there."""
        profile = await self.profile(user_id)
        if field not in profile:
            raise not_found(f"The profile of {user_id} has no field '{field}'.")
        return {field: profile[field]}

    async def _ask_profile(self, user_id: str) -> dict[str, Any] | None:
        try:
            profile = await self._client.get(
                server_name_of(user_id),
                "/_matrix/federation/v1/query/profile",
                query={"user_id": user_id},
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_PROFILE_BYTES,
            )
        except RemoteRefused as refusal:
            if refusal.remote_status in (403, 404):
                return None
            raise
        return {
            field: value
            for field, value in profile.items()
            if field not in ("displayname", "avatar_url") or isinstance(value, str)
        }

    async def public_rooms(self, server: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of another server's directory; `query` is the body of `queryPublicRooms`."""
        check_server_name(server)
        answer = await self._client.post(
            server,
            "/_matrix/federation/v1/publicRooms",
            body=dict(query),
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER_BYTES,
        )
        chunk = answer.get("chunk")
        page: dict[str, Any] = {
            "chunk": [room for room in map(listed_room, chunk) if room is not None]
            if isinstance(chunk, list)
            else []
        }
        for token in ("next_batch", "prev_batch"):
            if isinstance(answer.get(token), str):
                page[token] = answer[token]
        estimate = answer.get("total_room_count_estimate")
        if type(estimate) is int and estimate >= 0:
            page["total_room_count_estimate"] = estimate
        return page

    async def hierarchy(self, server: str, room_id: str, suggested_only: bool) -> dict[str, Any]:
        """Return what another server tells of a room and those right below it ("Spaces"), as it came."""
        return await self._client.get(
            server,
            path_of("/_matrix/federation/v1/hierarchy/{}", room_id),
            query={"suggested_only": "true" if suggested_only else "false"},
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER_BYTES,
        )


_TEXTS = (
    "name",
    "topic",
    "avatar_url",
    "canonical_alias",
    "join_rule",
    "room_type",
    "room_version",
    "encryption",
)
_FLAGS = ("world_readable", "guest_can_join")


def listed_room(room: Any) -> dict[str, Any] | None:
    """Return what another server tells of a room, as far as it has the form of a `RoomSummary`; None if it is none."""
    if not isinstance(room, dict) or not isinstance(room.get("room_id"), str):
        return None
    try:
        check_room_id(room["room_id"])
    except MatrixError:
        return None
    joined = room.get("num_joined_members")
    told: dict[str, Any] = {
        "room_id": room["room_id"],
        "num_joined_members": joined if type(joined) is int and joined >= 0 else 0,
    }
    told |= {name: room[name] for name in _TEXTS if isinstance(room.get(name), str)}
    told |= {name: room.get(name) is True for name in _FLAGS}
    return told


def _server_names(names: list[Any]) -> list[str]:
    found = []
    for name in names[:MAX_SERVERS_OF_ALIAS]:
        if isinstance(name, str):
            try:
                check_server_name(name)
            except MatrixError:
                continue
            found.append(name)
    return found
