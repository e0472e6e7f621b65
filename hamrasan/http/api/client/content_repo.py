"""Uploads (client-server API, "Content repository")."""

from __future__ import annotations

from hamrasan.http.api.client.authed_content_repo import get_config
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.media.description import content_type_of

MAX_UPLOAD_BYTES = 1 << 40
"""What the edge lets through; how large a file may be is a setting, which the repository knows."""


def _announced(request: Request) -> int | None:
    length = request.header("content-length")
    return None if length is None else int(length)


async def upload(request: Request, services: Services) -> Response:
    """Store a file."""
    uri = await services.media.upload(
        active_requester(request).user_id,
        request.chunks(),
        _announced(request),
        content_type_of(request.header("content-type")),
        request.query.one("filename"),
    )
    return ok({"content_uri": uri})


async def create(request: Request, services: Services) -> Response:
    """Reserve an address for a file that comes later."""
    uri, until = await services.media.reserve(active_requester(request).user_id)
    return ok({"content_uri": uri, "unused_expires_at": until})


async def upload_to(request: Request, services: Services) -> Response:
    """Store a file under an address that was reserved."""
    await services.media.fill(
        active_requester(request).user_id,
        (request.path["server_name"], request.path["media_id"]),
        request.chunks(),
        _announced(request),
        content_type_of(request.header("content-type")),
        request.query.one("filename"),
    )
    return empty()


_V3 = "/_matrix/media/v3"
_USER, _CLASS, _STREAM = Auth.USER, RateClass.MEDIA, Body.STREAM

ROUTES = [
    Route("POST", "/_matrix/media/v1/create", create, "createContent", _USER, _CLASS),
    Route("POST", _V3 + "/upload", upload, "uploadContent", _USER, _CLASS, _STREAM, MAX_UPLOAD_BYTES),
    Route(
        "PUT",
        _V3 + "/upload/{server_name}/{media_id}",
        upload_to,
        "uploadContentToMXC",
        _USER,
        _CLASS,
        _STREAM,
        MAX_UPLOAD_BYTES,
    ),
    Route("GET", _V3 + "/config", get_config, "getConfig", _USER, RateClass.READS),
]
