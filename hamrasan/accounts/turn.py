"""Credentials for TURN servers (client-server API, "Voice over IP"), as coturn and others check them.

They are made from a secret that the servers share, so that a TURN server needs no word from this one: the name says
when they expire, and the password is the name's HMAC (draft-uberti-behave-turn-rest, "Usage").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

LIFETIME_S = 86_400
"""Credentials are good for a day: clients renew them before it ends, and stolen ones are soon worth nothing."""


@dataclass(frozen=True, slots=True)
class TurnCredentials:
    """A name and its password."""

    username: str
    password: str


def turn_credentials(shared_secret: str, user_id: str, now_ms: int) -> TurnCredentials:
    """Return credentials for `user_id` that expire `LIFETIME_S` after `now_ms`."""
    username = f"{now_ms // 1000 + LIFETIME_S}:{user_id}"
    mac = hmac.new(shared_secret.encode(), username.encode(), hashlib.sha1)
    return TurnCredentials(username, base64.b64encode(mac.digest()).decode())
