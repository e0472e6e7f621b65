"""What an endpoint is: one row of data, read by the router, the edge, the rate limiter and the coverage page."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hamrasan.http.limits import (
    MAX_IGNORED_BODY_BYTES,
    MAX_JSON_BYTES,
    MAX_RAW_BYTES,
    MAX_STREAM_BYTES,
)
from hamrasan.http.request import Request
from hamrasan.http.response import Answer


class Auth(Enum):
    """Who may call an endpoint."""

    NONE = "none"
    """Anybody; a token is not looked at."""
    USER = "user"
    """A user with a valid access token; guests are refused with M_GUEST_ACCESS_FORBIDDEN."""
    GUEST = "guest"
    """A user or a guest with a valid access token (specification, "Guest access")."""
    OPTIONAL = "optional"
    """Anybody; a token that is given has to be valid, and then `request.requester` is set."""
    ADMIN = "admin"
    """A user who is an administrator of this server."""
    ENTRY = "entry"
    """Anybody; the token of an application service sets `request.requester`, any other is not looked at."""
    SERVER = "server"
    """Another server, by its signature (server-server API, "Request Authentication"); has its own authenticator."""


class RateClass(Enum):
    """Which bucket a request is charged to; the rates are in `hamrasan.http.rate_limit`."""

    NONE = "none"
    MESSAGES = "messages"
    """Sends into rooms: events, redactions, state."""
    EPHEMERAL = "ephemeral"
    """Typing, receipts, read markers."""
    PRESENCE = "presence"
    """Changes of presence, each of which wakes those who share a room."""
    READS = "reads"
    """Reads that cost little: sync, messages, profile, state."""
    SEARCH = "search"
    """Reads that cost much: search, directory, hierarchy."""
    ROOMS = "rooms"
    """Room creation, joins, invites, knocks."""
    KEYS = "keys"
    """Upload, query and claim of encryption keys, to-device messages."""
    MEDIA = "media"
    """Uploads, and downloads that fetch from elsewhere."""
    ACCOUNT = "account"
    """Changes of profile, account data, devices, filters, push rules."""
    LOGIN = "login"
    """Tries to prove who one is."""
    REGISTRATION = "registration"
    FEDERATION = "federation"
    """Requests of other servers, per server name."""
    ADMIN = "admin"

    __hash__ = (
        object.__hash__
    )  # members are single; the one of Enum is a Python function, run for each request


class Body(Enum):
    """What the request's body is, and so how much of it is read."""

    NONE = "none"
    """No body is expected; a small one is read and ignored."""
    JSON_OBJECT = "json_object"
    JSON_OPTIONAL = "json_optional"
    """A JSON object, where an empty body means `{}`."""
    RAW = "raw"
    """Bytes, read completely before the handler runs."""
    STREAM = "stream"
    """Bytes that the handler reads with `request.chunks()` while they arrive; for uploads."""


_LIMITS = {
    Body.NONE: MAX_IGNORED_BODY_BYTES,
    Body.JSON_OBJECT: MAX_JSON_BYTES,
    Body.JSON_OPTIONAL: MAX_JSON_BYTES,
    Body.RAW: MAX_RAW_BYTES,
    Body.STREAM: MAX_STREAM_BYTES,
}


AnyServices = Any
"""The edge hands on whatever object the server was composed with; it never looks inside."""

Handler = Callable[[Request, AnyServices], Answer | Coroutine[Any, Any, Answer]]
"""Usually a coroutine function. Where memory nearly always knows the answer and it is asked for very often, a plain one
that returns the answer itself, or the coroutine that will find it.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint.

    `path` has parameters in braces, each a whole segment: `/rooms/{room_id}/state`; a last segment `{rest*}` takes all
    the remaining segments. `operation` is the `operationId` of the specification (or a name of our own), used in
    metrics. Without a
    `body_limit` (in bytes) the one that goes with `body` is taken.
    """

    method: str
    path: str
    handler: Handler
    operation: str
    auth: Auth = Auth.USER
    limit: RateClass = RateClass.NONE
    body: Body = Body.NONE
    body_limit: int = 0

    def __post_init__(self) -> None:
        if not self.body_limit:
            object.__setattr__(self, "body_limit", _LIMITS[self.body])
