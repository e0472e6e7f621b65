"""Dehydrated devices on SQLite: the statement, and the reader of `hamrasan.storage.ports.dehydrated_devices`."""

from __future__ import annotations

from hamrasan.storage.ports.dehydrated_devices import DehydratedDeviceRow, PutDehydratedDevice
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    PutDehydratedDevice: (
        "INSERT INTO dehydrated_devices (user_id, device_id, data) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id) DO UPDATE SET device_id = excluded.device_id, data = excluded.data"
    ),
}


class SqliteDehydratedDevices:
    """Reads dehydrated devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_user(self, user_id: str) -> DehydratedDeviceRow | None:
        """Return the dehydrated device of a user."""
        sql = "SELECT device_id, data FROM dehydrated_devices WHERE user_id = ?"
        row = self._database.get(sql, (user_id,))
        return None if row is None else DehydratedDeviceRow._make(row)
