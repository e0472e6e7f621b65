"""Other servers on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.federation`."""

from __future__ import annotations

from hamrasan.storage.ports import federation as port
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.PutServerKey: (
        "INSERT INTO server_keys (server, key_id, public_key, valid_until_ts, is_old) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (server, key_id) DO UPDATE SET public_key = excluded.public_key,"
        " valid_until_ts = excluded.valid_until_ts, is_old = excluded.is_old"
    ),
    port.PutKeyAnswer: (
        "INSERT INTO key_answers (server, fetched_ts, valid_until_ts, answer) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (server) DO UPDATE SET fetched_ts = excluded.fetched_ts,"
        " valid_until_ts = excluded.valid_until_ts, answer = excluded.answer"
    ),
    port.PutFailingDestination: (
        "INSERT INTO failing_destinations (server, failing_since_ts, failed_ts, retry_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (server) DO UPDATE SET failing_since_ts = excluded.failing_since_ts,"
        " failed_ts = excluded.failed_ts, retry_ts = excluded.retry_ts"
    ),
    port.DeleteFailingDestination: "DELETE FROM failing_destinations WHERE server = ?",
}


class SqliteFederation:
    """Reads what is known of other servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def server_keys(self, server: str) -> list[port.PutServerKey]:
        """Return all keys of a server that are known."""
        rows = self._database.rows(
            "SELECT server, key_id, public_key, valid_until_ts, is_old FROM server_keys WHERE server = ?",
            (server,),
        )
        return [
            port.PutServerKey(name, key_id, key, until, bool(old)) for name, key_id, key, until, old in rows
        ]

    def key_answer(self, server: str) -> port.PutKeyAnswer | None:
        """Return what a server last said of its keys."""
        sql = "SELECT server, fetched_ts, valid_until_ts, answer FROM key_answers WHERE server = ?"
        row = self._database.get(sql, (server,))
        return None if row is None else port.PutKeyAnswer(*row)

    def failing_destinations(self) -> list[port.PutFailingDestination]:
        """Return all servers that could not be reached."""
        sql = "SELECT server, failing_since_ts, failed_ts, retry_ts FROM failing_destinations"
        return [port.PutFailingDestination(*row) for row in self._database.rows(sql)]
