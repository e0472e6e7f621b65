"""Delayed events on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.delayed_events`."""

from __future__ import annotations

from hamrasan.storage.ports import delayed_events as port
from hamrasan.storage.ports.delayed_events import DelayedEventRow
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.DelayedEventRow: (
        "INSERT INTO delayed_events (delay_id, user_id, device_id, txn_id, room_id, type, state_key, content, since,"
        " delay_ms, running_since, outcome, reason, error, event_id, finalised_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    port.RestartDelayedEvent: "UPDATE delayed_events SET running_since = ? WHERE delay_id = ? AND outcome IS NULL",
    port.FinaliseDelayedEvent: (
        "UPDATE delayed_events SET outcome = ?, reason = ?, error = ?, event_id = ?, finalised_ts = ?"
        " WHERE delay_id = ? AND outcome IS NULL"
    ),
    port.DeleteFinalisedEvents: "DELETE FROM delayed_events WHERE finalised_ts < ?",
    port.DeleteDelayedEventsOf: "DELETE FROM delayed_events WHERE user_id = ?",
}

_ROW = (
    "SELECT delay_id, user_id, device_id, txn_id, room_id, type, state_key, content, since, delay_ms, running_since,"
    " outcome, reason, error, event_id, finalised_ts FROM delayed_events "
)


class SqliteDelayedEvents:
    """Reads delayed events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_id(self, delay_id: str) -> DelayedEventRow | None:
        """Return one, finalised or not."""
        row = self._database.get(_ROW + "WHERE delay_id = ?", (delay_id,))
        return None if row is None else DelayedEventRow(*row)

    async def of_user(self, user_id: str) -> list[DelayedEventRow]:
        """Return all of a user's in the order in which their time began."""
        sql = _ROW + "WHERE user_id = ? ORDER BY running_since, delay_id"
        return [DelayedEventRow(*row) for row in self._database.rows(sql, (user_id,))]

    async def schedule(self) -> list[tuple[int, str]]:
        """Return when each scheduled one is due, and its id, in that order."""
        sql = (
            "SELECT running_since + delay_ms AS due, delay_id FROM delayed_events WHERE outcome IS NULL"
            " ORDER BY due, delay_id"
        )
        return [(int(due), delay_id) for due, delay_id in await self._database.scan(sql)]
