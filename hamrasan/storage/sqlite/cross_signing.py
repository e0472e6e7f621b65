"""Cross-signing on SQLite: statements, and the reader of `hamrasan.storage.ports.cross_signing`."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports import cross_signing as port
from hamrasan.storage.ports.cross_signing import CrossSigningKeyRow, KeySignatureRow
from hamrasan.storage.sqlite.database import Database
from hamrasan.storage.sqlite.rooms import chunks, marks

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PutCrossSigningKey: (
        "INSERT INTO cross_signing_keys (user_id, usage, key_id, key) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (user_id, usage) DO UPDATE SET key_id = excluded.key_id, key = excluded.key"
    ),
    port.DropCrossSigningKey: "DELETE FROM cross_signing_keys WHERE user_id = ? AND usage = ?",
    # The key may have been replaced, or its device deleted, since the signature was checked.
    port.PutKeySignature: (
        "INSERT INTO key_signatures (user_id, key_id, signer, signer_key_id, signature) SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE EXISTS (SELECT 1 FROM device_keys WHERE user_id = ?1 AND device_id = ?2)"
        " OR EXISTS (SELECT 1 FROM cross_signing_keys WHERE user_id = ?1 AND usage = 'master' AND key_id = ?2)"
        " ON CONFLICT (user_id, key_id, signer, signer_key_id) DO UPDATE SET signature = excluded.signature"
    ),
    port.DropSignaturesOn: "DELETE FROM key_signatures WHERE user_id = ? AND key_id = ?",
    port.DropSignaturesBy: "DELETE FROM key_signatures WHERE signer = ? AND signer_key_id = ?",
    port.ForgetCrossSigning: (
        "DELETE FROM cross_signing_keys WHERE user_id = ?",
        "DELETE FROM key_signatures WHERE user_id = ?",
        "DELETE FROM key_signatures WHERE signer = ?",
        "DELETE FROM signature_news WHERE user_id = ?",
        "DELETE FROM signature_news WHERE about_user_id = ?",
    ),
    port.NoteSignatures: (
        "INSERT INTO signature_news (user_id, about_user_id, position) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id, about_user_id) DO UPDATE SET position = excluded.position"
    ),
}

_KEYS = "SELECT user_id, usage, key_id, key FROM cross_signing_keys WHERE user_id IN "
_SIGNATURES = (
    "SELECT user_id, key_id, signer, signer_key_id, signature FROM key_signatures"
    " WHERE (signer = user_id OR signer = ?) AND user_id IN "
)


class SqliteCrossSigning:
    """Reads cross-signing keys and signatures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys_of(self, user_ids: Sequence[str]) -> list[CrossSigningKeyRow]:
        """Return the cross-signing keys of these users."""
        found: list[CrossSigningKeyRow] = []
        for chunk in chunks(user_ids):
            found += await self._database.scan(_KEYS + marks(len(chunk)), chunk, CrossSigningKeyRow._make)
        return found

    async def signatures_on(self, user_ids: Sequence[str], reader: str) -> list[KeySignatureRow]:
        """Return the signatures on keys of these users that a reader may see."""
        found: list[KeySignatureRow] = []
        for chunk in chunks(user_ids):
            sql = _SIGNATURES + marks(len(chunk))
            found += await self._database.scan(sql, (reader, *chunk), KeySignatureRow._make)
        return found

    async def is_key_id(self, user_id: str, key_id: str) -> bool:
        """Return whether a user has a cross-signing key with this public key."""
        sql = "SELECT 1 FROM cross_signing_keys WHERE user_id = ? AND key_id = ?"
        return self._database.get(sql, (user_id, key_id)) is not None
