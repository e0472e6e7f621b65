"""What is kept of rooms that a user knows from outside only: an invite, or a knock, where nobody of this server is in
the room (server-server API, "Inviting to a room", "Knocking upon a room").

Of such a room there are no events and no state, only what the other server told. If this server has known the room
before, or comes to know it, the later of the two memberships counts.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import MembershipRow

NO_ROOM = 0
"""In the place of a room's number: this server is not in the room, and what there is to tell is an `InvitationRow`."""


class PutInvitation(NamedTuple):
    """A user's membership of a room from outside; replaces what was known of it."""

    room_id: str
    user_id: str
    membership: str
    """`invite`, `knock`; and `leave` once it has ended, or `ban`."""
    position: Position
    version: str
    event_id: str
    sender: str
    event: bytes
    """The membership event, in federation format, signed."""
    state: bytes
    """JSON array of the stripped state that came with it."""
    via: str
    """The server that told of it, and through which it can be answered."""


class DropInvitation(NamedTuple):
    """A membership from outside is over: the user has come into the room, or has forgotten it."""

    room_id: str
    user_id: str
    upto: Position
    """Only if it is not later than this."""


class InvitationRow(NamedTuple):
    """A user's membership of a room from outside."""

    room_id: str
    user_id: str
    membership: str
    position: Position
    version: str
    event_id: str
    sender: str
    event: bytes
    state: bytes
    via: str

    @property
    def own(self) -> MembershipRow:
        """The membership as those see it who ask for all of a user."""
        return MembershipRow(
            NO_ROOM,
            self.room_id,
            self.user_id,
            self.membership,
            self.position,
            self.event_id,
            self.sender,
            False,
        )


class InvitationChanged:
    """Feed: a user's membership of a room from outside has changed."""

    __slots__ = ("row",)

    def __init__(self, row: InvitationRow) -> None:
        self.row = row


class InvitationReader(Protocol):
    """Reads memberships from outside."""

    async def invitation(self, room_id: str, user_id: str) -> InvitationRow | None:
        """Return a user's membership of a room from outside, None if there is none."""

    async def invitations(self, user_id: str) -> list[InvitationRow]:
        """Return all of a user."""

    async def invited(self, room_id: str) -> list[InvitationRow]:
        """Return all of a room."""
