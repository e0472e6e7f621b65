"""Where the endpoints of OAuth 2.0 are and what they can do (client-server API, "Server metadata discovery")."""

from __future__ import annotations

from typing import Any

from hamrasan.accounts.oauth.authorization import RESPONSE_MODES
from hamrasan.accounts.oauth.client_metadata import GRANT_TYPES
from hamrasan.http.api.oauth.addresses import (
    ACCOUNT,
    AUTHORIZE,
    DEVICE,
    REGISTER,
    REVOKE,
    TOKEN,
)
from hamrasan.http.own_url import knows_own_url, own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_response
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError

MAX_AGE_S = 3600
"""How long clients may keep it; it changes when the operator changes the server's address."""

ACTIONS = (
    "org.matrix.profile",
    "org.matrix.devices_list",
    "org.matrix.device_view",
    "org.matrix.device_delete",
    "org.matrix.account_deactivate",
    "org.matrix.cross_signing_reset",
)
"""What an app can open the account's page for."""


async def get_auth_metadata(request: Request, services: Services) -> Response:
    """Say where everything is; without a public address nobody behind a proxy could be sent there."""
    if not knows_own_url(request, services):
        raise MatrixError(
            404, "M_UNRECOGNIZED", "This server does not know its public address, which OAuth 2.0 needs."
        )
    headers = (("Cache-Control", f"public, max-age={MAX_AGE_S}"),)
    return json_response(200, metadata(own_url(request, services)), headers)


def metadata(url: str) -> dict[str, Any]:
    """Return the metadata of the server at `url` (RFC 8414)."""
    return {
        "issuer": f"{url}/",
        "authorization_endpoint": url + AUTHORIZE,
        "token_endpoint": url + TOKEN,
        "registration_endpoint": url + REGISTER,
        "revocation_endpoint": url + REVOKE,
        "device_authorization_endpoint": url + DEVICE,
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "prompt_values_supported": ["create"],
        "ui_locales_supported": ["fa", "en"],
        "authorization_response_iss_parameter_supported": True,
        "account_management_uri": url + ACCOUNT,
        "account_management_actions_supported": list(ACTIONS),
    }


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/auth_metadata",
        get_auth_metadata,
        "getAuthMetadata",
        Auth.NONE,
        RateClass.READS,
    ),
]
UNSTABLE_ROUTES = [
    # As clients call it that were made before the specification had it (MSC2965).
    Route(
        "GET",
        "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
        get_auth_metadata,
        "getAuthMetadataUnstable",
        Auth.NONE,
        RateClass.READS,
    ),
]
