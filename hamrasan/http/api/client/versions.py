"""Versions of the specification (client-server API, "API Versions")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services

VERSIONS = [f"v1.{minor}" for minor in range(1, 20)]
"""Everything from the first version with today's addresses (`/v3`) to the one that this server was written from."""

UNSTABLE_FEATURES: dict[str, bool] = {
    "org.matrix.e2e_cross_signing": True,
    "org.matrix.msc3814": True,
    "org.matrix.msc3967": True,
    "org.matrix.msc4140": True,
    "io.element.msc4388": True,
    "org.matrix.msc4108": True,
    "org.matrix.msc4143": True,
    "org.matrix.msc4155": True,
    "org.matrix.msc4306": True,
    "org.matrix.msc4308": True,
    "org.matrix.simplified_msc3575": True,
    "uk.half-shot.msc2666.query_mutual_rooms": True,
}
"""What is served before the specification has it, by the name that clients look for."""


async def get_versions(_request: Request, _services: Services) -> Response:
    """List the versions of the specification, the same for everybody."""
    return ok({"versions": VERSIONS, "unstable_features": UNSTABLE_FEATURES})


ROUTES = [Route("GET", "/_matrix/client/versions", get_versions, "getVersions", Auth.NONE)]
