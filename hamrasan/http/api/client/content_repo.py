"""Uploads, and downloads as they were before 2024 (client-server API, "Content repository")."""

from __future__ import annotations

from hamrasan.http.api.client.authed_content_repo import file_of, get_config, preview_url, thumbnail_of
from hamrasan.http.file_answers import answer_file
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.media.description import content_type_of
from hamrasan.protocol.errors import not_found

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


async def download_openly(request: Request, services: Services) -> Answer:
    """Return a file to anybody who knows its address, if the operator wants that (setting `unauthenticated_media`).

    Files of other servers are fetched for nobody but this server's users.
    """
    may_redirect = _check_open(request, services)
    file = await file_of(request, services, fetch=False)
    return await answer_file(request, services, file, may_redirect=may_redirect)


async def thumbnail_openly(request: Request, services: Services) -> Answer:
    """Return a small picture of a file likewise."""
    may_redirect = _check_open(request, services)
    file = await thumbnail_of(request, services, fetch=False)
    return await answer_file(request, services, file, may_redirect=may_redirect)


def _check_open(request: Request, services: Services) -> bool:
    """Return whether the client follows redirects.

    Raises `M_NOT_FOUND` where files are for people who are logged in, `M_INVALID_PARAM` for wrong parameters.
    """
    if not services.settings.unauthenticated_media:
        raise not_found("Files are for people who are logged in here; this app is too old to show them.")
    request.query.boolean("allow_remote", True)
    return request.query.boolean("allow_redirect")


_V3 = "/_matrix/media/v3"
_FILE = _V3 + "/download/{server_name}/{media_id}"
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
    Route("GET", _V3 + "/preview_url", preview_url, "getUrlPreview", _USER, RateClass.SEARCH),
    Route("GET", _FILE, download_openly, "getContent", Auth.NONE, _CLASS),
    Route("GET", _FILE + "/{file_name}", download_openly, "getContentOverrideName", Auth.NONE, _CLASS),
    Route(
        "GET",
        _V3 + "/thumbnail/{server_name}/{media_id}",
        thumbnail_openly,
        "getContentThumbnail",
        Auth.NONE,
        _CLASS,
    ),
]
