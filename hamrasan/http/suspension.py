"""What suspended users may not do (client-server API, "Account suspension")."""

from __future__ import annotations

from hamrasan.accounts.accounts import user_suspended
from hamrasan.accounts.requester import Requester
from hamrasan.http.request import Request


def active_requester(request: Request) -> Requester:
    """Return the requester of something that takes part; raise `M_USER_SUSPENDED` for who may only read and leave."""
    requester: Requester = request.requester
    if requester.is_suspended:
        raise user_suspended()
    return requester
