"""What other servers ask about aliases and users (server-server API, "Querying for information")."""

from __future__ import annotations

from itertools import islice

from hamrasan.accounts.profiles import AVATAR_URL, DISPLAY_NAME, TIME_ZONE
from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.protocol.identifiers import is_of_server, parse_room_alias, parse_user_id

MAX_SERVERS = 50
"""Servers that are named for a room; who joins asks a few of them."""

_DEFINED = frozenset({DISPLAY_NAME, AVATAR_URL, TIME_ZONE})
"""Fields that every profile could have; of others it is said that they do not exist."""


async def query_directory(request: Request, services: Services) -> Response:
    """Return the room of an alias of this server, and servers that are in it."""
    alias = request.query.required("room_alias")
    own = services.settings.server_name
    if parse_room_alias(alias).server_name != own:
        raise not_found(f"The alias {alias} is one of another server.")
    row = await services.aliases.find(alias)
    room = await services.registry.get(row.room_id)
    if room.content("m.room.create").get("m.federate") is False:
        raise not_found(f"The room alias {alias} is not known here.")
    others = islice((server for server in room.servers if server != own), MAX_SERVERS - 1)
    return ok({"room_id": room.id, "servers": [*([own] if own in room.servers else []), *others]})


async def query_profile(request: Request, services: Services) -> Response:
    """Return the profile of a user of this server, or one field of it."""
    user_id, field = request.query.required("user_id"), request.query.one("field")
    parse_user_id(user_id)
    if not is_of_server(user_id, services.settings.server_name):
        raise not_found(f"{user_id} is a user of another server.")
    profile = await services.profiles.get(user_id)
    if field is None:
        return json_bytes(profile)
    try:
        return json_bytes(await services.profiles.get_field(user_id, field))
    except MatrixError as error:
        if error.status == 404 and field in _DEFINED:
            return ok({})
        raise


def query_other(request: Request, _services: Services) -> Response:
    """Refuse: there are no other questions."""
    raise MatrixError(
        404, "M_UNRECOGNIZED", f"There are no queries of the type '{request.path['query_type']}'."
    )


_QUERY = "/_matrix/federation/v1/query"

ROUTES = [
    Route(
        "GET", _QUERY + "/directory", query_directory, "queryRoomDirectory", Auth.SERVER, RateClass.FEDERATION
    ),
    Route("GET", _QUERY + "/profile", query_profile, "queryProfile", Auth.SERVER, RateClass.FEDERATION),
    Route("GET", _QUERY + "/{query_type}", query_other, "queryInfo", Auth.SERVER, RateClass.FEDERATION),
]
