"""Keys of users and devices (server-server API, "End-to-End Encryption")."""

from __future__ import annotations

from hamrasan.http.api.client.keys import ClaimBody, QueryBody
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.identifiers import check_user_ids


async def query_keys(request: Request, services: Services) -> Response:
    """Return the public keys of users of this server and of their devices."""
    wanted = request.decode(QueryBody).device_keys
    check_user_ids(wanted)
    return ok(await services.served_devices.keys(wanted))


async def claim_keys(request: Request, services: Services) -> Response:
    """Hand out a one-time key of each device that is named."""
    wanted = request.decode(ClaimBody).one_time_keys
    check_user_ids(wanted)
    return ok({"one_time_keys": await services.keys.claim(wanted)})


_KEYS = "/_matrix/federation/v1/user/keys"
_SERVER, _CLASS, _OBJECT = Auth.SERVER, RateClass.FEDERATION, Body.JSON_OBJECT

ROUTES = [
    Route("POST", _KEYS + "/query", query_keys, "queryUserEncryptionKeys", _SERVER, _CLASS, _OBJECT),
    Route("POST", _KEYS + "/claim", claim_keys, "claimUserEncryptionKeys", _SERVER, _CLASS, _OBJECT),
]
