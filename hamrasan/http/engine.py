"""What all connections of an edge share: routes, the gate, time, and parsers that are lent out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hamrasan.http.addresses import TrustedProxies
from hamrasan.http.body_stream import BodyStream, Source
from hamrasan.http.errors import response_to
from hamrasan.http.exchange import Exchange
from hamrasan.http.gate import Gate
from hamrasan.http.heads import CONDITIONAL, CONDITIONAL_HEADERS, PREFLIGHT_HEADERS, date_line
from hamrasan.http.limits import MAX_IGNORED_BODY_BYTES
from hamrasan.http.request import Peer, Request
from hamrasan.http.response import Answer, Response
from hamrasan.http.route import Body, Route
from hamrasan.http.router import Router, unrecognized
from hamrasan.http.sink import Budget, Owner, Sink
from hamrasan.http.turn import Turn
from hamrasan.http.wheel import Wheel
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)

MAX_IDLE_SINKS = 256
"""Parsers that are kept for the next read; more than that are seldom in use at once."""

UNRECOGNIZED = "unrecognizedRequest"
PREFLIGHT = "preflightRequest"

_SHARED = ("/_matrix/", "/.well-known/", "/_synapse/")
"""Below these, browsers may ask about any address (client-server API, "Web Browser Clients")."""
_STREAM = Body.STREAM

Observe = Callable[[str, int, float | None], None]
"""Hears operation, status and seconds of each answer; seconds are None where the request was parked."""


class Member(Protocol):
    """A connection, as the engine keeps it."""

    def drain(self) -> None:
        """Answer early or close, as far as that is possible now."""

    def abort(self) -> None:
        """Close without more ado."""


class RequestOwner(Owner, Peer, Source, Protocol):
    """A connection, as requests and their bodies need it."""


class Engine:
    """Shared state of the connections."""

    def __init__(
        self,
        router: Router,
        services: Any,
        gate: Gate,
        clock: Clock,
        observe: Observe,
        proxies: TrustedProxies,
    ) -> None:
        self._router = router
        self._services = services
        self._gate = gate
        self._clock = clock
        self._sinks: list[Sink] = []
        self._budget = Budget()
        self._date_second = -1
        self.loop = asyncio.get_running_loop()
        self.now = clock.monotonic
        self.observe = observe
        self.proxies = proxies
        self.wheel = Wheel(self.now())
        self.turn = Turn(self.loop, self.now)
        self.connections: set[Member] = set()
        self.parked = 0
        """Requests that wait for news."""
        self.orphans: set[asyncio.Task[Answer]] = set()
        """Handlers whose client has gone, and that run to their end all the same."""
        self.draining = False
        self.aborting = False
        """Whether time is up while draining."""
        self.gone = asyncio.Event()
        """Set when the last connection and orphan has ended while draining."""
        self.debug = False
        """Whether answers are logged; looked up with each tick, since asking the log costs more than a request."""
        self.date = b""
        self.refresh()

    def refresh(self) -> None:
        """Bring up to date what changes by the second: the Date header, the level of the log."""
        self.debug = _log.is_enabled_for(logging.DEBUG)
        second = self._clock.now_ms() // 1000
        if second != self._date_second:
            self._date_second = second
            self.date = date_line(second)

    def leave(self, member: Member) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(member)
        self._check_gone()

    def adopt(self, handler: asyncio.Task[Answer]) -> None:
        """Keep a handler whose client has gone until it ends."""
        self.orphans.add(handler)
        if self.aborting:
            handler.cancel()
        handler.add_done_callback(self._bury)

    def _bury(self, handler: asyncio.Task[Answer]) -> None:
        self.orphans.discard(handler)
        self._check_gone()

    def _check_gone(self) -> None:
        if self.draining and not self.connections and not self.orphans:
            self.gone.set()

    def start_draining(self) -> None:
        """From now on every answer closes its connection."""
        self.draining = True
        self._check_gone()

    def abort(self) -> None:
        """Close every connection and cancel every handler."""
        self.aborting = True
        for connection in list(self.connections):
            connection.abort()
        for task in list(self.orphans):
            task.cancel()

    def lend_sink(self, owner: Owner) -> Sink:
        """Return a sink that collects for `owner`."""
        sink = self._sinks.pop() if self._sinks else Sink(self._budget)
        sink.owner = owner
        return sink

    def return_sink(self, sink: Sink) -> None:
        """Take back a sink that is between two messages."""
        sink.owner = None
        if len(self._sinks) < MAX_IDLE_SINKS:
            self._sinks.append(sink)

    def prepare(self, owner: RequestOwner, method: str, target: str, headers: dict[bytes, bytes]) -> Exchange:
        """Return the exchange for a request whose head has arrived: routed, or with an early answer."""
        path = target.partition("?")[0]
        if not path.startswith("/"):
            path = _path_of(path)
        if method == "OPTIONS":
            return self._early(method, PREFLIGHT, self._preflight(path))
        try:
            route, parameters = self._router.match(method, path)
        except MatrixError as error:
            return self._early(method, UNRECOGNIZED, response_to(error, UNRECOGNIZED))
        exchange = Exchange(method, route.operation, route.body_limit)
        if route.body is _STREAM:
            exchange.stream = BodyStream(owner)
        exchange.route = route
        exchange.request = Request(method, target, headers, parameters, owner, b"", exchange.stream)
        return exchange

    def answer(self, exchange: Exchange) -> Answer | Coroutine[Any, Any, Answer]:
        """Admit a request and return its handler's answer, or what gives it; both raise what either raises."""
        request, route = exchange.request, exchange.route
        assert request is not None
        assert route is not None
        if self._gate.admit_now(request, route):
            return route.handler(request, self._services)
        return self._admit_and_answer(request, route)

    async def _admit_and_answer(self, request: Request, route: Route) -> Answer:
        await self._gate.admit(request, route)
        answer = route.handler(request, self._services)
        return await answer if isinstance(answer, Coroutine) else answer

    def _early(self, method: str, operation: str, answer: Response) -> Exchange:
        exchange = Exchange(method, operation, MAX_IGNORED_BODY_BYTES)
        exchange.early = answer
        return exchange

    def _preflight(self, path: str) -> Response:
        """OPTIONS never runs a handler, and is answered alike whether there is one or not."""
        if path.startswith(CONDITIONAL):
            return Response(204, b"", headers=CONDITIONAL_HEADERS)
        if path == "*" or path.startswith(_SHARED):
            return Response(204, b"", headers=PREFLIGHT_HEADERS)
        try:
            allowed = self._router.allowed(path)
            if not allowed:
                raise unrecognized()
        except MatrixError as error:
            return response_to(error, PREFLIGHT)
        return Response(204, b"", headers=(*PREFLIGHT_HEADERS, ("Allow", ", ".join(allowed))))


def _path_of(target: str) -> str:
    """Return the path of the absolute form that proxies send (RFC 9112, section 3.2.2)."""
    scheme, separator, rest = target.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return "/" + rest.partition("/")[2]
    return target
