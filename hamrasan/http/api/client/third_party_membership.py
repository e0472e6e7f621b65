"""Invites by e-mail address or telephone number (client-server API, "Third-party invites").

The address is that of plain invites (`inviting.py`), which hands over whatever names a third-party identifier.
"""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError

THIRD_PARTY_KEYS = frozenset({"id_server", "id_access_token", "medium", "address"})
"""A body with any of these means this kind of invite."""


class InviteBody(msgspec.Struct):
    """Body of `inviteBy3PID`."""

    id_server: str
    id_access_token: str
    medium: str
    address: str


async def invite_by_third_party_id(request: Request, services: Services) -> Response:
    """Refuse: the person would have to be looked up at an identity server, and this server calls no third party.

    Raises `M_FORBIDDEN` if the requester is not in the room, an error of the body, else `M_SERVER_NOT_TRUSTED`.
    """
    body = request.decode(InviteBody)
    await services.access.joined(request.path["room_id"], request.requester.user_id)
    raise MatrixError(
        403,
        "M_SERVER_NOT_TRUSTED",
        f"This server does not use the identity server '{body.id_server}'; please invite by user id.",
    )
