"""What is kept of dehydrated devices, beside what is kept of every device."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PutDehydratedDevice(NamedTuple):
    """This device of the user is the dehydrated one from now on. It goes with the device."""

    user_id: str
    device_id: str
    data: bytes
    """What the client needs to bring it to life, sealed, as a JSON object."""


class DehydratedDeviceRow(NamedTuple):
    """The dehydrated device of a user."""

    device_id: str
    data: bytes


class DehydratedDeviceReader(Protocol):
    """Reads dehydrated devices."""

    async def of_user(self, user_id: str) -> DehydratedDeviceRow | None:
        """Return the dehydrated device of a user."""
