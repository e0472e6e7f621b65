"""People of other providers on SQLite: statements of the writes, and the reader of the port."""

from __future__ import annotations

from hamrasan.storage.ports import upstream as port
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.NewUpstreamLink: (
        "INSERT INTO upstream_links (issuer, subject, user_id, created_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (issuer, subject) DO NOTHING"
    ),
}


class SqliteUpstream:
    """Reads who is who."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def user_of(self, issuer: str, subject: str) -> str | None:
        """Return the account of whoever the provider knows by this subject."""
        sql = "SELECT user_id FROM upstream_links WHERE issuer = ? AND subject = ?"
        row = self._database.get(sql, (issuer, subject))
        return None if row is None else row[0]

    async def is_linked(self, user_id: str) -> bool:
        """Tell whether any provider knows the user."""
        return self._database.get("SELECT 1 FROM upstream_links WHERE user_id = ?", (user_id,)) is not None
