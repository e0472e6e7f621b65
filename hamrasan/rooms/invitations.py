"""Rooms that users know from outside only: those to which they are invited, or at which they knock, without anybody of
this server being in them.

There is no `Room` for them. What the other server told is kept as it came; joining makes a room of it, and turning the
invite down leaves a membership that devices are told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.identifiers import server_name_of
from hamrasan.rooms.decision import stored_event
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.invitations import (
    NO_ROOM,
    DropInvitation,
    InvitationChanged,
    InvitationReader,
    InvitationRow,
    PutInvitation,
)
from hamrasan.storage.ports.journal import Batch, Journal, Position
from hamrasan.storage.ports.rooms import INVITES, RoomForgotten, RoomRow, StoredEvent

PENDING = frozenset({"invite", "knock"})
"""Memberships from outside that can be accepted, turned down or taken back."""
MAX_PENDING = 1_000
"""Invites from outside that one user may have at the same time: other servers decide how many come."""
MAX_STATE_EVENTS = 100
"""Events of stripped state that are kept; servers send some ten, and clients show a name, a picture and a topic."""
MAX_STATE_BYTES = 128 * 1024
"""Of all of them together: it goes out with every first answer to `/sync`."""


class Invitations:
    """Keeps memberships from outside."""

    def __init__(self, journal: Journal, reader: InvitationReader) -> None:
        self._journal = journal
        self._reader = reader

    async def pending(self, room_id: str, user_id: str, room: Room | None) -> InvitationRow | None:
        """Return a user's invite or knock from outside, unless it has ended.

        `room` is the room if this server has ever known it: what came later there counts.
        """
        row = await self._reader.invitation(room_id, user_id)
        if row is None or row.membership not in PENDING:
            return None
        member = None if room is None else room.members.get(user_id)
        return None if member is not None and member.position > row.position else row

    async def put(self, version: str, event: Event, state: Iterable[Any], via: str | None = None) -> None:
        """Keep an invite or a knock: `event` is the membership event with all its signatures (`event.pdu`).

        `via` is the server through which it is answered, by default the sender's. `state` is what the other server
        tells of the room, events in full or stripped; what has no form is left out.

        Raises `M_LIMIT_EXCEEDED` if the user has too many already.
        """
        user_id = event.state_key or ""
        known = await self._reader.invitations(user_id)
        if sum(row.membership in PENDING for row in known) >= MAX_PENDING:
            raise MatrixError(
                429, "M_LIMIT_EXCEEDED", f"{user_id} has too many invitations that wait for an answer."
            )
        server = server_name_of(event.sender) if via is None else via
        await self._put(event.room_id, version, event, encode_json(_stripped(state)), server)

    async def end(self, row: InvitationRow, event: Event) -> None:
        """Let an invite or a knock end with `event`, by which the user leaves."""
        await self._put(row.room_id, row.version, event, b"[]", row.via)

    async def forget(self, room_id: str, user_id: str) -> bool:
        """Forget a room that is known from outside only, and that the user has left; return whether there was one."""
        row = await self._reader.invitation(room_id, user_id)
        if row is None or row.membership in PENDING:
            return False
        await self._journal.submit(
            Batch([DropInvitation(room_id, user_id, row.position)], feed=[RoomForgotten(user_id, room_id)])
        )
        return True

    async def drop(self, room_id: str, upto: Position) -> None:
        """Forget all that was known from outside of a room which this server is in since the position `upto`."""
        rows = await self._reader.invited(room_id)
        outdated = [DropInvitation(room_id, row.user_id, upto) for row in rows if row.position <= upto]
        if outdated:
            await self._journal.submit(Batch(list(outdated)))

    async def _put(self, room_id: str, version: str, event: Event, state: bytes, via: str) -> None:
        position = self._journal.next_position
        row = InvitationRow(
            room_id,
            event.state_key or "",
            event.membership or "leave",
            position,
            version,
            event.event_id,
            event.sender,
            encode_json(event.pdu),
            state,
            via,
        )
        await self._journal.submit(Batch([_write(row)], positions=1, feed=[InvitationChanged(row)]))


def _write(row: InvitationRow) -> PutInvitation:
    return PutInvitation._make(row)


def _stripped(state: Iterable[Any]) -> list[dict[str, Any]]:
    """Return stripped state events of what another server sends, the first ones that have the form of such."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    size = 0
    for event in state:
        stripped = _stripped_event(event)
        if stripped is None:
            continue
        size += len(encode_json(stripped))
        if size > MAX_STATE_BYTES or len(found) >= MAX_STATE_EVENTS:
            break
        found.setdefault((stripped["type"], stripped["state_key"]), stripped)
    return list(found.values())


def _stripped_event(event: Any) -> dict[str, Any] | None:
    if not isinstance(event, Mapping):
        return None
    texts = {name: event.get(name) for name in ("type", "state_key", "sender")}
    content = event.get("content")
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(content, dict):
        return None
    return {**texts, "content": content}


def as_room(row: InvitationRow) -> tuple[Room, StoredEvent]:
    """Return a room that holds nothing but what was told with an invite, and the invite as an event of it.

    For those who read rooms and events, such as push rules; the room is in no registry.
    """
    room = Room(RoomRow(NO_ROOM, row.room_id, row.version, row.sender))
    event = event_from_pdu(parse_json(row.event), row.event_id, row.room_id)
    return room, stored_event(event, room, row.position, INVITES)


def told_of(row: InvitationRow, event_type: str, state_key: str = "") -> dict[str, Any]:
    """Return the content of an event of the stripped state that came with an invite, empty if it is not there."""
    for event in parse_json(row.state):
        if (event["type"], event["state_key"]) == (event_type, state_key):
            content: dict[str, Any] = event["content"]
            return content
    return {}
