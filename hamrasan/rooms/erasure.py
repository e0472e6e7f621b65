"""What is shown of users who had themselves erased (client-server API, "Account deactivation", `erase`).

Who had access to their events before the erasure keeps it; everybody else is given them redacted. Redacted is what is
theirs: messages, and their names and pictures in the room. State of the room that they set (its name, its levels, whom
they invited) stays as it is, since the room goes on without them and must look the same to all in it.

An erased user leaves every room, so a room's own history tells when: no time of erasure is kept, and events of users
who are still in the room need no look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from hamrasan.protocol.canonical_json import encode_canonical, parse_json
from hamrasan.protocol.redaction import redact_content
from hamrasan.rooms.history import MEMBER, History, Stay
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent

NOTHING: Mapping[Position, StoredEvent] = {}


class ErasedUsers(Protocol):
    """Knows who had themselves erased."""

    async def erased(self, user_ids: Sequence[str]) -> set[str]:
        """Return those of the users whose content is to be erased."""


class Erasure:
    """Redacts what erased users left behind, for those who came later."""

    def __init__(self, users: ErasedUsers, history: History) -> None:
        self._users = users
        self._history = history

    async def redacted(
        self, room: Room, events: Sequence[StoredEvent], user_id: str
    ) -> Mapping[Position, StoredEvent]:
        """Return, by position, the redacted forms of those of `events` that `user_id` is to see so only."""
        departed = {e.sender for e in events if _is_personal(e) and room.membership(e.sender) != "join"}
        departed.discard(user_id)
        if not departed or _was_there(room, events, user_id):
            return NOTHING
        erased = await self._users.erased(sorted(departed))
        if not erased:
            return NOTHING
        stays = await self._history.stays(room, user_id)
        ends = {sender: await self._history.left_at(room, sender) or 0 for sender in erased}
        return {
            event.position: _redact(event, room)
            for event in events
            if event.sender in erased
            and _is_personal(event)
            and not _had_access(stays, event.position, ends[event.sender])
        }

    async def withheld(
        self, room: Room, events: Sequence[StoredEvent], readers: Callable[[], Awaitable[Sequence[str]]]
    ) -> set[str]:
        """Return the ids of those of `events` that none of several readers is to see but redacted.

        Who the readers are is asked only if it matters, which is hardly ever.
        """
        departed = {e.sender for e in events if _is_personal(e) and room.membership(e.sender) != "join"}
        erased = await self._users.erased(sorted(departed)) if departed else set[str]()
        if not erased:
            return set()
        ends = {sender: await self._history.left_at(room, sender) or 0 for sender in erased}
        rest = [event for event in events if event.sender in erased and _is_personal(event)]
        for reader in await readers():
            if not rest:
                break
            stays = await self._history.stays(room, reader)
            rest = [e for e in rest if not _had_access(stays, e.position, ends[e.sender])]
        return {event.event_id for event in rest}


def _is_personal(event: StoredEvent) -> bool:
    """Return whether an event is its sender's rather than the room's."""
    return event.state_key is None or (event.type == MEMBER and event.state_key == event.sender)


def _was_there(room: Room, events: Sequence[StoredEvent], user_id: str) -> bool:
    """Return whether a reader has been in the room since before all of the events, which is known at once."""
    member = room.members.get(user_id)
    if member is None or member.membership != "join":
        return False
    return all(event.position > member.position for event in events)


def _had_access(stays: Sequence[Stay], position: Position, erased_at: Position) -> bool:
    """Return whether a reader was in the room at any time from an event to its sender's erasure."""
    return any(
        stay.begin <= max(erased_at, position) and (stay.end is None or stay.end > position) for stay in stays
    )


def _redact(event: StoredEvent, room: Room) -> StoredEvent:
    content = redact_content(event.type, parse_json(event.content), room.version)
    return event._replace(content=encode_canonical(content), txn_id=None)
