"""An edge with endpoints of the tests' own, and a client that speaks to it byte by byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from hamrasan.http.edge import Edge
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Connection, Parked, Response, ok
from hamrasan.http.route import Auth, Body, Handler, RateClass, Route
from hamrasan.protocol.errors import MatrixError


@dataclass(frozen=True)
class Someone:
    """A requester as the edge needs it."""

    user_id: str = "@alice:example.org"
    is_guest: bool = False
    is_admin: bool = False
    is_rate_limited: bool = True


USERS = {
    "alice": Someone(),
    "bob": Someone("@bob:example.org"),
    "guest": Someone("@guest:example.org", is_guest=True),
    "admin": Someone("@admin:example.org", is_admin=True),
    "bridge": Someone("@bridge:example.org", is_rate_limited=False),
}


async def authenticate(token: str) -> Someone:
    """Tokens are the names of `USERS`."""
    if token not in USERS:
        raise MatrixError(401, "M_UNKNOWN_TOKEN", "This token is not known.")
    return USERS[token]


class Waiting(Parked):
    """A parked request that the test answers, and that remembers what became of it."""

    __slots__ = ("connection", "ends")

    def __init__(self, timeout: float | None = None) -> None:
        super().__init__(timeout)
        self.connection: Connection | None = None
        self.ends: list[str] = []

    def start(self, connection: Connection) -> None:
        self.connection = connection

    def answer(self, value: Any) -> None:
        assert self.connection is not None
        self.connection.respond(ok(value))

    def cancelled(self) -> None:
        self.ends.append("cancelled")

    def expired(self) -> Response:
        self.ends.append("expired")
        return ok({"expired": True})

    def drained(self) -> Response:
        self.ends.append("drained")
        return ok({"drained": True})


@dataclass
class World:
    """The services of the tests' endpoints, and what they saw."""

    requests: list[Request] = field(default_factory=list)
    parked: list[Waiting] = field(default_factory=list)
    observed: list[tuple[str, int, float | None]] = field(default_factory=list)

    def observe(self, operation: str, status: int, seconds: float | None) -> None:
        self.observed.append((operation, status, seconds))


async def echo(request: Request, services: World) -> Answer:
    """Answer with what was understood of the request."""
    services.requests.append(request)
    return ok({"method": request.method, "path": request.path, "body": request.body.decode("latin-1")})


async def park(request: Request, services: World) -> Answer:
    """Wait for the test."""
    seconds = request.query.integer("seconds")
    waiting = Waiting(None if seconds is None else float(seconds))
    services.parked.append(waiting)
    return waiting


def route(method: str, path: str, handler: Handler, body: Body = Body.NONE, **more: Any) -> Route:
    """Return a route without authentication, unless `more` says otherwise."""
    options: dict[str, Any] = {
        "operation": handler.__name__,
        "auth": Auth.NONE,
        "limit": RateClass.NONE,
        **more,
    }
    return Route(method, path, handler, body=body, **options)


ECHO = route("GET", "/echo/{name}", echo)
POST = route("POST", "/echo/{name}", echo, Body.JSON_OBJECT)
PARK = route("GET", "/park", park)


@asynccontextmanager
async def serving(*routes: Route, world: World | None = None, **options: Any) -> AsyncIterator[Edge]:
    """Serve `routes` (`ECHO`, `POST` and `PARK` if there are none) on a port of 127.0.0.1."""
    world = world or World()
    edge = Edge(
        routes or (ECHO, POST, PARK), world, authenticate=authenticate, observe=world.observe, **options
    )
    await edge.listen("127.0.0.1", 0)
    try:
        yield edge
    finally:
        await edge.shutdown(0)


@dataclass(frozen=True)
class Answered:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, to_head: bool = False) -> Answered:
        """Read the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        return Answered(status, headers, b"" if to_head else await self._body(status, headers))

    async def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                parts.append((await self.reader.readexactly(size + 2))[:-2])
            assert await self.reader.readexactly(2) == b"\r\n"
            return b"".join(parts)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return b"" if status in (100, 204, 304) else await self.reader.read()

    async def ask(self, method: str, target: str, body: bytes = b"", *headers: str) -> Answered:
        """Send a request and return its answer."""
        await self.send(message(method, target, body, *headers))
        return await self.answer(to_head=method == "HEAD")

    async def is_closed(self) -> bool:
        """Wait until the server closes; return whether it sent nothing more."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Vanish without a farewell, as a client that crashes or loses its network."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


def message(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    """Return a request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: example.org", *headers]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def connected(edge: Edge) -> AsyncIterator[Client]:
    """Connect to an edge."""
    client = Client(*await asyncio.open_connection(*edge.addresses[0]))
    try:
        yield client
    finally:
        await client.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until `condition` holds; the test's own time-out ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - the server has no event for its states
        await asyncio.sleep(0)
