"""Requests to addresses that users name: push gateways, pages to preview.

Whoever names an address must not reach through this server what only the server can reach. So each address is judged
when the connection to exactly it is opened, after names were resolved: neither an odd spelling nor a name that answers
differently the second time leads anywhere else. Redirects are not followed; who follows one asks anew.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import aiohttp

MAX_CONNECTIONS = 200
"""Open connections to all servers together: enough for a busy evening, far below the limit of open files."""
MAX_CONNECTIONS_PER_HOST = 16
"""... and to one host, so that a slow one leaves some for the others."""
KEEP_ALIVE_S = 30.0
"""How long an idle connection is kept: pushes come in bursts, and each new TLS connection costs milliseconds."""
READ_BYTES = 16 * 1024
USER_AGENT = "Hamrasan"

_INNER_IPV4 = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""Addresses whose last four bytes are those of an IPv4 address (RFC 6052, section 2.1; RFC 4291, section 2.5.5)."""
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "192.88.99.0/24",  # relays of 6to4, which lead anywhere (RFC 7526)
        "64:ff9b:1::/48",  # local translation to IPv4 (RFC 8215)
        "100::/64",  # thrown away (RFC 6666)
        "fec0::/10",  # site-local, given up, and still routed in old networks (RFC 3879)
        "5f00::/16",  # segment routing inside a network (RFC 9602)
    )
)
"""What some versions of Python take for public."""

Reason = Literal["address", "timeout", "too_large", "unreachable"]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From the host and port of a URL to IP addresses, best first; raises `OSError`."""
Trust = Callable[[], ssl.SSLContext]
"""Makes what certificates are checked with."""


class OutboundFailed(Exception):
    """There is no answer: for its address (`address`), its time, its size, or for want of a connection.

    The text holds nothing of what was sent. Where `was_sent` is False, nothing was: the request may go elsewhere.
    """

    def __init__(self, reason: Reason, text: str, was_sent: bool = True) -> None:
        super().__init__(text)
        self.reason = reason
        self.was_sent = was_sent


class Reach(Enum):
    """Which addresses a request may go to."""

    PUBLIC = "public"
    """Those of the public Internet, and the networks that the operator lists."""
    ANYWHERE = "anywhere"
    """All: for addresses that the operator named, not a user."""
    LISTED = "listed"
    """The networks that the operator lists, only: for what goes without encryption."""


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What a server answered; the names of `headers` are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Refused(OSError):
    """The address is none that requests may go to."""


class _Resolver:
    """What aiohttp asks for the addresses of a host."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[dict[str, Any]]:
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for address in await self._resolve(host, port)
        ]

    async def close(self) -> None:
        """There is nothing to close."""


