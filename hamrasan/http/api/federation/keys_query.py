"""This server as a notary: the keys of other servers (server-server API, "Querying Keys Through Another Server")."""

from __future__ import annotations

from typing import Any

import orjson

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import check_object
from hamrasan.protocol.errors import bad_json, invalid_param
from hamrasan.protocol.identifiers import check_server_name
from hamrasan.protocol.limits import MAX_CANONICAL_INT

MAX_SERVERS = 100
"""Servers in one question; other servers ask for those of one room's events at a time."""


async def query_keys(request: Request, services: Services) -> Response:
    """Return the keys of one server."""
    server = request.parameter("server_name")
    check_server_name(server)
    least = request.query.integer("minimum_valid_until_ts", maximum=MAX_CANONICAL_INT + 1)
    return await _answer(services, {server: least})


async def query_keys_of_several(request: Request, services: Services) -> Response:
    """Return the keys of several servers; of each all, whichever are asked for."""
    criteria = check_object(request.strict_json().get("server_keys"), "'server_keys'")
    if len(criteria) > MAX_SERVERS:
        raise invalid_param(f"At most {MAX_SERVERS} servers are looked for at once.")
    wanted: dict[str, int | None] = {}
    for server, keys in criteria.items():
        check_server_name(server)
        wanted[server] = _latest(check_object(keys, f"'server_keys.{server}'"))
    return await _answer(services, wanted)


def _latest(keys: dict[str, Any]) -> int | None:
    """Return the latest time until which somebody wants any of the keys to be valid."""
    times = []
    for key_id, wish in keys.items():
        least = check_object(wish, f"What is wanted of {key_id}").get("minimum_valid_until_ts", 0)
        if type(least) is not int or least < 0:
            raise bad_json("'minimum_valid_until_ts' must be a time in milliseconds since 1970.")
        times.append(least)
    return max(times, default=None)


async def _answer(services: Services, wanted: dict[str, int | None]) -> Response:
    found = await services.notary.answers(wanted)
    return ok({"server_keys": [orjson.Fragment(answer) for answer in found]})


ROUTES = [
    Route(
        "GET",
        "/_matrix/key/v2/query/{server_name}",
        query_keys,
        "perspectivesKeyQuery",
        Auth.NONE,
        RateClass.FEDERATION,
    ),
    Route(
        "POST",
        "/_matrix/key/v2/query",
        query_keys_of_several,
        "bulkPerspectivesKeyQuery",
        Auth.NONE,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
