"""One room's part of a `/sync` answer (client-server API, "Syncing"): timeline, state, ephemeral events, counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.filters import EventFormat, Filter, RoomEventFilter
from hamrasan.rooms.heroes import heroes
from hamrasan.rooms.history import History
from hamrasan.rooms.rendering import Reader, Renderer
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import is_wanted
from hamrasan.rooms.timeline_event import TimelineEvent, json_string, pdu_of
from hamrasan.rooms.tokens import SyncToken, page_token
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader, MembershipRow, StateReader
from hamrasan.storage.ports.user_data import AccountDataRow, ReceiptReader, ReceiptRow
from hamrasan.sync.notifier import MAX_SENT_MEMBERS, RoomActivity, UserStream
from hamrasan.sync.shared_chunks import SharedChunks
from hamrasan.sync.unread import IgnoredBy, UnreadCounter, UnreadState

DEFAULT_TIMELINE = 10
"""Events of a room that a client gets which does not say how many."""
MAX_TIMELINE = 1_000
"""Events of a room in one answer, whatever the client asks; the rest is had by paging back."""
RENDERED_AT_ONCE = 100
"""Events rendered without a look at the time (about a millisecond)."""
MAX_SCANNED = 2_000
"""Events looked at for a timeline with a filter that few events pass."""
MAX_RECEIPTS = 5_000
"""Receipts of a room in one answer: the latest ones; a list of more readers helps nobody."""


@dataclass(slots=True)
class SyncRequest:
    """What a client asks of `/sync`; never changed (but not frozen, which would cost more than the rest of it)."""

    reader: Reader
    since: SyncToken | None
    filter: Filter
    full_state: bool
    state_after: bool

    after: Position = field(init=False)
    """The position from which on the client knows nothing."""
    typing: int = field(init=False)
    """The serial of the last typing change that the client knows."""
    presence: int = field(init=False)
    """The serial of the last presence change that the client knows."""

    def __post_init__(self) -> None:
        since = self.since
        self.after, self.typing, self.presence = (0, 0, 0) if since is None else since[:3]

    @property
    def is_plain(self) -> bool:
        """Whether the client wants everything of all rooms as it is, from its token on."""
        chosen = self.filter
        return (
            self.since is not None
            and not self.full_state
            and chosen.room.matches_every_room
            and chosen.room.timeline.matches_everything
            and chosen.keeps_stored_bytes
        )

    @property
    def empty_state(self) -> bytes:
        """The member of a room's section that says that no state changed beside the timeline."""
        return b'"state_after":{"events":[]}' if self.state_after else b'"state":{"events":[]}'


@dataclass(slots=True)
class _Timeline:
    events: list[TimelineEvent]
    limited: bool
    start: Position
    """Every event of the room after this position, up to the end of the timeline, was looked at for it."""


