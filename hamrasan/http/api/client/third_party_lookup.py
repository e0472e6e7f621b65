"""Third-party networks (client-server API, "Third-party Lookups"): answers of a server that bridges none."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found
from hamrasan.protocol.identifiers import check_room_alias, check_user_id


async def get_protocols(request: Request, services: Services) -> Response:
    """Return all protocols: there are none."""
    return empty()


async def get_of_protocol(request: Request, services: Services) -> Response:
    """Refuse what is asked of a protocol, since none is known."""
    raise not_found(f"This server does not bridge to '{request.path['protocol']}'.")


async def get_location_of_alias(request: Request, services: Services) -> Response:
    """Refuse: no room leads to another network."""
    alias = request.query.required("alias")
    check_room_alias(alias)
    raise not_found(f"{alias} is not known to lead to another network.")


async def get_third_party_user(request: Request, services: Services) -> Response:
    """Refuse: no user stands for one of another network."""
    user_id = request.query.required("userid")
    check_user_id(user_id)
    raise not_found(f"{user_id} is not known to be a user of another network.")


_PATH = "/_matrix/client/v3/thirdparty"
_LIMIT = RateClass.READS

ROUTES = [
    Route("GET", _PATH + "/protocols", get_protocols, "getProtocols", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/protocol/{protocol}", get_of_protocol, "getProtocolMetadata", Auth.USER, _LIMIT),
    Route(
        "GET", _PATH + "/location/{protocol}", get_of_protocol, "queryLocationByProtocol", Auth.USER, _LIMIT
    ),
    Route("GET", _PATH + "/user/{protocol}", get_of_protocol, "queryUserByProtocol", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/location", get_location_of_alias, "queryLocationByAlias", Auth.USER, _LIMIT),
    Route("GET", _PATH + "/user", get_third_party_user, "queryUserByID", Auth.USER, _LIMIT),
]
