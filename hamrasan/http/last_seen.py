"""Where and when devices were seen, noted as their requests come in."""

from __future__ import annotations

from typing import Any

from hamrasan.devices.devices import Devices
from hamrasan.http.gate import See
from hamrasan.http.request import Request


def notes_devices(devices: Devices) -> See:
    """Return what notes the device of each request, now and then; application services may have none."""

    def see(requester: Any, request: Request) -> None:
        if devices.is_due(requester.token_id) and requester.device_id:
            devices.saw(requester.token_id, requester.user_id, requester.device_id, request.client_address)

    return see
