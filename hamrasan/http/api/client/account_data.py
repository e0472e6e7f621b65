"""Account data (client-server API, "Client Config")."""

from __future__ import annotations

from hamrasan.accounts.account_data import PUSH_RULES
from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, json_bytes
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.identifiers import check_room_id
from hamrasan.storage.ports.user_data import GLOBAL

_NOT_YOURS = "Account data can only be read and set by its own user."


async def get_account_data(request: Request, services: Services) -> Response:
    """Return global account data; push rules are there for users who have not changed them, too."""
    user_id = own_user_id(request, _NOT_YOURS)
    if request.path["type"] == PUSH_RULES:
        return json_bytes(await services.push_rules.content_of(user_id))
    return json_bytes(await services.account_data.get(user_id, GLOBAL, request.path["type"]))


async def set_account_data(request: Request, services: Services) -> Response:
    """Set global account data."""
    user_id = own_user_id(request, _NOT_YOURS)
    await services.account_data.set_by_client(user_id, GLOBAL, request.path["type"], request.json())
    return empty()


async def get_room_account_data(request: Request, services: Services) -> Response:
    """Return account data of a room."""
    user_id = own_user_id(request, _NOT_YOURS)
    check_room_id(request.path["room_id"])
    content = await services.account_data.get(user_id, request.path["room_id"], request.path["type"])
    return json_bytes(content)


async def set_room_account_data(request: Request, services: Services) -> Response:
    """Set account data of a room."""
    user_id = own_user_id(request, _NOT_YOURS)
    room_id = request.path["room_id"]
    check_room_id(room_id)
    await services.account_data.set_by_client(user_id, room_id, request.path["type"], request.json())
    return empty()


_GLOBAL = "/_matrix/client/v3/user/{user_id}/account_data/{type}"
_ROOM = "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/account_data/{type}"

ROUTES = [
    Route("GET", _GLOBAL, get_account_data, "getAccountData", Auth.USER, RateClass.READS),
    Route("PUT", _GLOBAL, set_account_data, "setAccountData", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT),
    Route("GET", _ROOM, get_room_account_data, "getAccountDataPerRoom", Auth.USER, RateClass.READS),
    Route(
        "PUT",
        _ROOM,
        set_room_account_data,
        "setAccountDataPerRoom",
        Auth.USER,
        RateClass.ACCOUNT,
        Body.JSON_OBJECT,
    ),
]
