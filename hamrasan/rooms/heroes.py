"""Who stands for a room without a name (client-server API, "Calculating the display name for a room")."""

from __future__ import annotations

from itertools import islice

from hamrasan.rooms.room import Room

MAX_HEROES = 5
"""As many as the specification asks for."""


def heroes(room: Room, user_id: str) -> list[str]:
    """Return up to five members other than `user_id`: joined or invited ones, else those who left, the earliest first.

    The members' order is that of their first membership, so only a few of them are looked at.
    """
    present = (
        other
        for other, member in room.members.items()
        if other != user_id and member.membership in ("join", "invite")
    )
    found = list(islice(present, MAX_HEROES))
    if found or room.joined + room.invited > 1:
        return found
    gone = (
        other for other, member in room.members.items() if other != user_id and member.membership != "knock"
    )
    return list(islice(gone, MAX_HEROES))
