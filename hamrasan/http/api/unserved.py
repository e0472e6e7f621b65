"""The operations of the client-server API that this server does not serve, each with its reason.

Their addresses are answered with 404 M_UNRECOGNIZED, so that clients do without. A test holds this table and the routes
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
