"""Where people find help (client-server API, `GET /.well-known/matrix/support`)."""

from __future__ import annotations

from typing import Any

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found


async def get_support(_request: Request, services: Services) -> Response:
    """Return the page of this server, and how its administrators can be reached if they say so."""
    settings = services.settings
    found: dict[str, Any] = {}
    if settings.support_contacts:
        found["contacts"] = [_contact(contact) for contact in settings.support_contacts]
    if settings.public_url is not None:
        found["support_page"] = settings.public_url
    if not found:
        raise not_found("The operator of this server has set neither contacts nor a public address.")
    return ok(found)


def _contact(contact: str) -> dict[str, str]:
    way = "matrix_id" if contact.startswith("@") else "email_address"
    return {way: contact, "role": "m.role.admin"}


ROUTES = [Route("GET", "/.well-known/matrix/support", get_support, "getWellknownSupport", Auth.NONE)]
