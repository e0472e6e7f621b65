"""Who the client is, if a proxy stands between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

UNIX_PEER = "unix"
"""The address of a client that came over a unix socket and was not forwarded."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: tuple[_Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


class TrustedProxies:
    """Peers whose X-Forwarded-For is believed: loopback, unix sockets, and the networks given."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises `ValueError` for what is no network or address."""
        self._networks = (*LOOPBACK, *(ipaddress.ip_network(network) for network in networks))

    def client_address(self, peername: Any, forwarded_for: str | None) -> str:
        """Return the client's address, from the socket's `peername` and the X-Forwarded-For header.

        The header is read from its end, where the nearest proxy wrote; the first entry that is no trusted proxy is
        the client, since everything before it may be made up.
        """
        # A unix socket's peer has a path or nothing for a name.
        address = peername[0] if isinstance(peername, tuple) and peername else UNIX_PEER
        if forwarded_for is None or not self._trusts(address):
            return address
        for entry in reversed(forwarded_for.split(",")):
            hop = _address_in(entry)
            if hop is None:
                break
            address = hop
            if not self._trusts(hop):
                break
        return address

    def _trusts(self, address: str) -> bool:
        if address == UNIX_PEER:
            return True
        parsed: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(
            address.partition("%")[0]
        )
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def _address_in(entry: str) -> str | None:
    """Return the address in one entry of the header, which some proxies write with a port or in brackets."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
