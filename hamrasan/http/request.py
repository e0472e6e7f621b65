"""A request as handlers see it; everything that costs is read only when asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol, TypeVar

from hamrasan.http.bodies import decode_struct
from hamrasan.http.query import Query
from hamrasan.protocol.canonical_json import parse_json, parse_strict_json
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param

T = TypeVar("T")


class Requester(Protocol):
    """What the edge itself needs to know of an authenticated requester; authenticators return more."""

    @property
    def user_id(self) -> str:
        """Whose rate is charged."""

    @property
    def is_guest(self) -> bool:
        """Whether `Auth.USER` refuses this requester."""

    @property
    def is_admin(self) -> bool:
        """Whether `Auth.ADMIN` accepts this requester."""

    @property
    def is_rate_limited(self) -> bool:
        """False for application services that are registered so."""


class ServerRequester(Protocol):
    """The same for another server (`Auth.SERVER`)."""

    @property
    def origin(self) -> str:
        """The server's name, whose rate is charged."""


class Peer(Protocol):
    """The other end, as far as a request needs it."""

    def client_address(self, forwarded_for: str | None) -> str:
        """Return the client's address; `forwarded_for` counts only if the peer is a trusted proxy."""


class BodyReader(Protocol):
    """Where the chunks of a streamed body come from."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives."""


class Request:
    """One request.

    `path` holds the decoded path parameters, `headers` lower-case names and values as bytes. `body` is the whole body;
    where `Body.JSON_OPTIONAL` is declared, an empty one has become `{}`.
    """

    __slots__ = (
        "_peer",
        "_query",
        "_requester",
        "_stream",
        "body",
        "headers",
        "method",
        "path",
        "query_string",
        "target",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: dict[bytes, bytes],
        path: dict[str, str],
        peer: Peer,
        body: bytes = b"",
        stream: BodyReader | None = None,
    ) -> None:
        self.method = method
        self.target = target
        """Path and query as sent; what a server's signature covers."""
        self.headers: Mapping[bytes, bytes] = headers
        self.path = path
        self.body = body
        self.query_string = target.partition("?")[2]
        self._peer = peer
        self._query: Query | None = None
        self._requester: Any = None
        self._stream = stream

    @property
    def query(self) -> Query:
        """Return the query's parameters; raises M_INVALID_PARAM for bad percent-escapes."""
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    def header(self, name: str) -> str | None:
        """Return a header's value, bytes read as Latin-1 (RFC 9110, section 5.5)."""
        value = self.headers.get(name.lower().encode())
        return None if value is None else value.decode("latin-1")

    def json(self) -> dict[str, Any]:
        """Return the body as JSON object; raises M_NOT_JSON or M_BAD_JSON."""
        return _only_object(parse_json(self.body))

    def strict_json(self) -> dict[str, Any]:
        """Return the body as an object of canonical JSON (no floats, integers up to 2^53-1), as events need it."""
        return _only_object(parse_strict_json(self.body))

    def decode(self, struct_type: type[T]) -> T:
        """Return the body as a msgspec struct.

        Raises M_NOT_JSON, M_MISSING_PARAM with the name of a field that is absent, M_BAD_JSON with the name of a field
        that has a wrong type or value.
        """
        return decode_struct(self.body, struct_type)

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body while it arrives (`Body.STREAM` only).

        Raises M_TOO_LARGE past the route's limit, `ConnectionResetError` if the client goes away.
        """
        if self._stream is None:
            raise RuntimeError("the route does not declare Body.STREAM")
        return self._stream.chunks()

    @property
    def client_address(self) -> str:
        """Return the client's address, from X-Forwarded-For only if a trusted proxy sent it."""
        return self._peer.client_address(self.header("x-forwarded-for"))

    @property
    def access_token(self) -> str | None:
        """Return the token of the Authorization header or, as the specification still allows, of the query."""
        authorization = self.headers.get(b"authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(b" ")
            if scheme.lower() == b"bearer":
                return token.strip().decode("latin-1") or None
        if "access_token" in self.query_string:
            return self.query.one("access_token") or None
        return None

    @property
    def requester(self) -> Any:
        """Return who the authenticator says is asking; raises M_MISSING_TOKEN if nobody was authenticated."""
        if self._requester is None:
            raise MatrixError(401, "M_MISSING_TOKEN", "This request needs an access token.")
        return self._requester

    @requester.setter
    def requester(self, requester: Any) -> None:
        self._requester = requester

    @property
    def is_authenticated(self) -> bool:
        """Return whether `requester` may be asked for (of interest with `Auth.OPTIONAL`)."""
        return self._requester is not None

    def parameter(self, name: str) -> str:
        """Return a path parameter that must not be empty; raises M_INVALID_PARAM."""
        value = self.path[name]
        if not value:
            raise invalid_param(f"The part '{name}' of the address must not be empty.")
        return value


def _only_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_json("The request body must be a JSON object.")
    return value
