"""Requests to other servers: signed, to the right place, over TLS that names them, with limits to time and size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

from hamrasan.federation.back_off import BackOff
from hamrasan.federation.discovery import Discovery, DiscoveryFailed, Endpoint
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.federation.server_names import AllowedServers
from hamrasan.protocol.canonical_json import encode_lenient_canonical, parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import check_server_name
from hamrasan.protocol.x_matrix import sign_request
from hamrasan.runtime.outbound import Outbound, OutboundFailed, OutboundStream

TIMEOUT_S = 30.0
"""For a usual request, finding the server included: what a person waits for at most."""
MAX_BYTES = 16 * 1024 * 1024
"""Of a usual answer: 100 events of 64 KiB fit, and what surrounds them. Joins ask for more."""
STALL_S = 20.0
"""Between two pieces of an answer."""
MAX_CANDIDATES = 3
"""Places of a server that are tried for one request."""
THREAD_BYTES = 256 * 1024
"""Longer answers are parsed in a thread; this much takes a millisecond."""
MAX_ERROR_CHARS = 500
"""As much of a server's own words as is passed on."""

_AWAY = frozenset((502, 503, 504))
"""What proxies say when the server behind them does not run."""
_OWN_SESSION = frozenset(("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_UNAUTHORIZED", "M_USER_LOCKED"))
"""Codes by which clients would take their own session for ended."""

Query = Mapping[str, str | int | list[str]]


class RemoteRefused(MatrixError):
    """A server has answered, and refused. As an error of our own it can be passed on to clients.

    `status`, `errcode` and `message` are the server's, but for what a client would misunderstand: then they are 502 and
    `M_UNKNOWN`, and `remote_status` and `remote_errcode` still have the server's. `error_body` is all it said.
    """

    def __init__(
        self, status: int, errcode: str, error: str, error_body: Mapping[str, Any] | None = None
    ) -> None:
        passable = 400 <= status < 500 and status != 401 and errcode not in _OWN_SESSION
        super().__init__(status if passable else 502, errcode if passable else "M_UNKNOWN", error)
        self.remote_status = status
        self.remote_errcode = errcode
        self.error = error
        self.error_body: Mapping[str, Any] = error_body or {}


class ServerUnreachable(MatrixError):
    """A server was not reached, or does not answer as a Matrix server does: `M_CONNECTION_FAILED` (502)."""

    def __init__(self, destination: str, reason: str) -> None:
        super().__init__(502, "M_CONNECTION_FAILED", f"The server {destination} cannot be reached: {reason}.")
        self.destination = destination
        self.reason = reason


