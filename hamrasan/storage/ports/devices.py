"""What is kept of devices, and of whose list of devices changed when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class NewDevice(NamedTuple):
    """A device comes to exist; one that exists already keeps its name."""

    user_id: str
    device_id: str
    display_name: str | None
    created_ts: int
    last_seen_ts: int | None
    last_seen_ip: str | None


class RenameDevice(NamedTuple):
    """The device is called something else."""

    display_name: str | None
    user_id: str
    device_id: str


class SeeDevice(NamedTuple):
    """The device made a request."""

    last_seen_ts: int
    last_seen_ip: str
    user_id: str
    device_id: str


class EndDevices(NamedTuple):
    """All devices of the user are to be deleted by the server: whoever writes this cannot tell those who see them."""

    user_id: str


class DeleteDevice(NamedTuple):
    """The device is gone."""

    user_id: str
    device_id: str


class ChangeDeviceList(NamedTuple):
    """At `position` the devices of the user, their names or their keys changed; others ask for the keys again."""

    user_id: str
    position: Position


class DeviceDeleted(NamedTuple):
    """Feed: a device is gone; what hangs on it (keys, waiting messages, pushers) goes with it."""

    user_id: str
    device_id: str


class DeviceChanged(NamedTuple):
    """Feed: at `position` the devices of a user, their names or their keys changed (see `ChangeDeviceList`)."""

    user_id: str
    position: Position


class DeviceRow(NamedTuple):
    """A device."""

    user_id: str
    device_id: str
    display_name: str | None
    created_ts: int
    last_seen_ts: int | None
    last_seen_ip: str | None


class DeviceReader(Protocol):
    """Reads devices."""

    async def device(self, user_id: str, device_id: str) -> DeviceRow | None:
        """Return the device."""

    async def devices(self, user_id: str) -> list[DeviceRow]:
        """Return the user's devices, in the order of ids."""

    async def ids_of(self, user_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the ids of the devices of those of these users who have any."""

    async def ending(self) -> list[DeviceRow]:
        """Return the devices that are still to be deleted (see `EndDevices`)."""

    async def list_changes(self, after: Position) -> list[tuple[str, Position]]:
        """Return the users whose device lists changed after a position, with their latest change, in its order."""

    async def last_list_change(self, user_id: str) -> Position:
        """Return the position of the latest change of the user's device list; 0 if there is none."""
