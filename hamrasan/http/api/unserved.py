"""The operations of the specification that this server does not serve, each with its reason.

Their addresses are answered with 404 M_UNRECOGNIZED, so that others do without. A test holds this table and the routes
against the specification: together they are all of its operations, and none is in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["DELETE", "GET", "POST", "PUT"]


@dataclass(frozen=True, slots=True)
class Unserved:
    """One operation, as `Route` names it, and why there is no route."""

    method: Method
    path: str
    operation: str
    reason: str


_CLIENT = "/_matrix/client"

UNSERVED: tuple[Unserved, ...] = ()

SERVER_UNSERVED: tuple[Unserved, ...] = (
    Unserved(
        "POST",
        "/_matrix/policy/v1/sign",
        "askPolicyServerToSign",
        "This server is no policy server: it signs no events for the policies of others.",
    ),
)
"""Of the server-server API."""
