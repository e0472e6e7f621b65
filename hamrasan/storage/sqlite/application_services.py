"""Application services on SQLite: statements, and the reader of `hamrasan.storage.ports.application_services`."""

from __future__ import annotations

from hamrasan.storage.ports import application_services as port
from hamrasan.storage.ports.application_services import NewServiceTransaction
from hamrasan.storage.ports.rooms import RoomRow
from hamrasan.storage.sqlite.database import Database, Row

_COUNTED = (
    "SELECT room, room_id, version, creator, (SELECT count(*) FROM memberships m"
    " WHERE m.room = rooms.room AND m.membership = 'join') FROM rooms WHERE "
)

STATEMENTS: dict[type, str] = {
    port.NewServiceTransaction: (
        "INSERT INTO service_transactions (service, number, txn_id, body) VALUES (?, ?, ?, ?)"
    ),
    port.DeleteServiceTransaction: "DELETE FROM service_transactions WHERE service = ? AND number = ?",
    port.ListNetworkRoom: (
        "INSERT INTO network_rooms (service, network, room) VALUES (?, ?, ?)"
        " ON CONFLICT (service, network, room) DO NOTHING"
    ),
    port.UnlistNetworkRoom: "DELETE FROM network_rooms WHERE service = ? AND network = ? AND room = ?",
}


class SqliteApplicationServices:
    """Reads what is kept for application services."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, service: str) -> list[NewServiceTransaction]:
        """Return what waits for a service, in order."""
        sql = (
            "SELECT service, number, txn_id, body FROM service_transactions WHERE service = ? ORDER BY number"
        )
        return await self._database.scan(sql, (service,), NewServiceTransaction._make)

    async def devices_waited_for(self) -> list[tuple[str, str]]:
        """Return user and device of every device for which messages wait."""
        sql = "SELECT DISTINCT user_id, device_id FROM to_device_messages"
        return [(user_id, device_id) for user_id, device_id in await self._database.scan(sql)]

    async def network_rooms(self, service: str, network: str) -> list[tuple[RoomRow, int]]:
        """Return every room that a service lists for a network, and how many users are in it."""
        sql = _COUNTED + "room IN (SELECT room FROM network_rooms WHERE service = ? AND network = ?)"
        return await self._database.scan(sql, (service, network), _counted)

    async def rooms_of_all_networks(self) -> list[tuple[RoomRow, int]]:
        """Return every room that is listed, for the public or for any network, and how many users are in it."""
        sql = _COUNTED + "room IN (SELECT room FROM network_rooms UNION SELECT room FROM published_rooms)"
        return await self._database.scan(sql, (), _counted)


def _counted(row: Row) -> tuple[RoomRow, int]:
    return RoomRow._make(row[:4]), row[4]
