"""Servers that a client names, through which a room may be reached (client-server API, "Routing")."""

from __future__ import annotations

from hamrasan.http.request import Request

MAX_VIA = 20
"""Servers that a client may name; more are not looked at. Links name three."""


def via_of(request: Request) -> list[str]:
    """Return the servers that a request names, also under the name that the parameter had before (`server_name`)."""
    return [*request.query.all("via"), *request.query.all("server_name")][:MAX_VIA]
