"""From a server's name to where it can be reached (server-server API, "Resolving server names")."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hamrasan.federation.names import NameLookupFailed, Names, Service
from hamrasan.federation.server_names import is_literal, split_server_name
from hamrasan.federation.well_known import WellKnown
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import check_server_name
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.shared_work import SharedWork

DEFAULT_PORT = 8448
SERVICE_NAMES = ("_matrix-fed._tcp.", "_matrix._tcp.")
"""The second is deprecated, and asked for only if there is nothing under the first."""
MAX_KEPT = 10_000
"""Servers whose place is remembered; about 5 MB."""
MAX_LOOKUPS = 32
"""Look-ups at the same time: whoever names a thousand servers does not make this one ask a thousand others at once."""
SHORTEST_S = 60.0
"""What DNS says holds at least so long, whatever it says ..."""
LONGEST_S = 24 * 3600.0
"""... and at most so long."""
WITHOUT_RECORD_S = 300.0
"""How long a place holds that follows from the lack of records."""


class Endpoint(NamedTuple):
    """Where a server is: connect to `host` (name or address) and `port`; `host_header` and `tls_name` say whom one
    expects there.
    """

    host: str
    port: int
    host_header: str
    tls_name: str


class DiscoveryFailed(Exception):
    """A server's name leads nowhere; the text says why."""


@dataclass(frozen=True, slots=True)
class _Place:
    endpoints: tuple[Endpoint, ...]
    until: float


class Discovery:
    """Finds servers, and remembers where they are."""

    def __init__(self, names: Names, well_known: WellKnown, clock: Clock) -> None:
        self._names = names
        self._well_known = well_known
        self._clock = clock
        self._places: BoundedCache[str, _Place] = BoundedCache(MAX_KEPT)
        self._targets: BoundedCache[tuple[str, int], str] = BoundedCache(MAX_KEPT)
        """From a server's name in certificates and a port to the host that stands for it there."""
        self._under_way: SharedWork[_Place] = SharedWork()
        self._slots = asyncio.Semaphore(MAX_LOOKUPS)

    async def find(self, server_name: str) -> Endpoint:
        """Return where a server is to be tried first; raises `DiscoveryFailed`."""
        return (await self.candidates(server_name))[0]

    async def candidates(self, server_name: str) -> Sequence[Endpoint]:
        """Return all places of a server, in the order in which to try them; raises `DiscoveryFailed`."""
        place = self._places.get(server_name)
        if place is None or self._clock.monotonic() >= place.until:
            place = await self._under_way.do(server_name, lambda: self._find(server_name))
        return place.endpoints

    def forget(self, server_name: str) -> None:
        """Look for a server anew the next time, since it is not where it was thought to be."""
        if server_name in self._places:
            self._places.drop(server_name)
            self._well_known.forget(split_server_name(server_name).host)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses behind the name in a certificate and a port; raises `NameLookupFailed`."""
        return await self._names.addresses(self._targets.get((host, port)) or host)

    async def close(self) -> None:
        """Give up what is being looked for, and close what it is asked over."""
        await self._under_way.close()

    async def _find(self, server_name: str) -> _Place:
        async with self._slots:
            try:
                check_server_name(server_name)
                place = await self._look_up(server_name)
            except MatrixError as error:
                raise DiscoveryFailed(error.message) from None
            except (ValueError, NameLookupFailed) as error:
                raise DiscoveryFailed(str(error)) from None
        self._places.put(server_name, place)
        for endpoint in place.endpoints:
            if endpoint.host != endpoint.tls_name:
                self._targets.put((endpoint.tls_name, endpoint.port), endpoint.host)
            else:
                self._targets.drop((endpoint.tls_name, endpoint.port))
        return place

    async def _look_up(self, server_name: str) -> _Place:
        """Follow the steps of the specification. The name is asked for SRV records where it names no port."""
        host, port = split_server_name(server_name)
        if port is not None or is_literal(host):
            return _at(host, port, server_name, self._clock.monotonic() + LONGEST_S)
        delegated, until = await self._well_known.delegated(host)
        if delegated is not None:
            host, port = split_server_name(delegated)
            if port is not None or is_literal(host):
                return _at(host, port, delegated, until)
        place = await self._by_services(host)
        return _Place(place.endpoints, min(place.until, until))

    async def _by_services(self, host: str) -> _Place:
        now = self._clock.monotonic()
        for prefix in SERVICE_NAMES:
            try:
                found = await self._names.services(prefix + host)
            except NameLookupFailed:
                break  # what nobody can say, nobody can say of the older name either
            if found.records:
                ordered = in_order(found.records)
                if not ordered:
                    raise DiscoveryFailed(f"{host} says that it has no Matrix server")
                endpoints = tuple(Endpoint(record.target, record.port, host, host) for record in ordered)
                return _Place(endpoints, now + min(max(found.ttl_s, SHORTEST_S), LONGEST_S))
        return _Place((Endpoint(host, DEFAULT_PORT, host, host),), now + WITHOUT_RECORD_S)


def _at(host: str, port: int | None, host_header: str, until: float) -> _Place:
    return _Place((Endpoint(host, port or DEFAULT_PORT, host_header, host),), until)


def in_order(records: Sequence[Service]) -> list[Service]:
    """Return SRV records as they are to be tried: by priority, and within it by chance and weight (RFC 2782)."""
    left = [record for record in records if record.target not in ("", ".") and record.port]
    ordered: list[Service] = []
    while left:
        lowest = min(record.priority for record in left)
        first = [record for record in left if record.priority == lowest]
        # A weight of 0 has a small chance.
        (chosen,) = random.choices(first, [record.weight or 0.01 for record in first])
        ordered.append(chosen)
        left.remove(chosen)
    return ordered
