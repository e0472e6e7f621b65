"""Keys for end-to-end encryption (client-server API, "Key management API")."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import missing_param
from hamrasan.protocol.identifiers import check_user_ids
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.tokens import SyncToken, parse_position
from hamrasan.sync.request import SyncRequest

DEFAULT_TIMEOUT_MS = 10_000
"""How long other servers are waited for: what the specification recommends (`POST /keys/query`)."""
Timeout = Annotated[int, msgspec.Meta(ge=0)]


class UploadBody(msgspec.Struct):
    """The body of `POST /keys/upload`."""

    device_keys: dict[str, Any] | None = None
    one_time_keys: dict[str, Any] = {}
    fallback_keys: dict[str, Any] = {}


class QueryBody(msgspec.Struct):
    """The body of `POST /keys/query`."""

    device_keys: dict[str, list[str]]
    timeout: Timeout = DEFAULT_TIMEOUT_MS


class ClaimBody(msgspec.Struct):
    """The body of `POST /keys/claim`."""

    one_time_keys: dict[str, dict[str, str]]
    timeout: Timeout = DEFAULT_TIMEOUT_MS


async def upload_keys(request: Request, services: Services) -> Response:
    """Publish keys of the requester's device."""
    body, requester = request.decode(UploadBody), request.requester
    if not requester.device_id:
        raise missing_param("device_id")
    counts = await services.keys.upload(
        requester.user_id, requester.device_id, body.device_keys, body.one_time_keys, body.fallback_keys
    )
    return ok({"one_time_key_counts": counts})


async def query_keys(request: Request, services: Services) -> Response:
    """Return the cross-signing keys of users, and the identity keys of their devices."""
    body = request.decode(QueryBody)
    check_user_ids(body.device_keys)
    found, failures = await services.ask_for_keys.query(
        request.requester.user_id, body.device_keys, body.timeout / 1000
    )
    return ok({**found, "failures": failures})


async def claim_keys(request: Request, services: Services) -> Response:
    """Hand out a one-time key of each device that is named."""
    body = request.decode(ClaimBody)
    check_user_ids(body.one_time_keys)
    found, failures = await services.ask_for_keys.claim(body.one_time_keys, body.timeout / 1000)
    return ok({"one_time_keys": found, "failures": failures})


async def get_keys_changes(request: Request, services: Services) -> Response:
    """Return whose keys changed between two tokens of `/sync`."""
    after, upto = parse_position(request.query.required("from")), parse_position(request.query.required("to"))
    durable, requester = services.notifier.durable, request.requester
    token = SyncToken(min(after, durable), 0, 0, services.sync.token().epoch)
    wanted = SyncRequest(
        reader=Reader(requester.user_id, requester.device_id),
        since=token,
        filter=await services.filters.resolve(requester.user_id, None),
        full_state=False,
        state_after=False,
    )
    stream = await services.notifier.stream(requester.user_id)
    changed, left = await services.sync.device_changes(wanted, stream, min(upto, durable))
    return ok({"changed": changed, "left": left})


_KEYS = "/_matrix/client/v3/keys"
_USER, _CLASS, _OBJECT = Auth.USER, RateClass.KEYS, Body.JSON_OBJECT

ROUTES = [
    Route("POST", _KEYS + "/upload", upload_keys, "uploadKeys", _USER, _CLASS, _OBJECT),
    Route("POST", _KEYS + "/query", query_keys, "queryKeys", _USER, _CLASS, _OBJECT),
    Route("POST", _KEYS + "/claim", claim_keys, "claimKeys", _USER, _CLASS, _OBJECT),
    Route("GET", _KEYS + "/changes", get_keys_changes, "getKeysChanges", _USER, RateClass.SEARCH),
]
