"""Deleting files, as programs for Synapse's administrators ask for it."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


async def delete_media(request: Request, services: Services) -> Response:
    """Delete a file for everybody; the same bytes stay where somebody else uploaded them, too."""
    address = (request.path["server_name"], request.path["media_id"])
    media = await services.media.access(*address, wait_s=0)
    await services.media.delete(media)
    return ok({"deleted_media": [media.media_id], "total": 1})


ROUTES = [
    Route(
        "DELETE",
        "/_synapse/admin/v1/media/{server_name}/{media_id}",
        delete_media,
        "adminDeleteMedia",
        Auth.ADMIN,
        RateClass.ADMIN,
    ),
]
