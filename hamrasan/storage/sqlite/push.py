"""Pushers on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.push`."""

from __future__ import annotations

from collections.abc import Iterable

from hamrasan.storage.ports import push as port
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.push import NewWaitingPush, PusherId, PusherRow
from hamrasan.storage.sqlite.database import Database, Row

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PusherRow: (
        "INSERT INTO pushers (user_id, app_id, pushkey, kind, app_display_name, device_display_name, profile_tag,"
        " lang, data, device_id, pushkey_ts, activated, sent_upto, badge)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14"
        " WHERE ?10 = '' OR EXISTS (SELECT 1 FROM devices WHERE user_id = ?1 AND device_id = ?10)"
        " ON CONFLICT (user_id, app_id, pushkey) DO UPDATE SET"
        " kind = excluded.kind, app_display_name = excluded.app_display_name,"
        " device_display_name = excluded.device_display_name, profile_tag = excluded.profile_tag,"
        " lang = excluded.lang, data = excluded.data, device_id = excluded.device_id,"
        " pushkey_ts = excluded.pushkey_ts, activated = excluded.activated"
    ),
    port.DeletePusher: "DELETE FROM pushers WHERE user_id = ? AND app_id = ? AND pushkey = ?",
    port.DeletePushersOfOthers: "DELETE FROM pushers WHERE app_id = ? AND pushkey = ? AND user_id <> ?",
    port.DeletePushersOfUser: (
        "DELETE FROM pushers WHERE user_id = ?",
        "DELETE FROM waiting_pushes WHERE user_id = ?",
    ),
    port.ActivatePusher: (
        "UPDATE pushers SET activated = 1, sent_upto = ? WHERE user_id = ? AND app_id = ? AND pushkey = ?"
    ),
    port.NotePushed: (
        "UPDATE pushers SET sent_upto = ?, badge = ? WHERE user_id = ? AND app_id = ? AND pushkey = ?"
    ),
    port.NoteMailed: (
        "UPDATE pushers SET mailed_ts = max(mailed_ts, ?), sent_upto = ?"
        " WHERE user_id = ? AND app_id = ? AND pushkey = ?"
    ),
    port.NewWaitingPush: (
        "INSERT INTO waiting_pushes (user_id, position, room_id, tweaks, noted_ts) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (user_id, position) DO NOTHING"
    ),
    port.ForgetWaitingPushes: (
        "DELETE FROM waiting_pushes WHERE user_id = ?1 AND position <= coalesce("
        "(SELECT min(sent_upto) FROM pushers WHERE user_id = ?1 AND activated = 1), 4611686018427387904)"
    ),
    port.TrimWaitingPushes: (
        "DELETE FROM waiting_pushes WHERE user_id = ?1 AND position <= ("
        "SELECT position FROM waiting_pushes WHERE user_id = ?1 ORDER BY position DESC LIMIT 1 OFFSET ?2)"
    ),
}

DELETE_WITH_DEVICE = ("DELETE FROM pushers WHERE user_id = ? AND device_id = ?",)
"""What goes in the same commit as the device: whoever was logged out hears nothing more."""

_PUSHER = (
    "SELECT user_id, app_id, pushkey, kind, app_display_name, device_display_name, profile_tag, lang, data,"
    " device_id, pushkey_ts, activated, sent_upto, badge FROM pushers "
)


_DUE_MAILS = _PUSHER + (
    "WHERE kind = 'email' AND mailed_ts <= ?1 AND activated = 1 AND EXISTS ("
    "SELECT 1 FROM waiting_pushes w WHERE w.user_id = pushers.user_id AND w.position > pushers.sent_upto"
    " AND w.noted_ts <= ?2) ORDER BY mailed_ts LIMIT ?3"
)


class SqlitePush:
    """Reads pushers and what waits for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def users_with_pushers(self) -> list[str]:
        """Return everybody who has a pusher."""
        return _first(await self._database.scan("SELECT DISTINCT user_id FROM pushers"))

    async def pushers(self, user_id: str) -> list[PusherRow]:
        """Return the user's pushers."""
        sql = _PUSHER + "WHERE user_id = ? ORDER BY app_id, pushkey"
        return [_pusher(row) for row in self._database.rows(sql, (user_id,))]

    async def pusher(self, pusher: PusherId) -> PusherRow | None:
        """Return one pusher."""
        sql = _PUSHER + "WHERE user_id = ? AND app_id = ? AND pushkey = ?"
        row = self._database.get(sql, pusher)
        return None if row is None else _pusher(row)

    async def due_mails(self, mailed_before_ts: int, noted_before_ts: int, limit: int) -> list[PusherRow]:
        """Return at most `limit` active pushers for e-mail for which something waits since a time."""
        rows = await self._database.scan(_DUE_MAILS, (mailed_before_ts, noted_before_ts, limit))
        return [_pusher(row) for row in rows]

    async def others_with(self, app_id: str, pushkey: str, user_id: str) -> list[str]:
        """Return the other users who have a pusher for the same application and device."""
        sql = "SELECT user_id FROM pushers WHERE app_id = ? AND pushkey = ? AND user_id <> ?"
        return _first(self._database.rows(sql, (app_id, pushkey, user_id)))

    async def waiting(self, user_id: str, after: Position, limit: int) -> list[NewWaitingPush]:
        """Return the last `limit` of what waits for a user after a position, the oldest first."""
        sql = (
            "SELECT user_id, position, room_id, tweaks, noted_ts FROM waiting_pushes"
            " WHERE user_id = ? AND position > ? ORDER BY position DESC LIMIT ?"
        )
        rows = self._database.rows(sql, (user_id, after, limit))
        return [NewWaitingPush._make(row) for row in reversed(rows)]

    async def users_waited_for(self, after: str, limit: int) -> list[str]:
        """Return at most `limit` users with ids above `after` for whom something waits."""
        sql = "SELECT DISTINCT user_id FROM waiting_pushes WHERE user_id > ? ORDER BY user_id LIMIT ?"
        return _first(await self._database.scan(sql, (after, limit)))


def _first(rows: Iterable[Row]) -> list[str]:
    return [row[0] for row in rows]


def _pusher(row: Row) -> PusherRow:
    return PusherRow._make((*row[:11], bool(row[11]), *row[12:]))
