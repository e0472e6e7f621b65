"""Dehydrated devices (MSC3814, as clients ask for them before it is part of the specification)."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from hamrasan.encryption.to_device import MAX_DELIVERED
from hamrasan.flows.dehydrate_device import WantedDehydratedDevice
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import bad_json, invalid_param

TOKEN_PREFIX = "d1_"


class DeviceBody(msgspec.Struct):
    """The body of `PUT /dehydrated_device`."""

    device_id: str
    device_data: dict[str, Any]
    device_keys: dict[str, Any]
    initial_device_display_name: str | None = None
    one_time_keys: dict[str, Any] = {}
    fallback_keys: dict[str, Any] = {}


class NextBody(msgspec.Struct):
    """The body of `POST /dehydrated_device/{deviceId}/events`."""

    next_batch: str | None = None


async def put_device(request: Request, services: Services) -> Response:
    """Keep a dehydrated device, in the place of a former one."""
    body = request.decode(DeviceBody)
    if not isinstance(body.device_data.get("algorithm"), str):
        raise bad_json("'device_data.algorithm' must be a string.")
    wanted = WantedDehydratedDevice(
        body.device_id,
        body.device_data,
        body.initial_device_display_name,
        body.device_keys,
        body.one_time_keys,
        body.fallback_keys,
    )
    await services.dehydrate_device.dehydrate(request.requester.user_id, wanted)
    return ok({"device_id": body.device_id})


async def get_device(request: Request, services: Services) -> Response:
    """Return the requester's dehydrated device."""
    device = await services.dehydrate_device.access(request.requester.user_id)
    return ok({"device_id": device.device_id, "device_data": orjson.Fragment(device.data)})


async def delete_device(request: Request, services: Services) -> Response:
    """Delete the requester's dehydrated device."""
    return ok({"device_id": await services.dehydrate_device.delete(request.requester.user_id)})


async def get_events(request: Request, services: Services) -> Response:
    """Return messages for the dehydrated device; the last answer has no token for a next one."""
    limit = request.query.integer("limit", MAX_DELIVERED, minimum=1)
    events, token, has_more = await _events(request, services, request.query.one("from"), limit)
    return ok({"events": events, "next_batch": token} if has_more else {"events": events})


async def post_events(request: Request, services: Services) -> Response:
    """Return the same as clients before the change of MSC3814 ask for it: they stop at an answer without events."""
    events, token, _ = await _events(request, services, request.decode(NextBody).next_batch, MAX_DELIVERED)
    return ok({"events": events, "next_batch": token})


async def _events(
    request: Request, services: Services, token: str | None, limit: int
) -> tuple[list[orjson.Fragment], str, bool]:
    after = 0 if token is None else _position(token)
    messages, position, has_more = await services.dehydrate_device.messages(
        request.requester.user_id, request.path["device_id"], after, min(limit, MAX_DELIVERED)
    )
    return list(map(orjson.Fragment, messages)), f"{TOKEN_PREFIX}{position}", has_more


def _position(token: str) -> int:
    number = token.removeprefix(TOKEN_PREFIX)
    if number == token or not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise invalid_param("This token was not given by this server.")
    return int(number)


_DEVICE = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
_EVENTS = _DEVICE + "/{device_id}/events"
_USER, _CLASS = Auth.USER, RateClass.KEYS

ROUTES = [
    Route("PUT", _DEVICE, put_device, "putDehydratedDevice", _USER, _CLASS, Body.JSON_OBJECT),
    Route("GET", _DEVICE, get_device, "getDehydratedDevice", _USER, RateClass.READS),
    Route("DELETE", _DEVICE, delete_device, "deleteDehydratedDevice", _USER, _CLASS, Body.JSON_OPTIONAL),
    Route("GET", _EVENTS, get_events, "getDehydratedDeviceEvents", _USER, RateClass.READS),
    Route(
        "POST",
        _EVENTS,
        post_events,
        "postDehydratedDeviceEvents",
        _USER,
        RateClass.READS,
        Body.JSON_OPTIONAL,
    ),
]
