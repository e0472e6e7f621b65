"""Devices and keys of this server's users, as other servers ask for them (server-server API, "Device Management",
"End-to-End Encryption").

Others learn what encryption needs, and nothing else: what people call their devices stays here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hamrasan.encryption.key_query import KeyQuery
from hamrasan.protocol.cross_signing import MASTER, SELF_SIGNING
from hamrasan.storage.ports.devices import DeviceReader

_NOBODY = ""
"""Reads as somebody who has signed nothing, and so sees only what the keys' owners signed."""
_PUBLIC = (MASTER, SELF_SIGNING)


class ServedDevices:
    """Gives other servers devices and their keys."""

    def __init__(self, key_query: KeyQuery, devices: DeviceReader) -> None:
        self._key_query = key_query
        self._devices = devices

    async def of(self, user_id: str) -> dict[str, Any]:
        """Return all devices of a user that have keys, and the position of the latest change among them.

        A change that comes meanwhile may be in it already; it is told of all the same, with its own position.
        """
        stream_id = await self._devices.last_list_change(user_id)
        keys = await self.keys({user_id: ()})
        answer: dict[str, Any] = {
            "user_id": user_id,
            "stream_id": stream_id,
            "devices": [
                {"device_id": device_id, "keys": device}
                for device_id, device in keys["device_keys"].get(user_id, {}).items()
            ],
        }
        for usage in _PUBLIC:
            key = keys[f"{usage}_keys"].get(user_id)
            if key is not None:
                answer[f"{usage}_key"] = key
        return answer

    async def keys(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return the keys of users of this server and of their devices; an empty list of devices means all.

        Who is of another server, or has no keys, is left out. Raises `M_INVALID_PARAM` for too many users.
        """
        found = await self._key_query.ask(_NOBODY, wanted)
        for devices in found["device_keys"].values():
            for keys in devices.values():
                keys.pop("unsigned", None)
        return {name: found[name] for name in ("device_keys", *(f"{usage}_keys" for usage in _PUBLIC))}
