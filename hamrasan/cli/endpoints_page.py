"""The handbook's tables of the specification's APIs: what is served, since when, and which test shows it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamrasan.http.api.client import auth_fallback, pusher, sliding_sync
from hamrasan.http.api.federation_routes import FEDERATION_ROUTES
from hamrasan.http.api.refused import REFUSED, SERVER_REFUSED, Refused
from hamrasan.http.api.routes import CLIENT_ROUTES
from hamrasan.http.api.unserved import SERVER_UNSERVED, UNSERVED, Unserved
from hamrasan.http.route import Auth, Route

EXERCISED = Path(__file__).parents[2] / "tests/spec/exercised.json"
"""What the tests saw; written by `python -m tests.spec.exercised`, so that nobody claims a test by hand."""

_WHO = {
    Auth.NONE: "anybody",
    Auth.ENTRY: "anybody, application services",
    Auth.OPTIONAL: "anybody; users may see more",
    Auth.USER: "users",
    Auth.GUEST: "users",
    Auth.ADMIN: "administrators",
    Auth.SERVER: "servers",
}
"""Guests are admitted nowhere yet, so what guests may do is what users may do."""
_AT_ONE_ADDRESS = {"peekEvents"}
"""Served by the route of another operation, since the specification has both at one address."""
_UNSTABLE = "/unstable/"
_OF_SERVERS = "federation:"
"""Begins names of operations that the client-server API has, too."""


@dataclass(frozen=True, slots=True)
class _Api:
    """What a page is about."""

    name: str
    routes: Collection[Route]
    refused: Collection[Refused]
    unserved: Collection[Unserved]
    served: frozenset[str]
    """The operations of the specification that are served; routes may serve others."""


def client_server_api_page() -> str:
    """Return the endpoints of the client-server API, and what of it is not there, as a page of the handbook."""
    own = {route.operation for route in CLIENT_ROUTES if _UNSTABLE in route.path}
    own |= {route.operation for route in auth_fallback.ROUTES}  # which the specification has in prose only
    own |= {route.operation for route in pusher.DRAFT_ROUTES}
    own |= {route.operation for route in sliding_sync.ROUTES}
    served = _names(CLIENT_ROUTES) | {row.operation for row in REFUSED} | _AT_ONE_ADDRESS
    return _page(_Api("client-server", CLIENT_ROUTES, REFUSED, UNSERVED, frozenset(served - own)))


def server_server_api_page() -> str:
    """Return the same of the server-server API."""
    served = frozenset(_names(FEDERATION_ROUTES))
    return _page(_Api("server-server", FEDERATION_ROUTES, SERVER_REFUSED, SERVER_UNSERVED, served))


def _names(routes: Iterable[Route]) -> set[str]:
    return {route.operation for route in routes}


def _page(api: _Api) -> str:
    exercised = json.loads(EXERCISED.read_text("utf-8"))
    head = (
        f"# The {api.name} API, endpoint by endpoint\n\n"
        f"Served are {len(api.served)} operations of the Matrix specification; {len(api.unserved)} are not"
        f"{_where(api)}.\n"
        "A test holds this page against the specification.\n\n"
        "*Limit* names the rate limit that a request counts for, *since* the first version that answers. *Tested by*\n"
        "is what the tests saw themselves: one that got a success from the operation - or, where the only right\n"
        f"answer is a refusal ([{len(api.refused)} operations](#what-is-always-refused)), that refusal.\n\n"
        "| method | path | operation | for | limit | since | tested by |\n|---|---|---|---|---|---|---|\n"
    )
    rows = sorted(api.routes, key=lambda route: (route.path, route.method))
    table = "".join(_route_row(route, exercised.get(route.operation)) for route in rows)
    return head + table + _refused_section(api, exercised) + _unserved_section(api)


def _route_row(route: Route, seen: Any) -> str:
    cells = [
        route.method,
        f"`{route.path}`",
        route.operation.removeprefix(_OF_SERVERS),
        _WHO[route.auth],
        route.limit.value,
        *_proof(seen),
    ]
    return "| " + " | ".join(cells) + " |\n"


def _proof(seen: Any) -> tuple[str, str]:
    """Return the version and the first test of what was seen of an operation."""
    if seen is None:
        return "-", "-"
    file, _, test = next(iter(seen["tests"])).partition("::")
    return seen["since"], f"`{Path(file).name}` {test.removeprefix('test_').replace('_', ' ')}"


def _refused_section(api: _Api, exercised: Any) -> str:
    lines = [
        "\n## What is always refused\n\n"
        "These check what they are given, and then say why this server cannot do it.\n\n"
        "| operation | errcode | reason | tested by |\n|---|---|---|---|\n"
    ]
    for row in sorted(api.refused, key=lambda row: row.operation):
        test = _proof(exercised.get(row.operation))[1]
        lines.append(f"| {row.operation} | `{row.errcode}` | {row.reason} | {test} |\n")
    return "".join(lines)


def _where(api: _Api) -> str:
    return ", and are [listed below](#what-is-not-there) with the reason" if api.unserved else ""


def _unserved_section(api: _Api) -> str:
    if not api.unserved:
        return ""
    lines = [
        "\n## What is not there\n\n"
        "Unless the reason says otherwise, these are answered with 404 `M_UNRECOGNIZED`, which others understand.\n"
    ]
    reasons: dict[str, list[Unserved]] = {}
    for row in api.unserved:
        reasons.setdefault(row.reason, []).append(row)
    for reason, rows in reasons.items():
        lines.append(f"\n{reason}\n\n")
        lines += [f"- {row.operation}: `{row.method} {row.path}`\n" for row in rows]
    return "".join(lines)