class RoomSections:
    """Writes rooms' parts of answers."""

    def __init__(
        self,
        events: EventReader,
        state: StateReader,
        receipts: ReceiptReader,
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
        self._events = events
        self._state = state
        self._receipts = receipts
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
        fresh = await self._is_fresh(request, room, own)
        floor = 0 if fresh else request.after
        timeline = await self._timeline(request, room, floor, upto, check_history=fresh)
        state = await self._state_events(request, stream, room, timeline, floor, upto, fresh)
        ephemeral = await self._ephemeral(
            request, room, floor, upto, activity.receipts, activity.typing, fresh
        )
        unread = await self._unread.count(stream.unread, room, stream.user_id, upto)
        data = _account_data(request.filter.room.account_data, room.id, account_data)
        if not (
            fresh
            or timeline.events
            or state
            or ephemeral
            or data
            or timeline.limited
            or activity.latest > floor
        ):
            return None
        parts = [await self._timeline_part(request, room, timeline)]
        parts += await self._state_part(request, room, state)
        if fresh or _changes_members(timeline, state):
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
        upto = own.position
        fresh = request.since is None or request.full_state
        floor = 0 if request.since is None else request.after
        timeline = await self._timeline(request, room, floor, upto, check_history=True)
        await self._end_with(request, room, timeline, own)
        visible = await self._was_inside(room, own)
        state: list[TimelineEvent] = []
        if visible:
            state = await self._state_events(request, stream, room, timeline, floor, upto, fresh)
        parts = [await self._timeline_part(request, room, timeline)]
        parts += await self._state_part(request, room, state)
        account_data = _account_data(request.filter.room.account_data, room.id, data)
        parts.append(b'"account_data":{"events":[%b]}' % b",".join(account_data))
        return b"{%b}" % b",".join(parts)

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
        events = room.tail_between(after, upto)
        unread = self._unread.count_now(stream.unread, room, stream.user_id, upto)
        if not events or unread is None:
            return None
        if len(events) > wanted.timeline.effective_limit(DEFAULT_TIMELINE, MAX_TIMELINE):
            return None
        sent = stream.sent_to(request.reader.device_id) if wanted.state.lazy_load_members else None
        for event in events:
            sender = event.stored.sender
            if event.stored.state_key is not None or sender in unread.ignored:
                return None
            if sent is not None:
                member = room.members.get(sender)
                if member is None or sent.get((room.id, sender)) != member.event_id:
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

    async def _is_fresh(self, request: SyncRequest, room: Room, own: MembershipRow) -> bool:
        """Return whether the client knows nothing of the room yet: a first sync, or the user joined since."""
        if request.since is None:
            return True
        if own.position <= request.after:
            return False
        before = await self._state.at(room.number, request.after, [("m.room.member", own.user_id)])
        return not before or parse_json(before[0].content).get("membership") != "join"

    async def _was_inside(self, room: Room, own: MembershipRow) -> bool:
        """Return whether the user was in the room before they left it (and not only invited, or banned outside)."""
        before = await self._state.at(room.number, own.position - 1, [("m.room.member", own.user_id)])
        return bool(before) and parse_json(before[0].content).get("membership") == "join"

    async def _timeline(
        self, request: SyncRequest, room: Room, floor: Position, upto: Position, *, check_history: bool
    ) -> _Timeline:
        wanted = request.filter.room.timeline
        limit = wanted.effective_limit(DEFAULT_TIMELINE, MAX_TIMELINE)
        if wanted.matches_nothing:
            return _Timeline([], False, upto)
        ignored = await self._ignored.ignored_by(request.reader.user_id)
        found: list[TimelineEvent] = []
        scanned = 0
        end = upto
        while True:
            page, complete = await self._page(room, floor, end, limit + 1)
            scanned += len(page)
            end = page[-1].stored.position - 1 if page else floor
            if check_history:
                page = await self._history.visible(room, request.reader.user_id, page)
            found += [event for event in page if is_wanted(event, wanted, room.id, ignored)]
            if complete or len(found) > limit or scanned >= MAX_SCANNED:
                break
        limited = len(found) > limit or not complete
        start = floor
        if limited:
            start = found[limit].stored.position if len(found) > limit else end
        return _Timeline(found[:limit][::-1], limited, start)

    async def _end_with(
        self, request: SyncRequest, room: Room, timeline: _Timeline, own: MembershipRow
    ) -> None:
        """Add the user's own membership to a timeline that ends there, unless it is in it or the client wants none."""
        if timeline.events and timeline.events[-1].stored.position == own.position:
            return
        wanted = request.filter.room.timeline
        if wanted.matches_nothing:
            return
        for stored in await self._events.by_ids([own.event_id]):
            event = TimelineEvent(stored)
            if is_wanted(event, wanted, room.id, frozenset()):
                timeline.events.append(event)

    async def _page(
        self, room: Room, floor: Position, upto: Position, limit: int
    ) -> tuple[list[TimelineEvent], bool]:
        """Return the latest events in (floor, upto], the newest first, and whether these are all."""
        page: list[TimelineEvent] = []
        for event in reversed(room.tail):
            position = event.stored.position
            if position <= floor:
                break
            if position <= upto:
                if len(page) == limit:
                    return page, False
                page.append(event)
        if room.tail_start <= floor or (room.tail and room.tail[0].stored.depth == 1):
            return page, True
        stored = await self._events.page(room.number, floor, upto, limit, backwards=True)
        return [TimelineEvent(event) for event in stored], len(stored) < limit

    async def _state_events(
        self,
        request: SyncRequest,
        stream: UserStream,
        room: Room,
        timeline: _Timeline,
        floor: Position,
        upto: Position,
        fresh: bool,
    ) -> list[TimelineEvent]:
        wanted = request.filter.room.state
        if wanted.matches_nothing:
            return []
        lazy = wanted.lazy_load_members
        end = upto if request.state_after else timeline.start
        if fresh or request.full_state:
            found = await self._state.at(room.number, end, members=not lazy)
        elif end > floor:
            found = await self._state.changes(room.number, floor, end) if _any_after(room, floor, end) else []
        else:
            found = []
        if lazy:
            found = [*found, *await self._lazy_members(request, stream, room, timeline, end, fresh)]
        shown = {event.stored.position for event in timeline.events} if not request.state_after else set()
        ignored: frozenset[str] = frozenset()
        events = {s.position: TimelineEvent(s) for s in found if s.position not in shown}
        result = [event for event in events.values() if is_wanted(event, wanted, room.id, ignored)]
        if lazy:
            _remember_members(stream, request.reader.device_id, room.id, [*result, *timeline.events])
        return result

    async def _lazy_members(
        self,
        request: SyncRequest,
        stream: UserStream,
        room: Room,
        timeline: _Timeline,
        end: Position,
        fresh: bool,
    ) -> list[Any]:
        """Return the memberships that a client needs for this timeline ("Lazy-loading room members")."""
        users = dict.fromkeys(event.stored.sender for event in timeline.events)
        if fresh or request.full_state:
            users[stream.user_id] = None
            if not (
                room.content("m.room.name").get("name") or room.content("m.room.canonical_alias").get("alias")
            ):
                users.update(dict.fromkeys(heroes(room, stream.user_id)))
        sent = stream.sent_to(request.reader.device_id)
        redundant = request.filter.room.state.include_redundant_members or fresh or request.full_state
        missing = []
        for user_id in users:
            member = room.members.get(user_id)
            if member is not None and (redundant or sent.get((room.id, user_id)) != member.event_id):
                missing.append(("m.room.member", user_id))
        return await self._state.at(room.number, end, missing) if missing else []

    async def _ephemeral(
        self,
        request: SyncRequest,
        room: Room,
        floor: Position,
        upto: Position,
        receipts: Position,
        typing: int,
        fresh: bool,
    ) -> list[bytes]:
        wanted = request.filter.room.ephemeral
        events = []
        if (fresh or receipts > floor) and wanted.matches_event("m.receipt", None, room.id, False):
            rows = await self._receipts.of_room(room.number, floor, upto, request.reader.user_id)
            if rows:
                events.append(receipts_event(rows[-MAX_RECEIPTS:]))
        if wanted.matches_event("m.typing", None, room.id, False):
            typists = self._typing.in_room(room.id)
            since = 0 if fresh else request.typing
            if typing > since and (typists or not fresh):
                events.append(orjson.dumps({"type": "m.typing", "content": {"user_ids": typists}}))
        return events

    # How it is written.

    async def _timeline_part(self, request: SyncRequest, room: Room, timeline: _Timeline) -> bytes:
        rendered = await self.render(request, room, timeline.events)
        return b'"timeline":{"events":[%b],"limited":%b,"prev_batch":"%b"}' % (
            b",".join(rendered),
            b"true" if timeline.limited else b"false",
            page_token(
                timeline.events[0].stored.position - 1 if timeline.events else timeline.start
            ).encode(),
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
    """Return an `m.receipt` event of these receipts ("Receipts")."""
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
    events = [orjson.dumps({"type": "m.receipt", "content": part}) for part in (content, *threaded)]
    return b",".join(events)


def _any_after(room: Room, floor: Position, end: Position) -> bool:
    """Return whether state may have changed in (floor, end]; False only where the tail shows that it did not."""
    if room.tail_start > floor:
        return True
    return any(floor < e.stored.position <= end and e.stored.state_key is not None for e in room.tail)


def _changes_members(timeline: _Timeline, state: Sequence[TimelineEvent]) -> bool:
    return any(e.stored.type == "m.room.member" for e in timeline.events) or any(
        e.stored.type == "m.room.member" for e in state
    )


def _remember_members(
    stream: UserStream, device_id: str, room_id: str, events: Sequence[TimelineEvent]
) -> None:
    sent = stream.sent_to(device_id)
    for event in events:
        stored = event.stored
        if stored.type == "m.room.member" and stored.state_key is not None:
            sent[(room_id, stored.state_key)] = stored.event_id
            sent.move_to_end((room_id, stored.state_key))
    while len(sent) > MAX_SENT_MEMBERS:
        sent.popitem(last=False)


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
