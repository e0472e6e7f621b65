"""Looking at a data folder without changing it, also while a server works on it.

Everything is read as of one moment: what a server writes meanwhile is not seen, and holds nobody up.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from hamrasan.storage.sqlite.database import Database, Snapshot, connect, missing_migrations
from hamrasan.storage.sqlite.federated_rooms import SqliteFederatedRooms
from hamrasan.storage.sqlite.invitations import SqliteInvitations
from hamrasan.storage.sqlite.media import SqliteMedia
from hamrasan.storage.sqlite.recent_events import RecentEvents
from hamrasan.storage.sqlite.reports import SqliteReports
from hamrasan.storage.sqlite.rooms import SqliteEvents, SqliteRooms, SqliteState
from hamrasan.storage.sqlite.server import SqliteServer
from hamrasan.storage.sqlite.store import DATABASE_FILE, StoreMissing, StoreOutdated

POSITIONS = {
    "rooms": "SELECT min(position), max(position) FROM rooms",
    "events": "SELECT (SELECT min(position) FROM events WHERE position > 0), max(position) FROM events",
    "recent_events": "SELECT min(position), max(position) FROM recent_events",
    "state_versions": "SELECT min(position), max(position) FROM state_versions",
    "memberships": "SELECT min(position), max(position) FROM memberships",
    "account_data": "SELECT min(position), max(position) FROM account_data",
    "receipts": "SELECT min(position), max(position) FROM receipts",
    "thread_subscriptions": "SELECT min(position), max(position) FROM thread_subscriptions",
    "to_device_messages": "SELECT min(position), max(position) FROM to_device_messages",
    "device_list_changes": "SELECT min(position), max(position) FROM device_list_changes",
    "waiting_pushes": "SELECT min(position), max(position) FROM waiting_pushes",
    "signature_news": "SELECT min(position), max(position) FROM signature_news",
    "history_floors": "SELECT (SELECT min(position) FROM history_floors WHERE position > 0), max(position)"
    " FROM history_floors",
    "room_servers": "SELECT min(position), max(position) FROM room_servers",
    "server_messages": "SELECT min(position), max(position) FROM server_messages",
    "invitations": "SELECT min(position), max(position) FROM invitations",
    "branch_states": "SELECT min(position), max(position) FROM branch_states",
    "cursors": "SELECT min(position) + 1, max(position) FROM cursors",
}
"""The lowest and the highest position in every table that has any (a test sees to it that none is missing).

A cursor may stand before the first position: then nothing has been dealt with. Events from before this server was in
a room are below zero.
"""


FoundInStore = Literal["found.journal", "found.journal_lost", "found.too_high", "found.too_low"]
"""What can be wrong with positions; the texts are those of the command line."""


class Misplaced(NamedTuple):
    """Something that is wrong with positions."""

    what: FoundInStore
    values: Mapping[str, object]
    """What the text of `what` names."""


class Inspection:
    """A data folder, opened for reading."""

    def __init__(self, data_dir: Path) -> None:
        """Raises `StoreMissing`, `StoreOutdated`, `StoreNewer`, `sqlite3.Error`."""
        path = data_dir / DATABASE_FILE
        if not path.is_file():
            raise StoreMissing(f"There is no data of a server in {data_dir}.")
        connection = connect(path)
        try:
            if missing_migrations(connection):
                raise StoreOutdated(f"An older version has written {data_dir}.")
        finally:
            connection.close()
        self.database = Snapshot(path)
        self.rooms = SqliteRooms(self.database, SqliteInvitations(self.database))
        self.events = SqliteEvents(self.database, RecentEvents(self.database))
        self.state = SqliteState(self.database)
        self.federated_rooms = SqliteFederatedRooms(self.database, RecentEvents(self.database))
        self.server = SqliteServer(self.database)
        self.reports = SqliteReports(self.database)
        self.media = SqliteMedia(self.database)
        self._now = Database(path)
        self.media_now = SqliteMedia(self._now)
        """The same as it is by now: files come and go while a server works."""

    def damages(self) -> list[str]:
        """Return what SQLite finds wrong with its own file: pages, indexes, constraints."""
        return [text for (text,) in self.database.rows("PRAGMA integrity_check") if text != "ok"]

    def misplaced(self) -> list[Misplaced]:
        """Return what is wrong with positions: nothing may have one that the journal has not given yet."""
        row = self.database.get("SELECT durable FROM journal")
        if row is None:
            return [Misplaced("found.journal_lost", {})]
        durable = row[0]
        problems = [] if durable >= 0 else [Misplaced("found.journal", {"position": durable})]
        for table, sql in POSITIONS.items():
            lowest, highest = self.database.rows(sql)[0]
            if highest is not None and highest > durable:
                values = {"table": table, "position": highest, "durable": durable}
                problems.append(Misplaced("found.too_high", values))
            if lowest is not None and lowest < 1:
                problems.append(Misplaced("found.too_low", {"table": table, "position": lowest}))
        return problems

    def close(self) -> None:
        """Close every file."""
        self._now.close()
        self.database.close()
