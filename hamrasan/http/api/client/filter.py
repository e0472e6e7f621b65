"""Filters (client-server API, "Filtering")."""

from __future__ import annotations

from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services

_NOT_YOURS = "Filters can only be read and defined by their own user."


async def define_filter(request: Request, services: Services) -> Response:
    """Keep a filter; the same one gets the same id."""
    user_id = own_user_id(request, _NOT_YOURS)
    return ok({"filter_id": await services.filters.define(user_id, request.json())})


async def get_filter(request: Request, services: Services) -> Response:
    """Return a filter."""
    user_id = own_user_id(request, _NOT_YOURS)
    return json_bytes(await services.filters.definition(user_id, request.path["filter_id"]))


_FILTER = "/_matrix/client/v3/user/{user_id}/filter"

ROUTES = [
    Route("POST", _FILTER, define_filter, "defineFilter", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT),
    Route("GET", _FILTER + "/{filter_id}", get_filter, "getFilter", Auth.USER, RateClass.READS),
]
