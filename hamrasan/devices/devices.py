"""Devices (client-server API, "Device Management")."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hamrasan.protocol.errors import MatrixError, invalid_param, not_found
from hamrasan.protocol.identifiers import check_opaque_id
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.tasks import ignore_failure
from hamrasan.storage.ports.devices import (
    ChangeDeviceList,
    DeleteDevice,
    DeviceChanged,
    DeviceDeleted,
    DeviceReader,
    DeviceRow,
    NewDevice,
    RenameDevice,
    SeeDevice,
)
from hamrasan.storage.ports.journal import Batch, Journal

DEVICE_ID_LETTERS = 10
"""57 random bits: unique among the devices of one user, and short enough to be compared by eye."""
MAX_DISPLAY_NAME_CHARS = 255
"""Longer than any name a client makes up; it is sent to everybody who shares an encrypted room."""
LAST_SEEN_INTERVAL_S = 5 * 60
"""How often it is written that a device was seen; the specification lets it be "a few minutes out of date"."""
MAX_REMEMBERED = 200_000
"""Access tokens whose last writing is remembered (about 20 MB)."""


class Devices:
    """The devices of this server's users."""

    def __init__(self, journal: Journal, reader: DeviceReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._next_writing: dict[int, float] = {}

    async def of_user(self, user_id: str) -> list[DeviceRow]:
        """Return the user's devices, in the order of ids."""
        return await self._reader.devices(user_id)

    async def find(self, user_id: str, device_id: str) -> DeviceRow | None:
        """Return the device."""
        return await self._reader.device(user_id, device_id)

    async def access(self, user_id: str, device_id: str) -> DeviceRow:
        """Return the user's device; raises `M_NOT_FOUND`."""
        device = await self._reader.device(user_id, device_id)
        if device is None:
            raise not_found("You have no device with this id.")
        return device

    async def ending(self) -> list[DeviceRow]:
        """Return the devices that the command line has ended and that are still there."""
        return await self._reader.ending()

    async def rename(self, user_id: str, device_id: str, display_name: str) -> None:
        """Call the device something else; raises `M_NOT_FOUND`, `M_INVALID_PARAM`."""
        check_display_name(display_name)
        await self.access(user_id, device_id)
        position = self._journal.next_position
        writes = [RenameDevice(display_name, user_id, device_id), ChangeDeviceList(user_id, position)]
        await self._journal.submit(Batch(writes, 1, [DeviceChanged(user_id, position)]))

    async def create(self, user_id: str, device_id: str, display_name: str | None) -> bool:
        """Make a device without a session, as application services may, and return whether there was none of this id.

        Raises `M_INVALID_PARAM` for an id or a name that no device can have.
        """
        device = self.new(user_id, device_id, display_name, None)
        if await self._reader.device(user_id, device_id) is not None:
            return False
        await self._journal.submit(Batch([device]))
        return True

    def new(
        self, user_id: str, device_id: str | None, display_name: str | None, address: str | None
    ) -> NewDevice:
        """Return what makes a device for a login; a device that exists keeps its name.

        Raises `M_INVALID_PARAM` for an id or a name that no device can have.
        """
        if device_id is None:
            device_id = self._entropy.id(DEVICE_ID_LETTERS).upper()
        check_opaque_id(device_id, "device id")
        if display_name is not None:
            check_display_name(display_name)
        now = self._clock.now_ms()
        return NewDevice(user_id, device_id, display_name, now, now if address else None, address)

    def is_due(self, token_id: int) -> bool:
        """Tell whether it is time to note that the device of an access token was seen; asked for every request."""
        return self._next_writing.get(token_id, 0.0) <= self._clock.monotonic()

    def saw(self, token_id: int, user_id: str, device_id: str, address: str) -> None:
        """Note that the device made a request from `address`."""
        self._next_writing.pop(token_id, None)
        if len(self._next_writing) >= MAX_REMEMBERED:
            del self._next_writing[next(iter(self._next_writing))]
        self._next_writing[token_id] = self._clock.monotonic() + LAST_SEEN_INTERVAL_S
        seen = SeeDevice(self._clock.now_ms(), address, user_id, device_id)
        # Not worth an error if too much waits to be written, or it fails: the next writing tells it.
        with suppress(MatrixError):
            self._journal.submit(Batch([seen])).add_done_callback(ignore_failure)


def deletion(user_id: str, device_ids: Sequence[str], position: int) -> Batch:
    """Return a batch that takes devices away at `position`; what hangs on them goes when observers hear of it."""
    return Batch(
        [
            *(DeleteDevice(user_id, device_id) for device_id in device_ids),
            ChangeDeviceList(user_id, position),
        ],
        1,
        [
            *(DeviceDeleted(user_id, device_id) for device_id in device_ids),
            DeviceChanged(user_id, position),
        ],
    )


def check_display_name(display_name: str) -> None:
    """Raise `M_INVALID_PARAM` unless a device can be called so."""
    if len(display_name) > MAX_DISPLAY_NAME_CHARS:
        raise invalid_param(f"The name of a device has at most {MAX_DISPLAY_NAME_CHARS} characters.")