class RemoteAnswer:
    """An answer that is read while it comes (`FederationClient.stream`); `headers` have names in small letters."""

    def __init__(self, answer: OutboundStream, destination: str) -> None:
        self._answer = answer
        self._destination = destination
        self.status = answer.status
        self.headers = answer.headers

    async def chunks(self, max_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body; raises `ServerUnreachable` when it is longer, or does not come."""
        try:
            async for chunk in self._answer.chunks(max_bytes):
                yield chunk
        except OutboundFailed as error:
            raise ServerUnreachable(self._destination, str(error)) from None


def path_of(template: str, *parts: str) -> str:
    """Return a path with each `{}` filled in with a part, percent-encoded."""
    return template.format(*(quote(part, safe="") for part in parts))


class FederationClient:
    """Asks other servers, in the name of this one.

    All methods raise `RemoteRefused`, and `ServerUnreachable`, at once for a server that failed seconds ago and for one
    that the operator has excluded. A path begins with `/_matrix/` and is percent-encoded (`path_of`).
    """

    def __init__(
        self,
        keys: OwnKeys,
        discovery: Discovery,
        outbound: Outbound,
        back_off: BackOff,
        allowed: AllowedServers,
    ) -> None:
        self._keys = keys
        self._discovery = discovery
        self._outbound = outbound
        self._allowed = allowed
        self.back_off = back_off

    async def get(
        self,
        destination: str,
        path: str,
        *,
        query: Query | None = None,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
        signed: bool = True,
    ) -> dict[str, Any]:
        """Return the JSON object that a server answers; asking for keys need not be `signed`."""
        return await self._ask("GET", destination, path, query, None, timeout_s, max_bytes, signed)

    async def put(
        self,
        destination: str,
        path: str,
        *,
        body: Any,
        query: Query | None = None,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
    ) -> dict[str, Any]:
        """Send `body`: a JSON value, or bytes that are canonical JSON already; return the answer."""
        return await self._ask("PUT", destination, path, query, body, timeout_s, max_bytes)

    async def post(
        self,
        destination: str,
        path: str,
        *,
        body: Any,
        query: Query | None = None,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
        signed: bool = True,
    ) -> dict[str, Any]:
        """Like `put`, with POST."""
        return await self._ask("POST", destination, path, query, body, timeout_s, max_bytes, signed)

    @asynccontextmanager
    async def stream(
        self, destination: str, path: str, *, query: Query | None = None, timeout_s: float = TIMEOUT_S
    ) -> AsyncIterator[RemoteAnswer]:
        """Ask for something long, such as a file: `async with client.stream(...) as answer`.

        `timeout_s` is for all of it. A refusal is raised here already.
        """
        uri = path if not query else f"{path}?{urlencode(query, doseq=True)}"
        answer = await self._send("GET", destination, uri, None, timeout_s, signed=True)
        async with answer:
            if answer.status != 200:
                await self._read(answer, destination, MAX_BYTES)  # raises what it says
                raise ServerUnreachable(destination, f"it answers with the status {answer.status}")
            self.back_off.note_success(destination)
            yield RemoteAnswer(answer, destination)

    async def close(self) -> None:
        """Look for no server any more, and close every connection."""
        await self._discovery.close()
        await self._outbound.close()

    async def _ask(
        self,
        method: str,
        destination: str,
        path: str,
        query: Query | None,
        body: Any,
        timeout_s: float,
        max_bytes: int,
        signed: bool = True,
    ) -> dict[str, Any]:
        uri = path if not query else f"{path}?{urlencode(query, doseq=True)}"
        content = body if body is None or isinstance(body, bytes) else encode_lenient_canonical(body)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._send(method, destination, uri, content, timeout_s, signed)
                async with answer:
                    return await self._read(answer, destination, max_bytes)
        except TimeoutError:
            raise self._failed(destination, f"no answer in {timeout_s:g} seconds") from None

    async def _send(
        self, method: str, destination: str, uri: str, content: bytes | None, timeout_s: float, signed: bool
    ) -> OutboundStream:
        """Send to the first of a server's places that can be connected to."""
        self._check(destination)
        try:
            candidates = await self._discovery.candidates(destination)
        except DiscoveryFailed as error:
            raise self._failed(destination, str(error)) from None
        headers = {} if content is None else {"Content-Type": "application/json"}
        if signed:
            name, key = self._keys.server_name, self._keys.current
            headers["Authorization"] = sign_request(method, uri, name, destination, content, key)
        failure = OutboundFailed("unreachable", "there is nothing")
        for endpoint in candidates[:MAX_CANDIDATES]:
            try:
                answer = await self._outbound.open(
                    method,
                    _url(endpoint, uri),
                    timeout_s=timeout_s,
                    stall_s=STALL_S,
                    body=content or b"",
                    headers={**headers, "Host": endpoint.host_header},
                    exact=True,
                )
            except OutboundFailed as error:
                failure = error
                if error.was_sent:
                    break
                continue
            return answer
        self._discovery.forget(destination)
        raise self._failed(destination, str(failure))

    def _check(self, destination: str) -> None:
        check_server_name(destination)
        if destination == self._keys.server_name:
            raise ServerUnreachable(destination, "that is this server itself")
        if destination not in self._allowed:
            raise ServerUnreachable(destination, "this server does not federate with it")
        if self.back_off.failed_just_now(destination):
            raise ServerUnreachable(destination, "it did not answer seconds ago")

    def _failed(self, destination: str, reason: str) -> ServerUnreachable:
        self.back_off.note_failure(destination, reason)
        return ServerUnreachable(destination, reason)

    async def _read(self, answer: OutboundStream, destination: str, max_bytes: int) -> dict[str, Any]:
        """Return what a server answers; raise what it refuses."""
        status = answer.status
        if status in _AWAY or 300 <= status < 400:
            raise self._failed(destination, f"it answers with the status {status}")
        try:
            body = await answer.read(max_bytes)
        except OutboundFailed as error:
            if error.reason == "too_large":
                raise ServerUnreachable(destination, str(error)) from None
            raise self._failed(destination, str(error)) from None
        try:
            value = (
                parse_json(body) if len(body) < THREAD_BYTES else await asyncio.to_thread(parse_json, body)
            )
        except MatrixError as error:
            if status < 400:
                raise self._failed(destination, f"it answers no JSON ({error.message})") from None
            value = None
        if status >= 400:
            self.back_off.note_success(destination)
            raise _refusal(status, value)
        if not isinstance(value, dict):
            raise ServerUnreachable(destination, "it answers something else than an object")
        self.back_off.note_success(destination)
        return value


def _url(endpoint: Endpoint, uri: str) -> str:
    """Return where to send a request: the host is the one whose certificate is expected, whatever stands for it."""
    host = f"[{endpoint.tls_name}]" if ":" in endpoint.tls_name else endpoint.tls_name
    return f"https://{host}:{endpoint.port}{uri}"


def _refusal(status: int, value: Any) -> RemoteRefused:
    said = value if isinstance(value, dict) else {}
    errcode, error = said.get("errcode"), said.get("error")
    if not isinstance(errcode, str) or not errcode.startswith("M_") or len(errcode) > MAX_ERROR_CHARS:
        errcode = "M_UNKNOWN"
    if not isinstance(error, str):
        error = f"The other server refuses with the status {status}."
    return RemoteRefused(status, errcode, error[:MAX_ERROR_CHARS], said)
