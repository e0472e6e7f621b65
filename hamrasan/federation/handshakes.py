"""Entering, leaving and asking to enter a room through a server that is in it (server-server API, "Joining Rooms",
"Knocking upon a room", "Leaving Rooms (Rejecting Invites)"): the other server makes a template, this one the event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from hamrasan.federation.client import FederationClient, RemoteRefused, ServerUnreachable, path_of
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, not_found
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.event_format import build_pdu, check_pdu_format
from hamrasan.protocol.hashing import seal
from hamrasan.protocol.identifiers import check_server_name, is_of_server
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from hamrasan.protocol.signing import sign_event
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger

MAX_SERVERS = 10
"""Servers that are asked for one handshake, one after another: somebody waits for the answer."""
TEMPLATE_TIMEOUT_S = 15.0
"""For a template: a short answer; whoever takes longer is no help with a join, and another server may be."""
JOIN_TIMEOUT_S = 180.0
"""For the state of a room: of a very large one, that takes the other server a while to write."""
MAX_JOIN_BYTES = 256 * 1024 * 1024
"""Of the state of a room: a hundred thousand members, with what authorises them."""
AUTHORISED_VIA = "join_authorised_via_users_server"

_log = get_logger(__name__)

_FEDERATING = {version.id: version for version in ROOM_VERSIONS.values() if not version.hashed_references}
"""Versions whose rooms this server shares with others; those before name events in a way that can be forged."""
_TRY_ANOTHER = frozenset({"M_UNABLE_TO_AUTHORISE_JOIN", "M_UNABLE_TO_GRANT_JOIN"})
_OUR_FAULT = frozenset({"M_MISSING_PARAM", "M_INVALID_PARAM", "M_BAD_JSON", "M_NOT_JSON"})
"""The client asked rightly; what the other server dislikes is how this one asks."""

T = TypeVar("T")


class Handshake(Enum):
    """What somebody wants of a room; the value is how paths call it."""

    JOIN = "join"
    KNOCK = "knock"
    LEAVE = "leave"

    @property
    def versions(self) -> list[str]:
        """The room versions in which this server can do it."""
        if self is Handshake.KNOCK:
            return [version.id for version in _FEDERATING.values() if version.authorization.knock]
        return list(_FEDERATING)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A membership event of a user of this server, signed, that `server` is to take."""

    server: str
    version: RoomVersion
    event: Event


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """What the resident server answers to a join, as it came."""

    state: list[Any]
    auth_chain: list[Any]
    event: Any
    """The join with the resident server's signature; None if it sent none."""


