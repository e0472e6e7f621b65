"""The room directory for other servers (server-server API, "Published Room Directory")."""

from __future__ import annotations

from dataclasses import replace

from hamrasan.http.api.client.list_public_rooms import Filter, QueryBody
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.rooms.directory import EVERY_LISTING, DirectoryQuery


async def get_public_rooms(request: Request, services: Services) -> Response:
    """Return a page of the directory."""
    query = request.query
    wanted = DirectoryQuery(query.integer("limit"), query.one("since"))
    everywhere = query.boolean("include_all_networks")
    return await _page(services, wanted, everywhere, query.one("third_party_instance_id"))


async def query_public_rooms(request: Request, services: Services) -> Response:
    """Return a page of those rooms in the directory that match a filter."""
    body = request.decode(QueryBody)
    wanted = body.filter or Filter()
    types = None if wanted.room_types is None else frozenset(wanted.room_types)
    query = DirectoryQuery(body.limit, body.since, wanted.generic_search_term, types)
    return await _page(services, query, body.include_all_networks, body.third_party_instance_id)


async def _page(services: Services, query: DirectoryQuery, everywhere: bool, network: str | None) -> Response:
    """Return what servers are shown of a directory: rooms into which their users can come."""
    query = replace(query, federating=True)
    if everywhere:
        return ok(await services.network_directories.page(EVERY_LISTING, query))
    if network:
        return ok(await services.network_directories.page(network, query))
    return ok(await services.directory.page(query))


_ROOMS = "/_matrix/federation/v1/publicRooms"

ROUTES = [
    Route("GET", _ROOMS, get_public_rooms, "federation:getPublicRooms", Auth.SERVER, RateClass.FEDERATION),
    Route(
        "POST",
        _ROOMS,
        query_public_rooms,
        "federation:queryPublicRooms",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OPTIONAL,
    ),
]
