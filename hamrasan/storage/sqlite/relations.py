"""Relations between events on SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.relations import ThreadRow, ThreadSender
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.sqlite.database import Database
from hamrasan.storage.sqlite.rooms import SELECT_EVENT, chunks, events_of, marks

_RELATED = (
    "WITH RECURSIVE related (position, event_id, level) AS (SELECT position, event_id, 1 FROM events"
    " WHERE relates_to = ? AND redacted_by IS NULL UNION SELECT c.position, c.event_id, r.level + 1 FROM events c"
    " JOIN related r ON c.relates_to = r.event_id WHERE r.level < ? AND c.redacted_by IS NULL) "
)


class SqliteRelations:
    """Reads which events relate to which."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def relations(
        self,
        event_id: str,
        rel_type: str | None,
        event_type: str | None,
        after: Position,
        upto: Position,
        limit: int,
        *,
        backwards: bool,
        levels: int = 1,
    ) -> list[StoredEvent]:
        """Return events that relate to `event_id`, over at most `levels` relations, not redacted ones."""
        # A condition that is left out, not one that is always true: only so the index by kind is used.
        chosen = [
            (column, value) for column, value in (("e.rel_type", rel_type), ("e.type", event_type)) if value
        ]
        where = "e.redacted_by IS NULL " + "".join(f"AND {column} = ? " for column, _ in chosen)
        order = "ORDER BY e.position DESC LIMIT ?" if backwards else "ORDER BY e.position LIMIT ?"
        rest = (after, upto, *(value for _, value in chosen), limit)
        if levels == 1:
            sql = SELECT_EVENT + "WHERE e.relates_to = ? AND e.position > ? AND e.position <= ? AND "
            return events_of(self._database.rows(sql + where + order, (event_id, *rest)))
        # In a reader thread: all that relates is gathered before the page is cut out of it.
        sql = (
            _RELATED
            + SELECT_EVENT
            + (
                "JOIN (SELECT DISTINCT position FROM related) r ON r.position = e.position"
                " WHERE e.position > ? AND e.position <= ? AND "
            )
        )
        return await self._database.scan(sql + where + order, (event_id, levels, *rest), StoredEvent._make)

    async def annotations(self, event_id: str, sender: str) -> list[StoredEvent]:
        """Return the annotations by `sender` on an event, not redacted ones."""
        sql = SELECT_EVENT + (
            "WHERE e.relates_to = ? AND e.sender = ? AND e.rel_type = 'm.annotation' AND e.redacted_by IS NULL"
        )
        return events_of(self._database.rows(sql, (event_id, sender)))

    async def related_kinds(self, event_ids: Sequence[str], kinds: Sequence[str]) -> set[tuple[str, str]]:
        """Return (event id, rel_type) for each of these kinds that an event relates to one of `event_ids` by."""
        found: set[tuple[str, str]] = set()
        for chunk in chunks(event_ids):
            sql = (
                "SELECT DISTINCT relates_to, rel_type FROM events WHERE relates_to IN "
                + marks(len(chunk))
                + " AND rel_type IN "
                + marks(len(kinds))
            )
            found.update((row[0], row[1]) for row in self._database.rows(sql, (*chunk, *kinds)))
        return found

    async def thread(self, root: str) -> list[ThreadSender]:
        """Return who replied in the thread of `root`."""
        # In a reader thread: the longest threads have tens of thousands of replies.
        rows = await self._database.scan(
            "SELECT room, sender, count(*), max(position) FROM events"
            " WHERE relates_to = ? AND rel_type = 'm.thread' AND redacted_by IS NULL GROUP BY room, sender",
            (root,),
        )
        return [ThreadSender._make(row) for row in rows]

    async def threads(self, room: int, before: Position, limit: int) -> list[ThreadRow]:
        """Return threads whose latest reply stands before a position, the most recent first."""
        sql = "SELECT root, latest, replies FROM threads WHERE room = ? AND latest < ? ORDER BY latest DESC LIMIT ?"
        return [ThreadRow._make(row) for row in self._database.rows(sql, (room, before, limit))]
