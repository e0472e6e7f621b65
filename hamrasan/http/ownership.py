"""Addresses that name a user: most of them may only be used by that user."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.protocol.errors import forbidden


def own_user_id(request: Request, refusal: str) -> str:
    """Return the requester's user id if it is the `user_id` of the address; else raise `M_FORBIDDEN` with `refusal`."""
    user_id: str = request.requester.user_id
    if request.path["user_id"] != user_id:
        raise forbidden(refusal)
    return user_id
