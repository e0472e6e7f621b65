"""What is kept for application services: transactions that wait for them, and the rooms that they list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.rooms import RoomRow


class NewServiceTransaction(NamedTuple):
    """A transaction waits for an application service; what is in it does not change any more."""

    service: str
    number: int
    """The order among those that wait for the same service."""
    txn_id: str
    body: bytes


class DeleteServiceTransaction(NamedTuple):
    """The application service has the transaction."""

    service: str
    number: int


class ListNetworkRoom(NamedTuple):
    """An application service lists a room for a network."""

    service: str
    network: str
    room: int


class UnlistNetworkRoom(NamedTuple):
    """It lists the room no longer."""

    service: str
    network: str
    room: int


class ServiceTransactionsAdded(NamedTuple):
    """Feed: these transactions wait for an application service, after those before."""

    service: str
    transactions: Sequence[NewServiceTransaction]


class ApplicationServiceReader(Protocol):
    """Reads what is kept for application services."""

    async def waiting(self, service: str) -> list[NewServiceTransaction]:
        """Return what waits for a service, in order."""

    async def devices_waited_for(self) -> list[tuple[str, str]]:
        """Return user and device of every device for which messages wait. May look at many rows."""

    async def network_rooms(self, service: str, network: str) -> list[tuple[RoomRow, int]]:
        """Return every room that a service lists for a network, and how many users are in it."""

    async def rooms_of_all_networks(self) -> list[tuple[RoomRow, int]]:
        """Return every room that is listed, for the public or for any network, and how many users are in it."""
