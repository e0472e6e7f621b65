"""Which of a user's rooms a `/sync` answer may be about."""

from __future__ import annotations

from typing import NamedTuple

from hamrasan.protocol.filters import RoomFilter
from hamrasan.storage.ports.rooms import MembershipRow
from hamrasan.sync.notifier import RoomActivity, UserStream
from hamrasan.sync.request import SyncRequest


class ChangedRooms(NamedTuple):
    """Rooms in which something has happened, with the user's memberships as they were when this was taken down.

    All at once: while the answer is written, the user may go elsewhere, which the next answer tells.
    """

    joined: list[tuple[RoomActivity, MembershipRow]]
    others: list[MembershipRow]
    """The user's memberships of rooms that they are not in."""

    def chosen(self, wanted: RoomFilter) -> ChangedRooms:
        """Return those of the rooms that a filter lets through."""
        if wanted.matches_every_room:
            return self
        joined = [(activity, row) for activity, row in self.joined if wanted.matches_room(row.room_id)]
        return ChangedRooms(joined, [row for row in self.others if wanted.matches_room(row.room_id)])


def changed_rooms(request: SyncRequest, stream: UserStream) -> ChangedRooms:
    """Return the rooms that an answer to `request` may be about."""
    after, typing, everything = request.after, request.typing, request.wants_everything
    joined = [
        (activity, stream.memberships[room_id])
        for room_id, activity in stream.joined.items()
        if everything or activity.latest > after or activity.typing > typing
    ]
    if not everything and stream.latest <= after:
        return ChangedRooms(joined, [])
    left_too = everything or request.filter.room.include_leave
    others = [
        row
        for row in stream.memberships.values()
        if row.membership != "join" and (left_too or row.position > after)
    ]
    return ChangedRooms(joined, others)
