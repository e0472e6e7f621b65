"""Third-party networks (client-server API, "Third-party Lookups"): what application services tell of them."""

from __future__ import annotations

from typing import Any

import orjson

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param, not_found
from hamrasan.protocol.identifiers import check_room_alias, check_user_id

MAX_FIELDS = 20
"""Fields of one question; networks have two or three."""


async def get_protocols(request: Request, services: Services) -> Response:
    """Return all protocols with their instances."""
    return ok(await services.third_party_networks.protocols())


async def get_protocol(request: Request, services: Services) -> Response:
    """Return one protocol."""
    return ok(await services.third_party_networks.protocol(request.path["protocol"]))


async def get_locations(request: Request, services: Services) -> Response:
    """Return the rooms that lead to places of a network."""
    protocol, fields = request.path["protocol"], _fields(request)
    return _found(await services.third_party_networks.locations(protocol, fields), "rooms")


async def get_users(request: Request, services: Services) -> Response:
    """Return the users that stand for some of a network."""
    protocol, fields = request.path["protocol"], _fields(request)
    return _found(await services.third_party_networks.users(protocol, fields), "users")


async def get_location_of_alias(request: Request, services: Services) -> Response:
    """Return the places in other networks that an alias leads to."""
    alias = request.query.required("alias")
    check_room_alias(alias)
    return _found(await services.third_party_networks.location(alias), "places")


async def get_third_party_user(request: Request, services: Services) -> Response:
    """Return whom in other networks a user stands for."""
    user_id = request.query.required("userid")
    check_user_id(user_id)
    return _found(await services.third_party_networks.user(user_id), "users")


def _fields(request: Request) -> dict[str, str]:
    """Return the fields to search by: every parameter of the query but a token."""
    query = request.query
    fields = {name: query.required(name) for name in query.names() if name != "access_token"}
    if len(fields) > MAX_FIELDS:
        raise invalid_param(f"At most {MAX_FIELDS} fields can be searched by.")
    return fields


def _found(found: list[dict[str, Any]], what: str) -> Response:
    if not found:
        raise not_found(f"No {what} of other networks were found.")
    return json_bytes(orjson.dumps(found))


_PATH = "/_matrix/client/v3/thirdparty"
_LIMIT = RateClass.SEARCH

ROUTES = [
    Route("GET", _PATH + "/protocols", get_protocols, "getProtocols", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/protocol/{protocol}", get_protocol, "getProtocolMetadata", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/location/{protocol}", get_locations, "queryLocationByProtocol", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/user/{protocol}", get_users, "queryUserByProtocol", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/location", get_location_of_alias, "queryLocationByAlias", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/user", get_third_party_user, "queryUserByID", Auth.USER, _LIMIT),
]
