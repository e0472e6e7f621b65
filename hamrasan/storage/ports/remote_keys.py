"""What is kept of the devices of other servers' users (server-server API, "Device Management").

A user's list is kept while this server shares a room with them, since their server then tells of changes; at every
change it becomes outdated, and is asked for when somebody next wants it. Their cross-signing keys are kept with those
of this server's users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class PutRemoteDevices(NamedTuple):
    """What a server says of the devices of one of its users; replaces what it said before."""

    user_id: str
    devices: bytes
    """JSON: by device id, an object with `keys` and perhaps `name`."""
    position: Position
    """Up to where this server had heard of changes when it asked: any later one makes this outdated."""


class OutdateRemoteDevices(NamedTuple):
    """A user's list has to be asked for again before it is used."""

    user_id: str


class RemoteDevicesRow(NamedTuple):
    """What is known of a user's devices."""

    user_id: str
    devices: bytes
    outdated: bool
    """The user's devices or memberships have changed since; their server told of no change while no room was shared."""


class RemoteKeyReader(Protocol):
    """Reads what is kept of other servers' users."""

    async def devices(self, user_ids: Sequence[str]) -> list[RemoteDevicesRow]:
        """Return what is known of those of the users of whom anything is."""

    async def shared_with(self, user_ids: Sequence[str], server_name: str) -> set[str]:
        """Return those of the users who are in a room with any user of this server."""
