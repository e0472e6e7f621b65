"""What a pusher is told of an event, and of what is unread (push gateway API, `POST /notify`)."""

from __future__ import annotations

from typing import Any, Protocol

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.invitations import as_room, told_of
from hamrasan.rooms.receipts import MAIN_THREAD
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.accounts import AccountReader
from hamrasan.storage.ports.invitations import InvitationReader
from hamrasan.storage.ports.push import NewWaitingPush
from hamrasan.storage.ports.rooms import EventReader, StateReader, StoredEvent
from hamrasan.storage.ports.user_data import UNTHREADED, ReceiptReader

MEMBER = "m.room.member"
ENCRYPTED = "m.room.encrypted"
HIGH, LOW = "high", "low"

Notification = dict[str, Any]
"""`notification` of the push gateway API without `devices`."""


class Badges(Protocol):
    """Knows how much users have not read."""

    async def unread(self, user_id: str) -> int:
        """Return the number of unread messages in all rooms of a user that notify."""


class ThreadsOf(Protocol):
    """Knows which thread an event is part of."""

    async def thread_of(self, stored: StoredEvent) -> str:
        """Return the root of the thread that an event is part of, or `main`."""


class Notifications:
    """Puts notifications together when they are sent, from what is true then."""

    def __init__(
        self,
        registry: RoomRegistry,
        events: EventReader,
        state: StateReader,
        receipts: ReceiptReader,
        threads: ThreadsOf,
        badges: Badges,
        accounts: AccountReader,
        invitations: InvitationReader,
    ) -> None:
        self._invitations = invitations
        self._accounts = accounts
        self._registry = registry
        self._events = events
        self._state = state
        self._receipts = receipts
        self._threads = threads
        self._badges = badges

    async def about(self, waiting: NewWaitingPush, *, ids_only: bool) -> Notification | None:
        """Return what to tell of an event; None if the user has read it, or it is none of their business any more.

        The devices of a locked account are told nothing: somebody else may have them.
        With `ids_only` it says which event and how much is unread, and no more (`event_id_only`).
        """
        account = await self._accounts.account(waiting.user_id)
        if account is None or account.locked:
            return None
        for stored in await self._events.by_positions([waiting.position]):
            try:
                room = await self._registry.get(waiting.room_id)
            except MatrixError:
                return None
            if stored.redacted_by is not None or not await self._concerns(room, stored, waiting.user_id):
                return None
            tweaks = parse_json(waiting.tweaks)
            unread = await self._badges.unread(waiting.user_id)
            told: Notification = {
                "event_id": stored.event_id,
                "room_id": room.id,
                "prio": _priority(stored, tweaks),
                "counts": {"unread": unread} if unread else {},
            }
            if not ids_only:
                told |= await self._details(room, stored, waiting.user_id)
            return told
        return await self._about_invitation(waiting, ids_only)

    async def _about_invitation(self, waiting: NewWaitingPush, ids_only: bool) -> Notification | None:
        """Return what to tell of an invite into a room that this server is not in; None if it has been answered."""
        row = await self._invitations.invitation(waiting.room_id, waiting.user_id)
        if row is None or row.position != waiting.position:
            return None
        _, stored = as_room(row)
        unread = await self._badges.unread(waiting.user_id)
        told: Notification = {
            "event_id": row.event_id,
            "room_id": row.room_id,
            "prio": _priority(stored, parse_json(waiting.tweaks)),
            "counts": {"unread": unread} if unread else {},
        }
        if ids_only:
            return told
        texts = {
            "sender_display_name": told_of(row, MEMBER, row.sender).get("displayname"),
            "room_name": told_of(row, "m.room.name").get("name"),
            "room_alias": told_of(row, "m.room.canonical_alias").get("alias"),
        }
        told |= {name: text for name, text in texts.items() if isinstance(text, str) and text}
        content = TimelineEvent(stored).content
        return told | {"type": MEMBER, "sender": row.sender, "content": content, "user_is_target": True}

    async def badge(self, user_id: str) -> int:
        """Return how much a user has not read."""
        return await self._badges.unread(user_id)

    async def _concerns(self, room: Room, stored: StoredEvent, user_id: str) -> bool:
        """Return whether a user is still in the room, or invited by this event, and has not read it."""
        member = room.members.get(user_id)
        if member is None:
            return False
        if member.membership == "invite" or (stored.type == MEMBER and stored.state_key == user_id):
            return member.event_id == stored.event_id  # an invitation that is not answered yet
        return member.membership == "join" and not await self._is_read(room, stored, user_id)

    async def _is_read(self, room: Room, stored: StoredEvent, user_id: str) -> bool:
        read = [
            row.thread_id
            for row in await self._receipts.of_user_in_room(user_id, room.number)
            if row.event_position >= stored.position
        ]
        if not read or UNTHREADED in read:
            return bool(read)
        return (await self._threads.thread_of(stored) if stored.rel_type else MAIN_THREAD) in read

    async def _details(self, room: Room, stored: StoredEvent, user_id: str) -> Notification:
        told: Notification = {
            "type": stored.type,
            "sender": stored.sender,
            "content": TimelineEvent(stored).content,
            "sender_display_name": await self._display_name(room, stored),
            "room_name": _text(room, "m.room.name", "name"),
            "room_alias": _text(room, "m.room.canonical_alias", "alias"),
        }
        if stored.type == MEMBER:
            told["user_is_target"] = stored.state_key == user_id
        return {name: value for name, value in told.items() if value is not None}

    async def _display_name(self, room: Room, stored: StoredEvent) -> str | None:
        """Return what the sender is called in the room."""
        for member in await self._state.at(room.number, stored.position, [(MEMBER, stored.sender)]):
            name = TimelineEvent(member).content.get("displayname")
            return name if isinstance(name, str) and name else None
        return None


def _text(room: Room, event_type: str, field: str) -> str | None:
    text = room.content(event_type).get(field)
    return text if isinstance(text, str) and text else None


def _priority(stored: StoredEvent, tweaks: dict[str, Any]) -> str:
    """Return how urgent an event is: what makes a sound or highlights, and what may do so once it is decrypted."""
    urgent = tweaks.get("sound") or tweaks.get("highlight") is True or stored.type == ENCRYPTED
    return HIGH if urgent else LOW
