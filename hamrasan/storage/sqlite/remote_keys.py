"""What is kept of the devices of other servers' users, on SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports import remote_keys as port
from hamrasan.storage.ports.remote_keys import RemoteDevicesRow
from hamrasan.storage.sqlite.database import Database, Row
from hamrasan.storage.sqlite.rooms import chunks, marks

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PutRemoteDevices: (
        "INSERT INTO remote_devices (user_id, devices, heard_upto) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id) DO UPDATE SET devices = excluded.devices, heard_upto = excluded.heard_upto"
    ),
    port.OutdateRemoteDevices: "UPDATE remote_devices SET heard_upto = -1 WHERE user_id = ?",
}

_DEVICES = (
    "SELECT r.user_id, r.devices, r.heard_upto < 0"
    " OR EXISTS (SELECT 1 FROM device_list_changes d WHERE d.user_id = r.user_id AND d.position > r.heard_upto)"
    " OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = r.user_id AND m.position > r.heard_upto)"
    " FROM remote_devices r WHERE r.user_id IN "
)
_SHARED = (
    "SELECT DISTINCT theirs.user_id FROM memberships theirs WHERE theirs.membership = 'join'"
    " AND EXISTS (SELECT 1 FROM memberships ours WHERE ours.room = theirs.room AND ours.membership = 'join'"
    " AND substr(ours.user_id, instr(ours.user_id, ':') + 1) = ?) AND theirs.user_id IN "
)


class SqliteRemoteKeys:
    """Reads what is kept of other servers' users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def devices(self, user_ids: Sequence[str]) -> list[RemoteDevicesRow]:
        """Return what is known of those of the users of whom anything is."""
        found: list[RemoteDevicesRow] = []
        for chunk in chunks(user_ids):
            found += await self._database.scan(_DEVICES + marks(len(chunk)), chunk, _row)
        return found

    async def shared_with(self, user_ids: Sequence[str], server_name: str) -> set[str]:
        """Return those of the users who are in a room with any user of this server."""
        found: set[str] = set()
        for chunk in chunks(user_ids):
            rows = await self._database.scan(_SHARED + marks(len(chunk)), (server_name, *chunk))
            found.update(user_id for (user_id,) in rows)
        return found


def _row(row: Row) -> RemoteDevicesRow:
    return RemoteDevicesRow(row[0], row[1], bool(row[2]))
