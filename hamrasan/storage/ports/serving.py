"""What other servers' questions need of the store, beside what people's do."""

from __future__ import annotations

from typing import Protocol

from hamrasan.storage.ports.rooms import RoomRow


class ServingReader(Protocol):
    """Reads rooms as other servers ask for them."""

    async def room(self, number: int) -> RoomRow | None:
        """Return the room with a number."""

    async def users_of(self, room: int, server: str) -> list[str]:
        """Return the users of a server who ever had a membership of a room, those first who came first.

        Looks at everybody who ever was in the room, in a thread.
        """

    async def memberships_of(self, room: int, server: str) -> set[str]:
        """Return the memberships that users of a server have in a room now; looks at as many as `users_of`."""

    async def is_joined(self, room: int, server: str) -> bool:
        """Return whether a user of a server is in a room now; looks at as many as `users_of` if none is."""
