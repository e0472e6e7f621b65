"""Scopes: what a client asks to be allowed (client-server API, "Scope")."""

from __future__ import annotations

import re
from typing import NamedTuple

from hamrasan.accounts.oauth.errors import OAuthError

API = ("urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*")
"""Everything that a user may do; the second form is of clients from before the specification had the first."""
DEVICE = ("urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:")
MAX_SCOPE_CHARS = 2_048
"""A device id of 255 characters in both forms, and room for what is ignored."""
MAX_DEVICE_ID_CHARS = 255
"""The specification's length of an opaque identifier."""

_DEVICE_ID = re.compile(rf"[A-Za-z0-9._~-]{{1,{MAX_DEVICE_ID_CHARS}}}")
"""The characters that need no escaping in an address, to which the specification lets a server keep."""


class Scope(NamedTuple):
    """What is granted: the whole API, on one device."""

    device_id: str
    text: str
    """The tokens that were asked for and are granted, in the client's own form."""


def parse_scope(text: str) -> Scope:
    """Return what a client asks for, without what this server does not give to clients.

    Raises `invalid_scope` unless there is the whole API and exactly one device.
    """
    if len(text) > MAX_SCOPE_CHARS:
        raise _invalid(f"A scope has at most {MAX_SCOPE_CHARS} characters.")
    tokens = list(dict.fromkeys(text.split(" ")))
    devices = {
        token.removeprefix(prefix) for token in tokens for prefix in DEVICE if token.startswith(prefix)
    }
    if len(devices) != 1:
        raise _invalid("The scope has to name exactly one device: urn:matrix:client:device:<id>.")
    device_id = devices.pop()
    if not _DEVICE_ID.fullmatch(device_id):
        raise _invalid("A device id has 1 to 255 letters, digits, and characters of '-._~'.")
    if not any(token in API for token in tokens):
        raise _invalid("The scope has to contain urn:matrix:client:api:*.")
    return Scope(device_id, " ".join(token for token in tokens if token in API or token.startswith(DEVICE)))


def _invalid(description: str) -> OAuthError:
    return OAuthError("invalid_scope", description)
