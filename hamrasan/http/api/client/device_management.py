"""Devices (client-server API, "Device Management")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, json_response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.storage.ports.devices import DeviceRow


class DeviceBody(msgspec.Struct):
    """The body of `PUT /devices/{deviceId}`."""

    display_name: str | None = None


class DeleteBody(msgspec.Struct):
    """The body of `DELETE /devices/{deviceId}`."""

    auth: Any = None


class DeleteManyBody(msgspec.Struct):
    """The body of `POST /delete_devices`."""

    devices: list[str]
    auth: Any = None


async def get_devices(request: Request, services: Services) -> Response:
    """List the requester's devices."""
    devices = await services.devices.of_user(request.requester.user_id)
    return ok({"devices": [_shown(device) for device in devices]})


async def get_device(request: Request, services: Services) -> Response:
    """Return one device of the requester."""
    return ok(_shown(await services.devices.access(request.requester.user_id, request.path["device_id"])))


async def update_device(request: Request, services: Services) -> Response:
    """Give a device of the requester another name; without one nothing changes.

    Application services make devices so ("Device management").
    """
    body, requester, device_id = request.decode(DeviceBody), request.requester, request.path["device_id"]
    user_id = requester.user_id
    if requester.application_service is not None and await services.devices.create(
        user_id, device_id, body.display_name
    ):
        return json_response(201, {})
    if body.display_name is None:
        await services.devices.access(user_id, device_id)
    else:
        await services.devices.rename(user_id, device_id, body.display_name)
    return empty()


async def delete_device(request: Request, services: Services) -> Response:
    """Take a device of the requester away, after confirmation."""
    body = request.decode(DeleteBody)
    await services.end_sessions.delete(
        request.requester, [request.path["device_id"]], body.auth, request.client_address
    )
    return empty()


async def delete_devices(request: Request, services: Services) -> Response:
    """Take devices of the requester away, after confirmation."""
    body = request.decode(DeleteManyBody)
    await services.end_sessions.delete(request.requester, body.devices, body.auth, request.client_address)
    return empty()


def _shown(device: DeviceRow) -> dict[str, Any]:
    """Return a device as its user sees it; what is not known is left out."""
    members = {
        "device_id": device.device_id,
        "display_name": device.display_name,
        "last_seen_ip": device.last_seen_ip,
        "last_seen_ts": device.last_seen_ts,
    }
    return {name: value for name, value in members.items() if value is not None}


_DEVICES = "/_matrix/client/v3/devices"
_DEVICE = _DEVICES + "/{device_id}"
_USER, _ACCOUNT = Auth.USER, RateClass.ACCOUNT

ROUTES = [
    Route("GET", _DEVICES, get_devices, "getDevices", _USER, RateClass.READS),
    Route("GET", _DEVICE, get_device, "getDevice", _USER, RateClass.READS),
    Route("PUT", _DEVICE, update_device, "updateDevice", _USER, _ACCOUNT, Body.JSON_OBJECT),
    Route("DELETE", _DEVICE, delete_device, "deleteDevice", _USER, _ACCOUNT, Body.JSON_OPTIONAL),
    Route(
        "POST",
        "/_matrix/client/v3/delete_devices",
        delete_devices,
        "deleteDevices",
        _USER,
        _ACCOUNT,
        Body.JSON_OBJECT,
    ),
]
