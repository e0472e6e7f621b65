"""Server administration (client-server API, "Server Administration")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import forbidden
from hamrasan.storage.ports.devices import DeviceRow


class SuspendBody(msgspec.Struct):
    """The body of `PUT /admin/suspend/{userId}`."""

    suspended: bool


class LockBody(msgspec.Struct):
    """The body of `PUT /admin/lock/{userId}`."""

    locked: bool


async def who_is(request: Request, services: Services) -> Response:
    """Say where a user was last seen: to the user, and to administrators."""
    user_id, requester = request.path["user_id"], request.requester
    if user_id != requester.user_id and not requester.is_admin:
        raise forbidden("You can only ask this about yourself.")
    await services.accounts.access(user_id)
    devices = await services.devices.of_user(user_id)
    return ok({"user_id": user_id, "devices": {device.device_id: _sessions(device) for device in devices}})


def _sessions(device: DeviceRow) -> dict[str, Any]:
    connections = []
    if device.last_seen_ts is not None:
        connections.append({"ip": device.last_seen_ip, "last_seen": device.last_seen_ts})
    return {"sessions": [{"connections": connections}]}


async def get_suspended(request: Request, services: Services) -> Response:
    """Say whether a user is suspended."""
    account = await services.moderate_accounts.see(request.requester, request.path["user_id"])
    return ok({"suspended": account.suspended})


async def set_suspended(request: Request, services: Services) -> Response:
    """Suspend a user, or end that."""
    suspended = request.decode(SuspendBody).suspended
    await services.moderate_accounts.set_suspended(request.requester, request.path["user_id"], suspended)
    return ok({"suspended": suspended})


async def get_locked(request: Request, services: Services) -> Response:
    """Say whether an account is locked."""
    account = await services.moderate_accounts.see(request.requester, request.path["user_id"])
    return ok({"locked": account.locked})


async def set_locked(request: Request, services: Services) -> Response:
    """Lock an account, or unlock it."""
    locked = request.decode(LockBody).locked
    await services.moderate_accounts.set_locked(request.requester, request.path["user_id"], locked)
    return ok({"locked": locked})


_SUSPEND = "/_matrix/client/v1/admin/suspend/{user_id}"
_LOCK = "/_matrix/client/v1/admin/lock/{user_id}"
_ADMIN, _LIMIT, _JSON = Auth.ADMIN, RateClass.ADMIN, Body.JSON_OBJECT

ROUTES = [
    Route("GET", "/_matrix/client/v3/admin/whois/{user_id}", who_is, "getWhoIs", Auth.USER, RateClass.READS),
    Route("GET", _SUSPEND, get_suspended, "getAdminSuspendUser", _ADMIN, _LIMIT),
    Route("PUT", _SUSPEND, set_suspended, "setAdminSuspendUser", _ADMIN, _LIMIT, _JSON),
    Route("GET", _LOCK, get_locked, "getAdminLockUser", _ADMIN, _LIMIT),
    Route("PUT", _LOCK, set_locked, "setAdminLockUser", _ADMIN, _LIMIT, _JSON),
]
