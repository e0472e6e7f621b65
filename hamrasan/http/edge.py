"""The server edge as a whole: listeners, the one timer, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, cast

from hamrasan.http.addresses import TrustedProxies
from hamrasan.http.connection import HttpConnection
from hamrasan.http.engine import Engine, Observe
from hamrasan.http.gate import Authenticate, Authenticator, Gate, Identify, Recall, See
from hamrasan.http.heads import CLOSE, head_for
from hamrasan.http.limits import MAX_CONNECTIONS, SLICE, TICK_SECONDS
from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.response import JSON
from hamrasan.http.route import Auth, Route
from hamrasan.http.router import Router
from hamrasan.runtime.clock import Clock, SystemClock

BACKLOG = 4096
"""Connections the kernel keeps until they are accepted: everybody comes back at once after a restart."""
TLS_HANDSHAKE_SECONDS = 15.0
"""As long as the head of a request may take, and for the same reason."""
CANCEL_SECONDS = 5.0
"""For handlers that clean up after they were cancelled; one that does not end then is left behind."""
_FULL = b'{"errcode":"M_UNKNOWN","error":"Too many connections; please try again."}'


def _unobserved(_operation: str, _status: int, _seconds: float | None) -> None:
    """Nobody measures."""


class _Refuser(asyncio.Protocol):
    """Answers a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writer = cast(asyncio.WriteTransport, transport)
        writer.write(head_for(503, JSON, (("Retry-After", "5"),), len(_FULL), CLOSE, b"") + _FULL)
        writer.close()


class Edge:
    """Serves `routes` on any number of listeners; made inside a running event loop.

    `services` is handed to every handler. `authenticate` turns an access token into a requester, and so does `recall`
    for those in memory; `authenticators` serve the other kinds of `Auth`, `identify` lets application services speak
    for their users. `see` is told who made each request. `observe` hears of each answer. `clock` is the machine's
    unless a test has its own.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        services: Any,
        *,
        authenticate: Authenticate | None = None,
        recall: Recall | None = None,
        identify: Identify | None = None,
        authenticators: Mapping[Auth, Authenticator] | None = None,
        see: See | None = None,
        limiter: RateLimiter | None = None,
        observe: Observe = _unobserved,
        clock: Clock | None = None,
        trusted_proxies: Iterable[str] = (),
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """Raises `ValueError` for routes that collide, or that ask for an authenticator that is not given."""
        clock = clock or SystemClock()
        rows = tuple(routes)
        gate = Gate(
            limiter or RateLimiter(clock.monotonic, enabled=False),
            authenticate,
            recall,
            identify,
            authenticators,
            see,
        )
        for route in rows:
            if not gate.can_admit(route):
                raise ValueError(f"{route.operation} needs an authenticator for {route.auth}")
        self._engine = Engine(Router(rows), services, gate, clock, observe, TrustedProxies(trusted_proxies))
        self._max_connections = max_connections
        self._servers: list[asyncio.Server] = []
        self._unix_paths: list[str] = []
        self._tick: asyncio.TimerHandle | None = self._engine.loop.call_later(TICK_SECONDS, self._on_tick)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Return host and port of each TCP listener, with the port that the system chose for port 0."""
        names = [socket.getsockname() for server in self._servers for socket in server.sockets]
        return [(name[0], name[1]) for name in names if isinstance(name, tuple)]

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        return len(self._engine.connections)

    @property
    def parked(self) -> int:
        """Return the number of requests that wait for news."""
        return self._engine.parked

    async def listen(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, reuse_port: bool = False
    ) -> None:
        """Accept connections on a TCP address. Raises `OSError` if it cannot be bound."""
        self._servers.append(
            await self._engine.loop.create_server(
                self._protocol,
                host,
                port,
                ssl=tls,
                backlog=BACKLOG,
                reuse_port=reuse_port or None,
                ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS if tls is not None else None,
            )
        )

    async def listen_unix(self, path: str) -> None:
        """Accept connections on a unix socket; who connects there is trusted as a proxy. Raises `OSError`."""
        self._servers.append(
            await self._engine.loop.create_unix_server(self._protocol, path, backlog=BACKLOG)
        )
        self._unix_paths.append(path)

    def _protocol(self) -> asyncio.Protocol:
        if len(self._engine.connections) >= self._max_connections:
            return _Refuser()
        return HttpConnection(self._engine)

    def _on_tick(self) -> None:
        self._tick = self._engine.loop.call_later(TICK_SECONDS, self._on_tick)
        self._engine.refresh()
        self.turn()

    def turn(self) -> None:
        """Let time-outs happen that are due by the clock, some at once and the rest soon."""
        if self._engine.wheel.turn(self._engine.now(), SLICE):
            self._engine.loop.call_soon(self.turn)

    async def shutdown(self, seconds: float) -> None:
        """Stop: accept no more, answer parked requests early, let others go on for `seconds`, then close the rest.

        Handlers whose client has gone are waited for as well, since what they do was asked for.
        """
        engine = self._engine
        for server in self._servers:
            server.close()
        engine.start_draining()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for index, connection in enumerate(list(engine.connections)):
                    connection.drain()
                    if index % SLICE == SLICE - 1:
                        await asyncio.sleep(0)
                await engine.gone.wait()
        engine.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await engine.gone.wait()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        for server in self._servers:
            await server.wait_closed()
        for path in self._unix_paths:
            with suppress(FileNotFoundError):
                os.unlink(path)


async def listen(host: str, port: int, routes: Iterable[Route], services: Any, **options: Any) -> Edge:
    """Return an edge that listens on one TCP address; `options` are those of `Edge`, and `tls`."""
    tls = options.pop("tls", None)
    edge = Edge(routes, services, **options)
    try:
        await edge.listen(host, port, tls=tls)
    except OSError:
        await edge.shutdown(0)
        raise
    return edge
