"""Which servers a room lets take part (client-server API, "Server Access Control Lists (ACLs) for rooms")."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hamrasan.protocol.globs import compile_glob


def is_server_allowed(acl: Mapping[str, Any] | None, server_name: str) -> bool:
    """Tell whether a server may take part in a room, given the content of `m.room.server_acl`; None: there is none.

    What has a wrong type in the content counts as absent. Ports are not looked at.
    """
    if acl is None:
        return True
    host = _host_of(server_name)
    if acl.get("allow_ip_literals") is False and _is_literal(host):
        return False
    if any(compile_glob(pattern)(host) for pattern in _patterns(acl, "deny")):
        return False
    return any(compile_glob(pattern)(host) for pattern in _patterns(acl, "allow"))


def _patterns(acl: Mapping[str, Any], key: str) -> list[str]:
    patterns = acl.get(key)
    return [p for p in patterns if isinstance(p, str)] if isinstance(patterns, list) else []


def _host_of(server_name: str) -> str:
    """Return a server's name without its port; an IPv6 address keeps its brackets."""
    if server_name.startswith("["):
        return server_name.partition("]")[0] + "]"
    return server_name.partition(":")[0]


def _is_literal(host: str) -> bool:
    try:
        IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        return False
    return True
