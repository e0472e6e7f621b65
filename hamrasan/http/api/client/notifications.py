"""What a user was notified of (client-server API, "Listing Notifications")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.push.history import MAX_LIMIT
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.tokens import page_token, parse_position

DEFAULT_LIMIT = 20
"""What fills a screen."""


async def get_notifications(request: Request, services: Services) -> Response:
    """Return what the requester was notified of, the latest first."""
    requester, query = request.requester, request.query
    text = query.one("from")
    page = await services.notification_history.page(
        Reader(requester.user_id, requester.device_id),
        None if text is None else parse_position(text),
        query.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        only_highlights=query.choice("only", ("highlight",)) is not None,
    )
    token = b"" if page.rest is None else b',"next_token":"%b"' % page_token(page.rest).encode()
    return json_bytes(b'{"notifications":[%b]%b}' % (b",".join(page.notifications), token))


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/notifications",
        get_notifications,
        "getNotifications",
        Auth.USER,
        RateClass.SEARCH,
    ),
]
