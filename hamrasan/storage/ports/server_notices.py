"""What is kept of server notices: in which room the server writes to whom."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PutNoticeRoom(NamedTuple):
    """The server writes to the user in this room from now on."""

    user_id: str
    room_id: str


class ServerNoticeReader(Protocol):
    """Reads where the server writes."""

    async def room_of(self, user_id: str) -> str | None:
        """Return the id of the room in which the server writes to a user; None if it never has."""