class Handshakes:
    """Does the handshakes of this server's users."""

    def __init__(self, client: FederationClient, keys: OwnKeys, clock: Clock) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock

    async def first(self, servers: Iterable[str], attempt: Callable[[str], Awaitable[T]]) -> T:
        """Return what the first server answers that lets `attempt` succeed.

        Raises the most telling refusal if none does, `M_NOT_FOUND` if there is none to ask.
        """
        failures: list[MatrixError] = []
        for server in self._candidates(servers):
            try:
                return await attempt(server)
            except MatrixError as error:
                if error.errcode == "M_INCOMPATIBLE_ROOM_VERSION":
                    raise  # any other would say the same
                _log.info("a server did not help", server=server, errcode=error.errcode, reason=error.message)
                failures.append(error)
        if not failures:
            raise not_found("No server is known that is in this room.")
        raise _for_client(min(failures, key=_silence))

    def _candidates(self, servers: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for server in servers:
            try:
                check_server_name(server)
            except MatrixError:
                continue
            if server != self._keys.server_name:
                found[server] = None
        return list(found)[:MAX_SERVERS]

    async def prepare(
        self,
        kind: Handshake,
        server: str,
        room_id: str,
        user_id: str,
        content: Mapping[str, Any],
        known: RoomVersion | None = None,
    ) -> Prepared:
        """Return the event by which a user gets the membership of `content`, made from a template of `server`.

        `known` is the room's version if it is known already. Raises `RemoteRefused`, `ServerUnreachable`,
        `M_INCOMPATIBLE_ROOM_VERSION`, `M_CONNECTION_FAILED` (502) for a template that is none.
        """
        answer = await self._ask_for_template(kind, server, room_id, user_id)
        version = _version_of(answer, kind, known)
        try:
            return self._prepared(kind, server, room_id, user_id, content, version, answer.get("event"))
        except MatrixError as error:
            raise unhelpful(server, error.message) from None

    def _prepared(
        self,
        kind: Handshake,
        server: str,
        room_id: str,
        user_id: str,
        content: Mapping[str, Any],
        version: RoomVersion,
        template: Any,
    ) -> Prepared:
        """Return the event that a template makes; of it nothing is taken but what only the other server can know."""
        if not isinstance(template, dict) or template.get("room_id") != room_id:
            raise bad_json("This is no template for an event of the room.")
        pdu = build_pdu(
            version,
            room_id=room_id,
            type="m.room.member",
            sender=user_id,
            content={**content, **_authoriser(template, kind, version, server)},
            state_key=user_id,
            origin_server_ts=self._clock.now_ms(),
            depth=_integer(template.get("depth")),
            prev_events=_ids(template.get("prev_events")),
            auth_events=_ids(template.get("auth_events")),
        )
        event_id = seal(pdu, version)
        signed = sign_event(pdu, version, self._keys.server_name, self._keys.current)
        check_pdu_format(signed, version)
        return Prepared(server, version, event_from_pdu(signed, event_id, room_id))

    async def send_join(self, prepared: Prepared) -> JoinAnswer:
        """Hand a join over, and return the state of the room."""
        answer = await self._send(
            prepared, "/_matrix/federation/v2/send_join/{}/{}", JOIN_TIMEOUT_S, MAX_JOIN_BYTES
        )
        state, chain = answer.get("state"), answer.get("auth_chain")
        if not isinstance(state, list) or not isinstance(chain, list):
            raise ServerUnreachable(prepared.server, "it answers to a join without the room's state")
        return JoinAnswer(state, chain, answer.get("event"))

    async def send_knock(self, prepared: Prepared) -> list[Any]:
        """Hand a knock over, and return what the room tells of itself."""
        answer = await self._send(prepared, "/_matrix/federation/v1/send_knock/{}/{}")
        state = answer.get("knock_room_state")
        return state if isinstance(state, list) else []

    async def send_leave(self, prepared: Prepared) -> None:
        """Hand a leave over."""
        await self._send(prepared, "/_matrix/federation/v2/send_leave/{}/{}")

    async def _send(self, prepared: Prepared, path: str, *limits: float) -> dict[str, Any]:
        event = prepared.event
        more: dict[str, Any] = dict(zip(("timeout_s", "max_bytes"), limits, strict=False))
        return await self._client.put(
            prepared.server, path_of(path, event.room_id, event.event_id), body=event.pdu, **more
        )

    async def _ask_for_template(
        self, kind: Handshake, server: str, room_id: str, user_id: str
    ) -> dict[str, Any]:
        path = path_of(f"/_matrix/federation/v1/make_{kind.value}/{{}}/{{}}", room_id, user_id)
        query: Mapping[str, Any] | None = None if kind is Handshake.LEAVE else {"ver": kind.versions}
        try:
            return await self._client.get(server, path, query=query, timeout_s=TEMPLATE_TIMEOUT_S)
        except RemoteRefused as error:
            if error.errcode != "M_INCOMPATIBLE_ROOM_VERSION":
                raise
            raise _incompatible(error.error_body.get("room_version")) from None


def locally_left(
    room_id: str, version: RoomVersion, user_id: str, content: Mapping[str, Any], auth_event: str, now_ms: int
) -> Event:
    """Return an event by which a user leaves a room that nobody can be told of it; it stays on this server."""
    pdu = build_pdu(
        version,
        room_id=room_id,
        type="m.room.member",
        sender=user_id,
        content=content,
        state_key=user_id,
        origin_server_ts=now_ms,
        depth=0,
        prev_events=[auth_event],
        auth_events=[auth_event],
    )
    return event_from_pdu(pdu, seal(pdu, version), room_id)


def federating_version(version_id: str) -> RoomVersion:
    """Return a room version whose rooms are shared with other servers; raises `M_INCOMPATIBLE_ROOM_VERSION`."""
    version = _FEDERATING.get(version_id)
    if version is None:
        raise _incompatible(version_id)
    return version


def _version_of(answer: Mapping[str, Any], kind: Handshake, known: RoomVersion | None) -> RoomVersion:
    told = answer.get("room_version")
    if told is None and known is not None:
        return known
    version = federating_version(told if isinstance(told, str) else "1")
    if version.id not in kind.versions or (known is not None and known is not version):
        raise _incompatible(version.id)
    return version


def _authoriser(
    template: Mapping[str, Any], kind: Handshake, version: RoomVersion, server: str
) -> dict[str, str]:
    """Return what a template says of who lets somebody into a restricted room: a user of the server that is asked."""
    content = template.get("content")
    user_id = content.get(AUTHORISED_VIA) if isinstance(content, dict) else None
    if kind is not Handshake.JOIN or user_id is None or not version.authorization.restricted_join:
        return {}
    if not isinstance(user_id, str) or not is_of_server(user_id, server):
        raise bad_json("It names somebody of another server who would let you in.")
    return {AUTHORISED_VIA: user_id}


def _ids(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad_json("The template of the event does not cite events as it should.")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise bad_json("The template of the event has no depth.")
    return value


def _incompatible(version_id: Any) -> MatrixError:
    told = version_id if isinstance(version_id, str) else "1"
    return MatrixError(
        400,
        "M_INCOMPATIBLE_ROOM_VERSION",
        f"This server does not take part in rooms of version '{told[:32]}' on other servers.",
        {"room_version": told[:32]},
    )


def unhelpful(server: str, reason: str) -> MatrixError:
    """A server answers, but not as it should: `M_CONNECTION_FAILED` (502), since asking again later may help."""
    return MatrixError(502, "M_CONNECTION_FAILED", f"The server {server} is of no help: {reason}")


def _silence(failure: MatrixError) -> int:
    """Return how little a failure tells whoever waits: a refusal by the rules says most."""
    if failure.errcode == "M_FORBIDDEN":
        return 0
    if failure.errcode in _TRY_ANOTHER:
        return 1
    return 3 if failure.status >= 500 else 2


def _for_client(failure: MatrixError) -> MatrixError:
    """Return a failure as a client may be told of it ("Errors from other servers")."""
    if failure.errcode in _TRY_ANOTHER:
        return forbidden("You are not invited, and no server that was asked could let you in.")
    if failure.errcode in _OUR_FAULT:
        return MatrixError(
            502, "M_CONNECTION_FAILED", f"The other server did not understand: {failure.message}"
        )
    return failure
