"""Cross-signing keys and signatures (client-server API, "Cross-signing")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.api.oauth.addresses import ACCOUNT
from hamrasan.http.own_url import own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.cross_signing import MASTER, SELF_SIGNING, USER_SIGNING
from hamrasan.protocol.errors import bad_json
from hamrasan.protocol.identifiers import check_user_ids


class SigningKeysBody(msgspec.Struct):
    """The body of `POST /keys/device_signing/upload`."""

    master_key: dict[str, Any] | None = None
    self_signing_key: dict[str, Any] | None = None
    user_signing_key: dict[str, Any] | None = None
    auth: Any = None


async def upload_signing_keys(request: Request, services: Services) -> Response:
    """Publish the requester's cross-signing keys, after confirmation where they replace others."""
    body = request.decode(SigningKeysBody)
    given = {
        MASTER: body.master_key,
        SELF_SIGNING: body.self_signing_key,
        USER_SIGNING: body.user_signing_key,
    }
    keys = {usage: key for usage, key in given.items() if key is not None}
    await services.publish_signing_keys.publish(
        request.requester,
        keys,
        auth=body.auth,
        address=request.client_address,
        page=f"{own_url(request, services)}{ACCOUNT}?action=org.matrix.cross_signing_reset",
    )
    return empty()


async def upload_signatures(request: Request, services: Services) -> Response:
    """Publish signatures that the requester made on keys."""
    signed = request.json()
    check_user_ids(signed)
    for keys in signed.values():
        if not isinstance(keys, dict) or not all(isinstance(key, dict) for key in keys.values()):
            raise bad_json("The body must have signed objects by user id and id of the key.")
    return ok({"failures": await services.key_signatures.add(request.requester.user_id, signed)})


_KEYS = "/_matrix/client/v3/keys"
_USER, _CLASS, _OBJECT = Auth.USER, RateClass.KEYS, Body.JSON_OBJECT

ROUTES = [
    Route(
        "POST",
        _KEYS + "/device_signing/upload",
        upload_signing_keys,
        "uploadCrossSigningKeys",
        _USER,
        _CLASS,
        _OBJECT,
    ),
    Route(
        "POST",
        _KEYS + "/signatures/upload",
        upload_signatures,
        "uploadCrossSigningSignatures",
        _USER,
        _CLASS,
        _OBJECT,
    ),
]