class OutboundStream:
    """An answer whose body is read while it comes; to be used as `async with await outbound.open(...) as answer`."""

    def __init__(self, response: aiohttp.ClientResponse, timeout_s: float) -> None:
        self._response = response
        self._timeout_s = timeout_s
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self, max_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body; raises `OutboundFailed` when it has more than `max_bytes`, or does not come."""
        size = 0
        content = self._response.content
        while True:
            with _failures(self._timeout_s):
                chunk = await content.read(READ_BYTES)
            if not chunk:
                return
            size += len(chunk)
            if size > max_bytes:
                raise OutboundFailed("too_large", f"the answer has more than {max_bytes} bytes")
            yield chunk

    async def read(self, max_bytes: int) -> bytes:
        """Return the body; raises like `chunks`."""
        return b"".join([chunk async for chunk in self.chunks(max_bytes)])

    async def __aenter__(self) -> OutboundStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public Internet, whatever it is wrapped in."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = _inner_ipv4(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


def _inner_ipv4(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets for an IPv6 address end at."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if any(ip in network for network in _INNER_IPV4):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


class Outbound:
    """Makes requests, with limits to address, time and size."""

    def __init__(
        self,
        reachable_networks: Sequence[str] = (),
        *,
        resolve: Resolve | None = None,
        trust: Trust | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """`reachable_networks` are those that may be reached though they are not public, such as `127.0.0.0/8`.

        `resolve` finds addresses where the machine's own way is not meant; `trust` is called once, in a thread, where
        others than the machine's certificate authorities are trusted.
        """
        self._listed = tuple(ip_network(text) for text in reachable_networks)
        self._resolve = resolve
        self._trust = trust
        self._max_connections = max_connections
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}
        self._library: Any = None
        """aiohttp, once there was something to send: ten megabytes that a server at rest does not need."""
        self._exact_url: Any = None
        self._tls: ssl.SSLContext | Literal[True] = True

    @property
    def lists_networks(self) -> bool:
        """Whether there is anything that `Reach.LISTED` leads to."""
        return bool(self._listed)

    def may_reach(self, address: str, reach: Reach) -> bool:
        """Return whether a request may go to an IP address."""
        ip = ip_address(address.partition("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if reach is Reach.ANYWHERE:
            return True
        return any(ip in network for network in self._listed) or (
            reach is Reach.PUBLIC and is_public(address)
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        max_bytes: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
    ) -> OutboundAnswer:
        """Make one request and return the answer, whatever its status.

        All of it, resolving the name included, takes at most `timeout_s` seconds, and the answer's body has at most
        `max_bytes`, compressed as it may be: nothing is unpacked, and nothing compressed is asked for. Raises
        `OutboundFailed`.
        """
        async with await self.open(
            method, url, timeout_s=timeout_s, body=body, headers=headers, reach=reach
        ) as answer:
            content = await answer.read(max_bytes)
            return OutboundAnswer(answer.status, answer.headers, content)

    async def open(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        stall_s: float | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
        exact: bool = False,
    ) -> OutboundStream:
        """Make one request and return the answer once its headers are there, whatever its status.

        The time counts until the body is read; between two pieces of it there may be `stall_s`. An `exact` URL is sent
        as it is, percent-escapes and all. Raises `OutboundFailed`.
        """
        if self._library is None:
            await self._load()
        aiohttp = self._library
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_read=stall_s)
        with _failures(timeout_s):
            response = await self._session(reach).request(
                method,
                self._exact_url(url, encoded=True) if exact else url,
                data=body or None,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})},
                allow_redirects=False,
                timeout=timeout,
            )
        return OutboundStream(response, timeout_s)

    async def _load(self) -> None:
        """Import what is needed, in a thread, since it takes a tenth of a second."""

        def load() -> tuple[Any, Any, ssl.SSLContext | Literal[True]]:
            tls: ssl.SSLContext | Literal[True] = True if self._trust is None else self._trust()
            return import_module("aiohttp"), import_module("yarl").URL, tls

        library, self._exact_url, self._tls = await asyncio.to_thread(load)
        self._library = library

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        session = self._sessions.get(reach)
        aiohttp = self._library
        if session is None:
            connector = aiohttp.TCPConnector(
                limit=self._max_connections,
                limit_per_host=MAX_CONNECTIONS_PER_HOST,
                keepalive_timeout=KEEP_ALIVE_S,
                resolver=aiohttp.ThreadedResolver() if self._resolve is None else _Resolver(self._resolve),
                use_dns_cache=self._resolve is None,
                ssl=self._tls,
                socket_factory=lambda info: self._open_socket(info, reach),
            )
            session = self._sessions[reach] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return session

    def _open_socket(self, info: Any, reach: Reach) -> socket.socket:
        """Return the socket for a connection to exactly this address; raises `_Refused`."""
        family, kind, protocol, _, address = info
        if not self.may_reach(str(address[0]), reach):
            raise _Refused("the address is none that is reached from here")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


@contextmanager
def _failures(timeout_s: float) -> Iterator[None]:
    """Turn what goes wrong on the way into `OutboundFailed`; aiohttp is there, or nothing could go wrong."""
    aiohttp = import_module("aiohttp")
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise OutboundFailed("timeout", f"no connection in {timeout_s:g} seconds", was_sent=False) from None
    except TimeoutError:
        raise OutboundFailed("timeout", f"no answer in {timeout_s:g} seconds") from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise OutboundFailed("address", "this is no URL that is reached from here", was_sent=False) from None
    except (aiohttp.ClientError, OSError) as error:
        cause = getattr(error, "os_error", error)
        if isinstance(cause, _Refused):
            raise OutboundFailed("address", str(cause), was_sent=False) from None
        was_sent = not isinstance(error, aiohttp.ClientConnectorError)
        raise OutboundFailed("unreachable", _in_words(error), was_sent) from None


def _in_words(error: Exception) -> str:
    """Say what went wrong, without anything that was sent."""
    reason = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {reason.verify_message}"
    if isinstance(reason, OSError):  # of several addresses there are several reasons, which only the text has
        return reason.strerror or "there is no connection"
    return type(error).__name__
