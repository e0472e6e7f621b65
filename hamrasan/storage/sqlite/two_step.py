"""Two-step login on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.two_step`."""

from __future__ import annotations

from hamrasan.storage.ports import two_step as port
from hamrasan.storage.ports.two_step import TwoStepRow
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PutTwoStep: (
        "INSERT INTO two_step (user_id, secret, last_step, created_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = excluded.last_step,"
        " created_ts = excluded.created_ts"
    ),
    port.UseTwoStepCode: "UPDATE two_step SET last_step = ? WHERE user_id = ?",
    port.DeleteTwoStep: (
        "DELETE FROM two_step WHERE user_id = ?",
        "DELETE FROM recovery_codes WHERE user_id = ?",
    ),
    port.NewRecoveryCode: "INSERT INTO recovery_codes (user_id, code_hash) VALUES (?, ?)",
    port.DeleteRecoveryCode: "DELETE FROM recovery_codes WHERE user_id = ? AND code_hash = ?",
}


class SqliteTwoStep:
    """Reads two-step logins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def two_step(self, user_id: str) -> TwoStepRow | None:
        """Return the user's two-step login."""
        row = self._database.get(
            "SELECT t.secret, t.last_step, (SELECT count(*) FROM recovery_codes r WHERE r.user_id = t.user_id)"
            " FROM two_step t WHERE t.user_id = ?",
            (user_id,),
        )
        return None if row is None else TwoStepRow._make(row)

    async def has_recovery_code(self, user_id: str, code_hash: bytes) -> bool:
        """Tell whether this is a recovery code of the user that has not been used."""
        sql = "SELECT 1 FROM recovery_codes WHERE user_id = ? AND code_hash = ?"
        return self._database.get(sql, (user_id, code_hash)) is not None
