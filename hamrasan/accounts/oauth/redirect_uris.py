"""Where a client may be sent back to (client-server API, "Redirect URI validation"; RFC 8252, section 7)."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

ApplicationType = Literal["web", "native"]

MAX_URI_CHARS = 2_000
"""Longer addresses do not survive every browser and proxy."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")
"""A scheme, and then what may stand in an address: ASCII without blanks, quotes, or what browsers read as a slash."""
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?")


def split_uri(uri: str) -> SplitResult | None:
    """Return an absolute address in its parts; None for what is none, or has a port that is none."""
    if len(uri) > MAX_URI_CHARS or not _URI.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_web_uri(uri: str, host: str | None = None) -> bool:
    """Tell whether an address is `https` without a password in it, on `host` or below it if one is given."""
    parts = split_uri(uri)
    if parts is None or parts.scheme != "https" or "@" in parts.netloc:
        return False
    found = parts.hostname or ""
    if not _HOST.fullmatch(found):
        return False
    return host is None or found == host or found.endswith(f".{host}")


def is_redirect_uri(uri: str, client_host: str, application_type: ApplicationType) -> bool:
    """Tell whether a client whose `client_uri` is on `client_host` may register this address."""
    parts = split_uri(uri)
    if parts is None or "#" in uri:
        return False
    if parts.scheme == "https":
        return is_web_uri(uri, client_host)
    if application_type == "web":
        return False
    if parts.scheme == "http":
        return _is_loopback(parts) and parts.port is None and not parts.netloc.endswith(":")
    return _is_private_use(uri, parts.scheme, client_host)


def is_same_redirect_uri(registered: str, asked: str) -> bool:
    """Tell whether a client may be sent to the address that it asks for now.

    The two are compared letter by letter, but for the port of a loopback address, which a native client gets from the
    system when it begins to listen.
    """
    if registered == asked:
        return True
    parts, wanted = split_uri(registered), split_uri(asked)
    if parts is None or wanted is None or "#" in asked:
        return False
    if parts.scheme != "http" or not _is_loopback(parts) or wanted.port is None:
        return False
    return asked == registered.replace(parts.netloc, f"{parts.netloc}:{wanted.port}", 1)


def _is_loopback(parts: SplitResult) -> bool:
    return parts.hostname in LOOPBACK_HOSTS and "@" not in parts.netloc


def _is_private_use(uri: str, scheme: str, client_host: str) -> bool:
    """`com.example.app:/callback` of a client at example.com: nobody else gets addresses of that scheme by accident."""
    reversed_host = ".".join(reversed(client_host.split(".")))
    if "." not in reversed_host or (scheme != reversed_host and not scheme.startswith(f"{reversed_host}.")):
        return False
    return not uri.partition(":")[2].startswith("//")
