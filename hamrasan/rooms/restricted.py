"""Restricted joins: who may come in because of another room, and who vouches for it ("Restricted rooms")."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from hamrasan.protocol.auth_rules import creators_of
from hamrasan.protocol.errors import forbidden
from hamrasan.rooms.room import Room

ROOM_MEMBERSHIP = "m.room_membership"


def needs_condition(room: Room, user_id: str) -> bool:
    """Return whether `user_id` can join only by meeting one of the conditions in the room's join rules."""
    rules = room.version.authorization
    restricted = (room.join_rule == "restricted" and rules.restricted_join) or (
        room.join_rule == "knock_restricted" and rules.knock_restricted_join
    )
    return restricted and room.membership(user_id) not in ("join", "invite", "ban")


def voucher(room: Room, user_id: str, joined_rooms: Collection[str], is_local: Callable[[str], bool]) -> str:
    """Return the member of this server who vouches for the join of `user_id`, who is in `joined_rooms`.

    Raises `M_FORBIDDEN` if no condition is met, or nobody here may vouch for it.
    """
    if not any(room_id in joined_rooms for room_id in allowed_rooms(room)):
        raise forbidden("You are not invited, and not in any of the rooms whose members may join.")
    levels = room.power_levels
    for candidate in _candidates(room):
        if is_local(candidate) and levels.of(candidate) >= levels.invite:
            return candidate
    raise forbidden("No member of this server may let others into this room; please ask for an invite.")


def allowed_rooms(room: Room) -> Iterator[str]:
    """Yield the rooms whose members may join."""
    return allowed_in(room.content("m.room.join_rules"))


def allowed_in(join_rules: Mapping[str, object]) -> Iterator[str]:
    """Yield the rooms that the content of an `m.room.join_rules` names in its conditions."""
    allow = join_rules.get("allow")
    for condition in allow if isinstance(allow, list) else ():
        if isinstance(condition, dict) and condition.get("type") == ROOM_MEMBERSHIP:
            room_id = condition.get("room_id")
            if isinstance(room_id, str):
                yield room_id


def _candidates(room: Room) -> Iterator[str]:
    """Yield joined members: those with a power level of their own first, all others only if theirs is enough."""
    users = room.content("m.room.power_levels").get("users")
    listed = users if isinstance(users, dict) else {}
    creators = () if room.create is None else creators_of(room.create, room.version)
    for user_id in (*creators, *listed):
        if room.membership(user_id) == "join":
            yield user_id
    levels = room.power_levels
    if levels.users_default >= levels.invite:
        for user_id, member in room.members.items():
            if member.membership == "join":
                yield user_id
