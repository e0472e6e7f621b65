"""The public room directory (client-server API, "Published Room Directory")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.errors import forbidden
from hamrasan.rooms.directory import DEFAULT_LIMIT, EVERY_LISTING, MAX_LIMIT, DirectoryQuery


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
    limit, since = request.query.integer("limit"), request.query.one("since")
    server = _other_server(request, services)
    if server is not None:
        return await _page_of(services, server, {"limit": limit, "since": since})
    return ok(await services.directory.page(DirectoryQuery(limit=limit, since=since)))


async def query_public_rooms(request: Request, services: Services) -> Response:
    """Return a page of those rooms in the directory that match a filter."""
    body = request.decode(QueryBody)
    server = _other_server(request, services)
    if server is not None:
        return await _page_of(services, server, msgspec.to_builtins(body))
    wanted = body.filter or Filter()
    types = None if wanted.room_types is None else frozenset(wanted.room_types)
    query = DirectoryQuery(body.limit, body.since, wanted.generic_search_term, types)
    if body.include_all_networks:
        return ok(await services.network_directories.page(EVERY_LISTING, query))
    if body.third_party_instance_id is not None:
        return ok(await services.network_directories.page(body.third_party_instance_id, query))
    return ok(await services.directory.page(query))


def _other_server(request: Request, services: Services) -> str | None:
    """Return the server whose directory is asked for, None if it is this one.

    Others are asked for nobody but this server's users.
    """
    server = request.query.one("server")
    if server is None or server == services.settings.server_name:
        return None
    if not request.is_authenticated:
        raise forbidden("Directories of other servers are shown to users of this server only.")
    return server


async def _page_of(services: Services, server: str, query: Mapping[str, Any]) -> Response:
    """Return a page of another server's directory."""
    given = {name: value for name, value in query.items() if value is not None}
    if "filter" in given:
        given["filter"] = {name: value for name, value in given["filter"].items() if value is not None}
    given["limit"] = min(given.get("limit", DEFAULT_LIMIT), MAX_LIMIT)
    return ok(await services.remote_queries.public_rooms(server, given))


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
    Route("GET", _ROOMS, get_public_rooms, "getPublicRooms", Auth.OPTIONAL, RateClass.SEARCH),
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
