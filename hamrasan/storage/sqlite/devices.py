"""Devices on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.devices`."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports import devices as port
from hamrasan.storage.ports.devices import DeviceRow
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.sqlite import encryption, oauth, push, sliding
from hamrasan.storage.sqlite.database import Database
from hamrasan.storage.sqlite.rooms import chunks, marks

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.NewDevice: (
        "INSERT INTO devices (user_id, device_id, display_name, created_ts, last_seen_ts, last_seen_ip)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, device_id) DO UPDATE SET"
        " ending = 0, last_seen_ts = coalesce(excluded.last_seen_ts, devices.last_seen_ts),"
        " last_seen_ip = coalesce(excluded.last_seen_ip, devices.last_seen_ip)"
    ),
    port.RenameDevice: "UPDATE devices SET display_name = ? WHERE user_id = ? AND device_id = ?",
    port.SeeDevice: "UPDATE devices SET last_seen_ts = ?, last_seen_ip = ? WHERE user_id = ? AND device_id = ?",
    port.EndDevices: "UPDATE devices SET ending = 1 WHERE user_id = ?",
    port.DeleteDevice: (
        "DELETE FROM devices WHERE user_id = ? AND device_id = ?",
        *encryption.DELETE_WITH_DEVICE,
        *push.DELETE_WITH_DEVICE,
        *oauth.DELETE_WITH_DEVICE,
        *sliding.DELETE_WITH_DEVICE,
    ),
    port.ChangeDeviceList: (
        "INSERT INTO device_list_changes (user_id, position) VALUES (?, ?)"
        " ON CONFLICT (user_id) DO UPDATE SET position = excluded.position"
    ),
}

AFTER_APPENDS: frozenset[type] = frozenset({port.DeleteDevice})
"""A message may come in the same commit as the end of the device that it is for."""

_SELECT = "SELECT user_id, device_id, display_name, created_ts, last_seen_ts, last_seen_ip FROM devices "


class SqliteDevices:
    """Reads devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def device(self, user_id: str, device_id: str) -> DeviceRow | None:
        """Return the device."""
        row = self._database.get(_SELECT + "WHERE user_id = ? AND device_id = ?", (user_id, device_id))
        return None if row is None else DeviceRow._make(row)

    async def devices(self, user_id: str) -> list[DeviceRow]:
        """Return the user's devices, in the order of ids."""
        rows = self._database.rows(_SELECT + "WHERE user_id = ? ORDER BY device_id", (user_id,))
        return [DeviceRow._make(row) for row in rows]

    async def ids_of(self, user_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the ids of the devices of those of these users who have any."""
        found: dict[str, tuple[str, ...]] = {}
        for chunk in chunks(user_ids):
            sql = "SELECT user_id, device_id FROM devices WHERE user_id IN " + marks(len(chunk))
            for user_id, device_id in await self._database.scan(sql, chunk):
                found[user_id] = (*found.get(user_id, ()), device_id)
        return found

    async def ending(self) -> list[DeviceRow]:
        """Return the devices that are still to be deleted."""
        return [DeviceRow._make(row) for row in self._database.rows(_SELECT + "WHERE ending = 1")]

    async def list_changes(self, after: Position) -> list[tuple[str, Position]]:
        """Return the users whose device lists changed after a position, with their latest change."""
        sql = "SELECT user_id, position FROM device_list_changes WHERE position > ? ORDER BY position"
        return [(user_id, position) for user_id, position in await self._database.scan(sql, (after,))]

    async def last_list_change(self, user_id: str) -> Position:
        """Return the position of the latest change of the user's device list."""
        row = self._database.get("SELECT position FROM device_list_changes WHERE user_id = ?", (user_id,))
        return row[0] if row else 0
