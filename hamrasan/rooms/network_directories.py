"""Directories of rooms that application services keep for the networks they bridge to (application service API,
"Published room directories").
"""

from __future__ import annotations

from functools import partial
from typing import Any

from hamrasan.protocol.errors import invalid_param
from hamrasan.protocol.limits import MAX_OPAQUE_ID_BYTES
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.directory import EVERY_LISTING, Directory, DirectoryQuery
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.storage.ports.application_services import (
    ApplicationServiceReader,
    ListNetworkRoom,
    UnlistNetworkRoom,
)
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import DirectoryChanged, RoomReader, StateReader

_NOTHING = {"chunk": [], "total_room_count_estimate": 0}


class NetworkDirectories:
    """One directory for each network that a service has listed rooms for, made when it is first asked for."""

    def __init__(
        self,
        registry: RoomRegistry,
        access: RoomAccess,
        rooms: RoomReader,
        state: StateReader,
        reader: ApplicationServiceReader,
    ) -> None:
        self._registry = registry
        self._access = access
        self._rooms = rooms
        self._state = state
        self._reader = reader
        self._directories: dict[str, Directory] = {}

    async def list_room(self, service: str, network: str, room_id: str, user_id: str, listed: bool) -> None:
        """Put a room that the service's user is in into the directory of a network, or take it out.

        Raises `M_FORBIDDEN` for a room that the user is not in, `M_INVALID_PARAM` for what no network is called.
        """
        if not network or len(network.encode()) > MAX_OPAQUE_ID_BYTES:
            raise invalid_param(f"The id of a network has 1 to {MAX_OPAQUE_ID_BYTES} bytes.")
        room = await self._access.joined(room_id, user_id)
        write = (ListNetworkRoom if listed else UnlistNetworkRoom)(service, network, room.number)
        change = DirectoryChanged(room.number, room.id, listed, instance_id(service, network))
        await self._registry.journal.submit(Batch([write], feed=[change]))

    async def page(self, listing: str, query: DirectoryQuery) -> dict[str, Any]:
        """Return a page of the directory with an instance id, or of all together. Raises `M_INVALID_PARAM`."""
        directory = self._directories.get(listing)
        if directory is None:
            directory = await self._make(listing)
        return dict(_NOTHING) if directory is None else await directory.page(query)

    async def _make(self, listing: str) -> Directory | None:
        """Return a directory; None for one without rooms, of which anybody could name any number."""
        if listing == EVERY_LISTING:
            listed = self._reader.rooms_of_all_networks
        else:
            service, _, network = listing.rpartition("|")
            listed = partial(self._reader.network_rooms, service, network)
            if not await listed():
                return None
        made = Directory(self._registry, self._rooms, self._state, listing, listed)
        return self._directories.setdefault(listing, made)


def instance_id(service_id: str, network_id: str) -> str:
    """Return the id by which clients ask for the rooms that a service lists for a network."""
    return f"{service_id}|{network_id}"
