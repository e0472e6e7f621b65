"""Memberships of rooms that this server is not in, on SQLite."""

from __future__ import annotations

from collections.abc import Iterable

from hamrasan.storage.ports import invitations as port
from hamrasan.storage.ports.invitations import InvitationRow
from hamrasan.storage.ports.rooms import MembershipRow
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PutInvitation: (
        "INSERT INTO invitations (room_id, user_id, membership, position, version, event_id, sender, event, state,"
        " via) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, room_id) DO UPDATE SET"
        " membership = excluded.membership, position = excluded.position, version = excluded.version,"
        " event_id = excluded.event_id, sender = excluded.sender, event = excluded.event, state = excluded.state,"
        " via = excluded.via"
    ),
    port.DropInvitation: "DELETE FROM invitations WHERE room_id = ? AND user_id = ? AND position <= ?",
}

_SELECT = (
    "SELECT room_id, user_id, membership, position, version, event_id, sender, event, state, via"
    " FROM invitations "
)


class SqliteInvitations:
    """Reads memberships from outside."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def invitation(self, room_id: str, user_id: str) -> InvitationRow | None:
        """Return a user's membership of a room from outside, None if there is none."""
        row = self._database.get(_SELECT + "WHERE user_id = ? AND room_id = ?", (user_id, room_id))
        return None if row is None else InvitationRow._make(row)

    async def invitations(self, user_id: str) -> list[InvitationRow]:
        """Return all of a user."""
        return self.of_user(user_id)

    async def invited(self, room_id: str) -> list[InvitationRow]:
        """Return all of a room."""
        rows = self._database.rows(_SELECT + "WHERE room_id = ?", (room_id,))
        return [InvitationRow._make(row) for row in rows]

    def of_user(self, user_id: str) -> list[InvitationRow]:
        """Return all of a user, at once."""
        rows = self._database.rows(_SELECT + "WHERE user_id = ? ORDER BY position", (user_id,))
        return [InvitationRow._make(row) for row in rows]


def latest(rows: list[MembershipRow], outside: Iterable[InvitationRow]) -> list[MembershipRow]:
    """Return memberships with those from outside, of each room the later one."""
    by_room = {row.room_id: row for row in rows}
    for invitation in outside:
        known = by_room.get(invitation.room_id)
        if known is None or known.position < invitation.position:
            by_room[invitation.room_id] = invitation.own
    return list(by_room.values())
