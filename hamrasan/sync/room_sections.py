"""One room's part of a `/sync` answer (client-server API, "Syncing"): timeline, state, ephemeral events, counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from hamrasan.protocol.canonical_json import json_string
from hamrasan.protocol.filters import EventFormat, RoomEventFilter
from hamrasan.rooms.heroes import heroes
from hamrasan.rooms.history import History
from hamrasan.rooms.rendering import Reader, Renderer
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import is_wanted
from hamrasan.rooms.timeline_event import TimelineEvent, pdu_of
from hamrasan.rooms.tokens import page_token
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader, MembershipRow, StateReader
from hamrasan.storage.ports.user_data import AccountDataReader, AccountDataRow, ReceiptReader, ReceiptRow
from hamrasan.sync.notifier import RoomActivity, UserStream
from hamrasan.sync.request import SyncRequest
from hamrasan.sync.room_state import RoomStates, was_in
from hamrasan.sync.shared_chunks import SharedChunks
from hamrasan.sync.timelines import SyncTimeline, Timelines, timeline_limit
from hamrasan.sync.unread import IgnoredBy, UnreadCounter, UnreadState

RENDERED_AT_ONCE = 100
"""Events rendered without a look at the time (about a millisecond)."""
MAX_RECEIPTS = 5_000
"""Receipts of a room in one answer: the latest ones; a list of more readers helps nobody."""


class RoomSections:
    """Writes rooms' parts of answers."""

    def __init__(
        self,
        events: EventReader,
        state: StateReader,
        receipts: ReceiptReader,
        account_data: AccountDataReader,
        renderer: Renderer,
        history: History,
        typing: Typing,
        unread: UnreadCounter,
        ignored: IgnoredBy,
        chunks: SharedChunks,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._chunks = chunks
        self._state = state
        self._timelines = Timelines(events, history, ignored)
        self._states = RoomStates(state)
        self._receipts = receipts
        self._account_data = account_data
        self._renderer = renderer
        self._history = history
        self._typing = typing
        self._unread = unread
        self._ignored = ignored

    async def joined(
        self,
        request: SyncRequest,
        stream: UserStream,
        room: Room,
        own: MembershipRow,
        activity: RoomActivity,
        account_data: Sequence[AccountDataRow],
        upto: Position,
    ) -> bytes | None:
        """Return the object under `rooms.join` for a room that the user is in; None if there is nothing to say."""
        fresh = request.since is None or not await self._had_joined(request, room, own)
        floor = 0 if fresh else request.after
        # Whoever left and came back since may not see everything in between.
        moved = own.position > request.after
        timeline = await self._timelines.read(request, room, floor, upto, check_history=fresh or moved)
        whole = fresh or request.full_state
        state = await self._states.update(request, stream, room, timeline, floor, upto, whole)
        receipts, own_receipts = await self._receipts_part(request, room, activity, floor, upto, fresh)
        ephemeral = receipts + self._typing_part(request, room, activity, fresh)
        unread = await self._unread.count(stream.unread, room, stream.user_id, upto)
        if fresh and request.since is not None:
            account_data = await self._account_data.of_room(stream.user_id, room.id)
        data = _account_data(request.filter.room.account_data, room.id, account_data)
        if not (
            whole
            or timeline.events
            or state.events
            or ephemeral
            or data
            or own_receipts
            or (timeline.news and activity.events > floor)
        ):
            return None
        parts = [await self._timeline_part(request, room, timeline)]
        parts += await self._state_part(request, room, state.events)
        if whole or state.members_changed:
            parts.append(b'"summary":' + orjson.dumps(self._summary(room, stream.user_id)))
        parts.append(_unread_part(unread, request.filter.room.timeline.unread_thread_notifications))
        parts.append(b'"ephemeral":{"events":[%b]}' % b",".join(ephemeral))
        parts.append(b'"account_data":{"events":[%b]}' % b",".join(data))
        return b"{%b}" % b",".join(parts)

    async def left(
        self,
        request: SyncRequest,
        stream: UserStream,
        room: Room,
        own: MembershipRow,
        data: Sequence[AccountDataRow],
    ) -> bytes:
        """Return the object under `rooms.leave`: what happened up to the user's leaving, as far as they may see it.

        Their own leaving is always in it, also if they never were inside: else their devices would show an invite that
        was turned down for ever.
        """
        floor = request.after
        left_at = await self._history.left_at(room, stream.user_id)
        upto = own.position if left_at is None else left_at
        timeline = await self._timelines.read(request, room, floor, upto, check_history=True)
        state: list[TimelineEvent] = []
        if left_at is not None and (left_at > floor or request.wants_everything):
            whole = request.wants_everything or not await self._had_joined(request, room, own)
            state = (await self._states.update(request, stream, room, timeline, floor, upto, whole)).events
        if own.position > floor:
            await self._end_with(request, room, timeline, state, own)
        parts = [await self._timeline_part(request, room, timeline)]
        parts += await self._state_part(request, room, state)
        account_data = _account_data(request.filter.room.account_data, room.id, data)
        parts.append(b'"account_data":{"events":[%b]}' % b",".join(account_data))
        return b"{%b}" % b",".join(parts)

    async def _end_with(
        self,
        request: SyncRequest,
        room: Room,
        timeline: SyncTimeline,
        state: list[TimelineEvent],
        own: MembershipRow,
    ) -> None:
        """Let a left room's part end with the user's own membership."""
        last = await self._timelines.end_with(request, room, timeline, own.event_id)
        if last is None or not request.state_after or any(e.stored.event_id == own.event_id for e in state):
            return
        if is_wanted(last, request.filter.room.state, room.id, frozenset()):
            state.append(last)

    def quick(self, request: SyncRequest, stream: UserStream, room: Room, upto: Position) -> bytes | None:
        """Return the section of what most wake-ups are about: new messages and nothing else; None for all others.

        The same as `joined` would give, from memory alone.
        """
        after, activity = request.after, stream.joined[room.id]
        if (
            room.tail_start > after
            or activity.receipts > after
            or activity.typing > request.typing
            or stream.memberships[room.id].position > after
        ):
            return None
        wanted = request.filter.room
        if wanted.state.lazy_load_members and wanted.state.include_redundant_members:
            return None
        events = room.tail_between(after, upto)
        unread = self._unread.count_now(stream.unread, room, stream.user_id, upto)
        if not events or unread is None:
            return None
        if len(events) > timeline_limit(wanted.timeline):
            return None
        sent = stream.sent_to(request.reader.device_id) if wanted.state.lazy_load_members else None
        for event in events:
            sender = event.stored.sender
            if event.stored.state_key is not None or sender in unread.ignored:
                return None
            if sent is not None:
                member = room.members.get(sender)
                if member is None or not sent.has(room.id, sender, member.event_id, after):
                    return None
        chunk = self._chunks.chunk(room, events, request.reader)
        if chunk is None:
            return None
        return b"{%b,%b,%b}" % (
            chunk,
            request.empty_state,
            _unread_part(unread, wanted.timeline.unread_thread_notifications),
        )

    # What is in it.

    async def _had_joined(self, request: SyncRequest, room: Room, own: MembershipRow) -> bool:
        """Return whether the user was in the room where the client's token stands."""
        if own.position <= request.after:
            return own.membership == "join"
        return await was_in(self._state, room, own.user_id, request.after)

    async def _receipts_part(
        self,
        request: SyncRequest,
        room: Room,
        activity: RoomActivity,
        floor: Position,
        upto: Position,
        fresh: bool,
    ) -> tuple[list[bytes], bool]:
        """Return the receipts that moved, and whether there are own ones among them, which change the counts."""
        if not fresh and activity.receipts <= floor:
            return [], False
        rows = await self._receipts.of_room(room.number, floor, upto, request.reader.user_id)
        own = any(row.user_id == request.reader.user_id for row in rows)
        if not rows or not request.filter.room.ephemeral.matches_event("m.receipt", None, room.id, False):
            return [], own
        return [receipts_event(rows[-MAX_RECEIPTS:])], own

    def _typing_part(
        self, request: SyncRequest, room: Room, activity: RoomActivity, fresh: bool
    ) -> list[bytes]:
        """Return who types, if that changed."""
        typists = self._typing.in_room(room.id)
        if activity.typing <= (0 if fresh else request.typing) or not (typists or not fresh):
            return []
        if not request.filter.room.ephemeral.matches_event("m.typing", None, room.id, False):
            return []
        return [orjson.dumps({"type": "m.typing", "content": {"user_ids": typists}})]

    # How it is written.

    async def _timeline_part(self, request: SyncRequest, room: Room, timeline: SyncTimeline) -> bytes:
        rendered = await self.render(request, room, timeline.events)
        return b'"timeline":{"events":[%b],"limited":%b,"prev_batch":"%b"}' % (
            b",".join(rendered),
            b"true" if timeline.limited else b"false",
            page_token(timeline.prev_batch).encode(),
        )

    async def _state_part(
        self, request: SyncRequest, room: Room, state: Sequence[TimelineEvent]
    ) -> list[bytes]:
        if not state:
            return [request.empty_state]
        name = b"state_after" if request.state_after else b"state"
        return [b'"%b":{"events":[%b]}' % (name, b",".join(await self.render(request, room, state)))]

    async def _reader(self, reader: Reader, room: Room) -> Reader:
        """Return `reader` with what is hidden from them: bundled events are hidden like others."""
        sees = await self._history.sight(room, reader.user_id)
        return reader._replace(sees=sees, ignored=await self._ignored.ignored_by(reader.user_id))

    async def render(self, request: SyncRequest, room: Room, events: Sequence[TimelineEvent]) -> list[bytes]:
        """Return events in the form that the client's filter asks for."""
        chosen = request.filter
        if chosen.event_format is EventFormat.FEDERATION:
            events = await self._renderer.shown(room, events, request.reader)
            forms = [
                {**pdu_of(e.stored, room.id, room.version), "event_id": e.stored.event_id} for e in events
            ]
            return [orjson.dumps(chosen.apply_event_fields(form)) for form in forms]
        reader, slices = await self._reader(request.reader, room), Slices(self._clock)
        rendered: list[bytes] = []
        for start in range(0, len(events), RENDERED_AT_ONCE):
            await slices.pause()
            part = events[start : start + RENDERED_AT_ONCE]
            rendered += await self._renderer.render(room, part, reader, room_id=False)
        if chosen.keeps_stored_bytes:
            return rendered
        return [orjson.dumps(chosen.apply_event_fields(orjson.loads(event))) for event in rendered]

    def _summary(self, room: Room, user_id: str) -> dict[str, Any]:
        return {
            "m.heroes": heroes(room, user_id),
            "m.joined_member_count": room.joined,
            "m.invited_member_count": room.invited,
        }


def receipts_event(rows: Iterable[ReceiptRow]) -> bytes:
    """Return `m.receipt` events of these receipts ("Receipts"), between commas if there have to be several."""
    contents = receipts_contents(rows)
    return b",".join(orjson.dumps({"type": "m.receipt", "content": content}) for content in contents)


def receipts_contents(rows: Iterable[ReceiptRow]) -> list[dict[str, Any]]:
    """Return the contents of `m.receipt` events; nearly always one."""
    content: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    threaded: list[dict[str, Any]] = []
    for row in rows:
        receipt: dict[str, Any] = {"ts": row.ts}
        if row.thread_id:
            receipt["thread_id"] = row.thread_id
        users = content.setdefault(row.event_id, {}).setdefault(row.type, {})
        if row.user_id in users:
            # One user may have several threads' receipts on one event; the form has place for one in each event.
            threaded.append({row.event_id: {row.type: {row.user_id: receipt}}})
        else:
            users[row.user_id] = receipt
    return [content, *threaded]


def _account_data(wanted: RoomEventFilter, room_id: str, rows: Sequence[AccountDataRow]) -> list[bytes]:
    return [
        b'{"type":%b,"content":%b}' % (json_string(row.type), row.content)
        for row in rows
        if wanted.matches_event(row.type, None, room_id, False)
    ]


def _unread_part(unread: UnreadState, by_thread: bool) -> bytes:
    if not by_thread:
        notifications, highlights = unread.total()
        return b'"unread_notifications":{"notification_count":%d,"highlight_count":%d}' % (
            notifications,
            highlights,
        )
    threads = {
        root: {"notification_count": counts[0], "highlight_count": counts[1]}
        for root, counts in unread.threads.items()
        if counts[0]
    }
    return (
        b'"unread_notifications":{"notification_count":%d,"highlight_count":%d},"unread_thread_notifications":%b'
        % (unread.notifications, unread.highlights, orjson.dumps(threads))
    )
