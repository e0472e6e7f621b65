"""`m.room.create` (each room version's authorization rules, rule 1)."""

from __future__ import annotations

from typing import Any

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.protocol.identifiers import check_user_id
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion


def check_create(event: Event, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless `event` may begin a room."""
    rules = version.authorization
    if event.prev_events:
        raise NotAllowed("1.1", "A room's create event must be its first event.")
    if rules.room_id_is_create_hash:
        if "room_id" in event.pdu:
            raise NotAllowed("1.2", "The create event must not name a room: its hash is the room's id.")
    elif event.room_id.partition(":")[2] != event.sender.partition(":")[2]:
        raise NotAllowed("1.2", f"{event.sender} cannot create a room with the id of another server.")
    room_version = event.content.get("room_version")
    if "room_version" in event.content and (
        not isinstance(room_version, str) or room_version not in ROOM_VERSIONS
    ):
        raise NotAllowed("1.3", "The room version is not known.")
    if not rules.creator_from_sender and "creator" not in event.content:
        raise NotAllowed("1.4", "The create event must name the room's creator.")
    if rules.privileged_creators and "additional_creators" in event.content:
        _check_additional_creators(event.content["additional_creators"])


def _check_additional_creators(creators: Any) -> None:
    """Raise `NotAllowed` unless `creators` is an array of user ids."""
    if not isinstance(creators, list):
        raise NotAllowed("1.4", "'additional_creators' must be an array of user ids.")
    for creator in creators:
        if not is_user_id(creator):
            raise NotAllowed("1.4", "'additional_creators' holds something that is not a user id.")


def is_user_id(value: Any) -> bool:
    """Tell whether a JSON value is a user id, current or historical, as a sender may be."""
    if not isinstance(value, str):
        return False
    try:
        check_user_id(value)
    except MatrixError:
        return False
    return True
