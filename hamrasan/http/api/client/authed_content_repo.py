"""Files for people who are logged in (client-server API, "Content repository")."""

from __future__ import annotations

from hamrasan.http.file_answers import FileOnHand, answer_file
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, json_bytes, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.media.description import check_file_name
from hamrasan.media.limits import DEFAULT_WAIT_S, MAX_WAIT_S


def wait_of(request: Request) -> float:
    """Return for how many seconds a client waits for a file that is still to come."""
    return (
        request.query.integer("timeout_ms", int(DEFAULT_WAIT_S * 1000), maximum=int(MAX_WAIT_S * 1000)) / 1000
    )


async def download(request: Request, services: Services) -> Answer:
    """Return a file, under the name that the uploader or else the address gives it."""
    return await answer_file(request, services, await file_of(request, services))


async def thumbnail(request: Request, services: Services) -> Answer:
    """Return a small picture of a file."""
    return await answer_file(request, services, await thumbnail_of(request, services))


async def file_of(request: Request, services: Services, *, fetch: bool = True) -> FileOnHand:
    """Return the file that is asked for, from another server if it must and may; raises as `FetchMedia.access`."""
    path = request.path
    if "file_name" in path:
        check_file_name(path["file_name"])
    media = await services.fetch_media.access(
        path["server_name"], path["media_id"], wait_of(request), fetch=fetch
    )
    assert media.hash is not None
    return FileOnHand(
        media.hash.hex(), media.size, media.content_type, path.get("file_name") or media.file_name
    )


async def thumbnail_of(request: Request, services: Services, *, fetch: bool = True) -> FileOnHand:
    """Return the thumbnail that is asked for; raises as `FetchMedia.access` and `Thumbnails.access` do."""
    query = request.query
    width, height = _pixels(request, "width"), _pixels(request, "height")
    crop = query.choice("method", ("crop", "scale"), "scale") == "crop"
    animated = query.boolean("animated")
    media = await services.fetch_media.access(
        request.path["server_name"], request.path["media_id"], wait_of(request), fetch=fetch
    )
    found = await services.thumbnails.access(media, width, height, crop, animated)
    return FileOnHand(found.key, found.size, found.content_type, _thumbnail_name(found.content_type))


def _pixels(request: Request, name: str) -> int:
    request.query.required(name)
    return request.query.integer(name, 1, minimum=1)


def _thumbnail_name(content_type: str) -> str:
    return "thumbnail." + content_type.removeprefix("image/")


async def preview_url(request: Request, services: Services) -> Response:
    """Say what a page is about. It is looked at as it is now, whatever time is preferred."""
    query = request.query
    url = query.required("url")
    query.integer("ts")
    return json_bytes(await services.url_previews.preview(url))


async def get_config(_request: Request, services: Services) -> Response:
    """Say how large a file may be."""
    return ok({"m.upload.size": services.media.max_bytes})


_MEDIA = "/_matrix/client/v1/media"
_DOWNLOAD = _MEDIA + "/download/{server_name}/{media_id}"

ROUTES = [
    Route("GET", _MEDIA + "/config", get_config, "getConfigAuthed", Auth.USER, RateClass.READS),
    Route("GET", _MEDIA + "/preview_url", preview_url, "getUrlPreviewAuthed", Auth.USER, RateClass.SEARCH),
    Route("GET", _DOWNLOAD, download, "getContentAuthed", Auth.GUEST, RateClass.MEDIA),
    Route(
        "GET",
        _DOWNLOAD + "/{file_name}",
        download,
        "getContentOverrideNameAuthed",
        Auth.GUEST,
        RateClass.MEDIA,
    ),
    Route(
        "GET",
        _MEDIA + "/thumbnail/{server_name}/{media_id}",
        thumbnail,
        "getContentThumbnailAuthed",
        Auth.GUEST,
        RateClass.MEDIA,
    ),
]
