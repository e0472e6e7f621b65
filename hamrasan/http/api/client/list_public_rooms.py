"""The public room directory (client-server API, "Published Room Directory")."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.errors import not_found
from hamrasan.rooms.directory import EVERY_LISTING, DirectoryQuery


class VisibilityBody(msgspec.Struct):
    """Body of `setRoomVisibilityOnDirectory`."""

    visibility: Literal["public", "private"] = "public"


class Filter(msgspec.Struct):
    """The `filter` of `queryPublicRooms`."""

    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class QueryBody(msgspec.Struct):
    """Body of `queryPublicRooms`."""

    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    since: str | None = None
    filter: Filter | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


async def get_visibility(request: Request, services: Services) -> Response:
    """Tell whether a room is listed."""
    listed = await services.directory.is_listed(request.path["room_id"])
    return ok({"visibility": "public" if listed else "private"})


async def set_visibility(request: Request, services: Services) -> Response:
    """Put a room into the directory, or take it out."""
    requester = active_requester(request)
    body = request.decode(VisibilityBody)
    await services.directory.list_room(
        request.path["room_id"],
        requester.user_id,
        body.visibility == "public",
        is_admin=requester.is_admin,
    )
    return empty()


async def get_public_rooms(request: Request, services: Services) -> Response:
    """Return a page of the directory."""
    _check_server(request, services)
    query = DirectoryQuery(limit=request.query.integer("limit"), since=request.query.one("since"))
    return ok(await services.directory.page(query))


async def query_public_rooms(request: Request, services: Services) -> Response:
    """Return a page of those rooms in the directory that match a filter."""
    _check_server(request, services)
    body = request.decode(QueryBody)
    wanted = body.filter or Filter()
    types = None if wanted.room_types is None else frozenset(wanted.room_types)
    query = DirectoryQuery(body.limit, body.since, wanted.generic_search_term, types)
    if body.include_all_networks:
        return ok(await services.network_directories.page(EVERY_LISTING, query))
    if body.third_party_instance_id is not None:
        return ok(await services.network_directories.page(body.third_party_instance_id, query))
    return ok(await services.directory.page(query))


def _check_server(request: Request, services: Services) -> None:
    server = request.query.one("server")
    if server is not None and server != services.settings.server_name:
        raise not_found(f"The directory of '{server}' cannot be read from here.")


_LISTED = "/_matrix/client/v3/directory/list/room/{room_id}"
_ROOMS = "/_matrix/client/v3/publicRooms"

ROUTES = [
    Route("GET", _LISTED, get_visibility, "getRoomVisibilityOnDirectory", Auth.NONE, RateClass.READS),
    Route(
        "PUT",
        _LISTED,
        set_visibility,
        "setRoomVisibilityOnDirectory",
        Auth.USER,
        RateClass.ROOMS,
        Body.JSON_OPTIONAL,
    ),
    Route("GET", _ROOMS, get_public_rooms, "getPublicRooms", Auth.NONE, RateClass.SEARCH),
    Route(
        "POST",
        _ROOMS,
        query_public_rooms,
        "queryPublicRooms",
        Auth.USER,
        RateClass.SEARCH,
        Body.JSON_OPTIONAL,
    ),
]
