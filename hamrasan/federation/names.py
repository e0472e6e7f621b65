"""Names to addresses and services (RFC 1035; RFC 2782 for SRV), behind one door."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, Protocol

LOOKUP_THREADS = 8
"""Every question blocks one: a hostile name server holds that, and none that other work needs. dnspython could ask
on the loop, too, but what is given up there leaves its socket behind.
"""
LOOKUP_S = 5.0
"""For one question; what takes longer is down, or wants to be waited for."""
LOOPBACK = ("127.0.0.1", "::1")
MAX_SERVICES = 20
"""SRV records of one name that are looked at; real ones have two or three."""


class Service(NamedTuple):
    """One SRV record."""

    priority: int
    weight: int
    port: int
    target: str


class Services(NamedTuple):
    """The SRV records of a name, and for how many seconds they may be kept; no records: the name has none."""

    records: tuple[Service, ...]
    ttl_s: int


class NameLookupFailed(OSError):
    """Nobody could say; or, for addresses, there is no such name."""


class Names(Protocol):
    """Answers questions about names."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the IP addresses of a host, best first; raises `NameLookupFailed` if it has none."""

    async def services(self, name: str) -> Services:
        """Return the SRV records of a name; raises `NameLookupFailed` if nobody could say."""

    async def close(self) -> None:
        """Give up what is being asked, and let go of everything."""


class SystemNames:
    """Asks as the machine is set up to: its hosts file and the like for addresses, its name servers for services.

    With `name_servers` (address, port) everything is asked of these.
    """

    def __init__(self, name_servers: Sequence[tuple[str, int]] = ()) -> None:
        self._name_servers = tuple(name_servers)
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="names")
        self._dns: Any = None
        """dnspython's resolver, once something was asked: few servers have SRV records, so few ever load it."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the IP addresses of a host."""
        if host == "localhost" or host.endswith(".localhost"):
            return LOOPBACK  # whatever anybody says (RFC 6761, section 6.3)
        if self._name_servers:
            return await self._addresses_by_dns(host)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await loop.run_in_executor(self._threads, _system_addresses, host)
        except TimeoutError:
            raise NameLookupFailed(f"nobody says in time what address {host} has") from None
        except (OSError, UnicodeError):
            raise NameLookupFailed(f"the name {host} has no address") from None
        return found

    async def _addresses_by_dns(self, host: str) -> Sequence[str]:
        dns = await self._resolver()
        try:
            answers = await self._in_thread(partial(dns.resolve_name, host, lifetime=LOOKUP_S))
        except import_module("dns.exception").DNSException:
            raise NameLookupFailed(f"the name {host} has no address") from None
        return list(answers.addresses())

    async def services(self, name: str) -> Services:
        """Return the SRV records of a name."""
        dns = await self._resolver()
        resolver, exception = import_module("dns.resolver"), import_module("dns.exception")
        try:
            question = partial(dns.resolve, name, "SRV", lifetime=LOOKUP_S, search=False)
            answer = await self._in_thread(question)
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return Services((), 0)
        except exception.DNSException as error:
            raise NameLookupFailed(f"nobody says what {name} is: {type(error).__name__}") from None
        records = tuple(
            Service(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True))
            for record in list(answer)[:MAX_SERVICES]
        )
        return Services(records, answer.rrset.ttl)

    async def _resolver(self) -> Any:
        if self._dns is None:
            module = await asyncio.to_thread(import_module, "dns.resolver")
            if self._dns is None:
                self._dns = self._set_up(module)
        return self._dns

    def _set_up(self, module: Any) -> Any:
        try:
            resolver = module.Resolver(configure=not self._name_servers)
        except import_module("dns.resolver").NoResolverConfiguration:
            raise NameLookupFailed("this machine knows no name server") from None
        if self._name_servers:
            nameserver = import_module("dns.nameserver").Do53Nameserver
            resolver.nameservers = [nameserver(address, port) for address, port in self._name_servers]
        return resolver

    async def _in_thread(self, question: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, question)

    async def close(self) -> None:
        """Give up what is being asked: nobody waits for the threads, which end by themselves in time."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _system_addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
