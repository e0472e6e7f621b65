"""Who may pass to a handler: authentication and rate limits, in this order for users and the other for strangers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.request import Request, Requester
from hamrasan.http.route import Auth, Route
from hamrasan.protocol.errors import MatrixError, forbidden

Authenticate = Callable[[str], Awaitable[Any]]
"""From an access token to a `Requester`; raises M_UNKNOWN_TOKEN and the like. May end without waiting."""
Recall = Callable[[str], Any]
"""The same from memory: a `Requester`, or None to leave it to `Authenticate`."""
Identify = Callable[[Any, Request], Awaitable[Any]]
"""From a requester and a query with `user_id` or `device_id` to who is meant (application services only)."""
See = Callable[[Any, Request], None]
"""Told of each request and its requester, once they are admitted."""
Authenticator = Callable[[Request], Awaitable[Any]]
"""From a request to its requester, for an `Auth` that access tokens do not serve; None where it may be nobody."""

_NONE, _USER, _OPTIONAL, _ADMIN, _SERVER = Auth.NONE, Auth.USER, Auth.OPTIONAL, Auth.ADMIN, Auth.SERVER
_ENTRY = Auth.ENTRY
_NAMES_SOMEBODY = "_id="
"""What a query has in it that names another user or a device: `user_id=`, `device_id=`."""


class Gate:
    """Admits requests."""

    def __init__(
        self,
        limiter: RateLimiter,
        authenticate: Authenticate | None = None,
        recall: Recall | None = None,
        identify: Identify | None = None,
        authenticators: Mapping[Auth, Authenticator] | None = None,
        see: See | None = None,
    ) -> None:
        self._limiter = limiter
        self._see = see
        self._authenticate = authenticate
        self._recall = recall
        self._identify = identify
        self._authenticators = dict(authenticators or {})

    def can_admit(self, route: Route) -> bool:
        """Return whether there is an authenticator for what `route` asks for."""
        return (
            route.auth is _NONE
            or route.auth in self._authenticators
            or (route.auth not in (_SERVER, _ENTRY) and self._authenticate is not None)
        )

    def admit_now(self, request: Request, route: Route) -> bool:
        """Do what `admit` does for the usual request, whose user is in memory; return False to leave it to that."""
        if self._recall is None or route.auth is not _USER or self._limiter.has_failures:
            return False
        token = request.access_token
        user: Requester | None = None if token is None else self._recall(token)
        if user is None or (self._identify is not None and _NAMES_SOMEBODY in request.query_string):
            return False
        self._let_in(user, request, route)
        return True

    def _let_in(self, user: Requester, request: Request, route: Route) -> None:
        _check_kind(route.auth, user)
        request.requester = user
        if user.is_rate_limited:
            self._limiter.charge_user(route.limit, user.user_id)
        if self._see is not None:
            self._see(user, request)

    async def admit(self, request: Request, route: Route) -> None:
        """Set `request.requester` as `route` asks, and charge its rate.

        Raises M_MISSING_TOKEN, M_UNKNOWN_TOKEN, M_GUEST_ACCESS_FORBIDDEN, M_FORBIDDEN, M_LIMIT_EXCEEDED.
        """
        auth, limiter = route.auth, self._limiter
        if auth is _ENTRY:
            service: Requester | None = await self._authenticators[auth](request)
            if service is not None:
                self._let_in(service, request, route)
                return
        elif auth is not _NONE:
            if auth is _SERVER or auth in self._authenticators:
                requester = await self._authenticators[auth](request)
                request.requester = requester
                limiter.charge_user(route.limit, requester.origin if auth is _SERVER else requester.user_id)
                return
            token = request.access_token
            if token is not None:
                if limiter.has_failures:
                    limiter.check_failures(request.client_address)
                assert self._authenticate is not None
                try:
                    user: Requester = await self._authenticate(token)
                except MatrixError as error:
                    if error.errcode == "M_UNKNOWN_TOKEN":
                        limiter.count_failure(request.client_address)
                    raise
                if self._identify is not None and _NAMES_SOMEBODY in request.query_string:
                    user = await self._identify(user, request)
                self._let_in(user, request, route)
                return
            if auth is not _OPTIONAL:
                raise MatrixError(401, "M_MISSING_TOKEN", "This request needs an access token.")
        if limiter.limits(route.limit):
            limiter.charge_address(route.limit, request.client_address)


def _check_kind(auth: Auth, user: Requester) -> None:
    if user.is_guest and auth in (_USER, _ADMIN):
        raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests may not do this; please register.")
    if auth is _ADMIN and not user.is_admin:
        raise forbidden("Only administrators of this server may do this.")
