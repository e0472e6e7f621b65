"""Server names taken apart, and the servers that the operator lets in (appendices, "Server Name")."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from hamrasan.protocol.globs import compile_glob


class HostAndPort(NamedTuple):
    """The parts of a server name; an IPv6 `host` stands without brackets."""

    host: str
    port: int | None


def split_server_name(server_name: str) -> HostAndPort:
    """Return the parts of a server name that has been checked (`identifiers.check_server_name`).

    Raises `ValueError` for a port that no connection can have.
    """
    if server_name.startswith("["):
        host, _, port = server_name[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = server_name.partition(":")
    number = int(port) if port else None
    if number is not None and not 0 < number < 65536:
        raise ValueError(f"{server_name} has no port that can be connected to")
    return HostAndPort(host, number)


def is_literal(host: str) -> bool:
    """Tell whether a host is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class AllowedServers:
    """With whom this server federates: those that match `allowed` (all, if it is empty) and do not match `denied`.

    Both hold globs of server names, as in `m.room.server_acl`.
    """

    def __init__(self, allowed: Iterable[str] = (), denied: Iterable[str] = ()) -> None:
        self.replace(allowed, denied)

    def replace(self, allowed: Iterable[str], denied: Iterable[str]) -> None:
        """Take other lists."""
        self._allowed = [compile_glob(pattern) for pattern in allowed]
        self._denied = [compile_glob(pattern) for pattern in denied]

    def __contains__(self, server_name: str) -> bool:
        if self._allowed and not any(matches(server_name) for matches in self._allowed):
            return False
        return not any(matches(server_name) for matches in self._denied)
