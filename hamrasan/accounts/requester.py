"""The requester: on whose behalf a request is served."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requester:
    """A user on one of their devices, as the access token of the request proves it."""

    user_id: str
    device_id: str
    """Empty for an application service that names no device."""
    is_admin: bool
    token_id: int
    """Number of the access token in this store; tells tokens of one device apart."""
    is_suspended: bool = False
    """May only read and leave (client-server API, "Account suspension")."""
    is_guest: bool = False
    """Always false for people: this server makes no guests. Here because the edge asks."""
    is_rate_limited: bool = True
    """False for application services, unless they are registered otherwise."""
    application_service: str | None = None
    """Id of the application service whose token it is; None for people."""
