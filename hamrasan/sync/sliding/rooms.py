"""One room's part of an answer of sliding sync (MSC4186, "RoomResult")."""

from __future__ import annotations

from functools import lru_cache

import orjson

from hamrasan.accounts.invite_permission import HiddenInvites
from hamrasan.protocol.canonical_json import json_string
from hamrasan.protocol.filters import Filter, parse_filter
from hamrasan.rooms.history import History
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.rendering import Reader, Renderer
from hamrasan.rooms.room import Room
from hamrasan.rooms.tokens import page_token
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.invitations import NO_ROOM
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader, MembershipRow
from hamrasan.storage.ports.user_data import ReceiptReader
from hamrasan.sync.request import SyncRequest
from hamrasan.sync.sliding.bump_stamps import BumpStamps
from hamrasan.sync.sliding.connections import SentRoom
from hamrasan.sync.sliding.lists import INSIDE, Chosen
from hamrasan.sync.sliding.room_state import RequiredStates, RoomUpdate
from hamrasan.sync.sliding.scope import Scope
from hamrasan.sync.stripped_state import StrippedStates
from hamrasan.sync.timelines import MAX_TIMELINE, SyncTimeline, Timelines
from hamrasan.sync.unread import IgnoredBy, UnreadCounter


@lru_cache(MAX_TIMELINE)
def _filter(limit: int) -> Filter:
    return parse_filter({"room": {"timeline": {"limit": limit}}})


class SlidingRooms:
    """Writes rooms' parts of answers."""

    def __init__(
        self,
        registry: RoomRegistry,
        events: EventReader,
        receipts: ReceiptReader,
        history: History,
        renderer: Renderer,
        states: RequiredStates,
        stripped: StrippedStates,
        unread: UnreadCounter,
        bump_stamps: BumpStamps,
        ignored: IgnoredBy,
        invites: HiddenInvites,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._timelines = Timelines(events, history, ignored)
        self._receipts = receipts
        self._history = history
        self._renderer = renderer
        self._states = states
        self._stripped = stripped
        self._unread = unread
        self._bump_stamps = bump_stamps
        self._ignored = ignored
        self._invites = invites
        self._clock = clock

    def concerns(self, scope: Scope, room_id: str, chosen: Chosen) -> bool:
        """Return whether there may be something to tell of a room: a look at what is in memory."""
        sent = scope.connection.rooms.get(room_id)
        if sent is None or sent.membership != chosen.row.membership:
            return True
        if sent.membership != "join":
            return chosen.row.position > sent.upto
        activity = scope.stream.joined.get(room_id)
        return (
            (activity is not None and activity.latest > sent.upto)
            or sent.choice is not chosen.choice
            or chosen.timeline_limit > sent.have
            or (room_id in scope.windows.direct) is not (room_id in scope.before.direct)
            or (not sent.receipts and scope.request.extensions.receipts is not None)
            or (not sent.account_data and scope.request.extensions.account_data is not None)
        )

    async def part(self, scope: Scope, chosen: Chosen) -> bytes | None:
        """Return the object under `rooms` for a room, None if there is nothing to tell of it."""
        membership = chosen.row.membership
        if membership == "join":
            return await self._joined(scope, chosen)
        if membership in INSIDE:
            return await self._invited(scope, chosen)
        return await self._left(scope, chosen)

    async def _joined(self, scope: Scope, chosen: Chosen) -> bytes | None:
        row, limit = chosen.row, chosen.timeline_limit
        activity = scope.stream.joined.get(row.room_id)
        if activity is None:
            return None  # left in this very moment
        room = self._registry.loaded(row.room_id) or await self._registry.get(row.room_id)
        sent = await self._continued(scope, room, row)
        floor = 0 if sent is None else sent.upto
        expanded = sent is not None and limit > sent.have
        check_history = expanded or row.position > floor
        timeline = await self._timeline(
            scope, room, limit, 0 if expanded else floor, scope.now, check_history
        )
        update = await self._states.update(scope, room, chosen, sent, timeline)
        direct = row.room_id in scope.windows.direct
        direct_changed = sent is not None and direct is not (row.room_id in scope.before.direct)
        scope.news.rooms[row.room_id] = SentRoom(
            scope.now,
            "join",
            _have(sent, timeline, limit, expanded),
            chosen.choice,
        )
        if sent is None:
            scope.starts[row.room_id] = timeline.prev_batch
        elif not (
            timeline.events
            or update.required
            or direct_changed
            or (timeline.news and activity.events > floor)
            or (activity.receipts > floor and await self._own_receipt(scope, room, floor))
        ):
            return None
        parts = _common(scope, chosen, await self._bump_stamps.of(room, scope.now))
        parts += _summary(sent is None, update)
        if direct_changed or (sent is None and direct):
            parts.append(b'"is_dm":true' if direct else b'"is_dm":false')
        if expanded and timeline.events and timeline.events[0].stored.position <= floor:
            if scope.request.stable:
                parts.append(b'"expanded_timeline":true')
            else:
                parts.append(b'"unstable_expanded_timeline":true')
                # matrix-js-sdk looks for older events only where it is told of a gap.
                timeline.limited = True
        parts += await self._written(scope, room, row, timeline, update)
        parts += await self._counts(scope, room)
        return b"{%b}" % b",".join(parts)

    async def _continued(self, scope: Scope, room: Room, row: MembershipRow) -> SentRoom | None:
        """Return what the client has of a room, None if it has to begin with it: else it would miss something.

        Who left and came back since may not see everything in between.
        """
        sent = scope.connection.rooms.get(row.room_id)
        if sent is None or sent.membership != "join":
            return None
        if row.position > sent.upto:
            stays = await self._history.stays(room, row.user_id)
            if not stays or stays[-1].begin > sent.upto:
                return None
        return sent

    async def _timeline(
        self, scope: Scope, room: Room, limit: int, floor: Position, upto: Position, check_history: bool
    ) -> SyncTimeline:
        """Return the latest events in (floor, upto]."""
        if limit == 0:
            return SyncTimeline([], room.durable_head > floor, upto)
        wanted = SyncRequest(scope.request.reader, None, _filter(limit), full_state=False, state_after=True)
        return await self._timelines.read(wanted, room, floor, upto, check_history=check_history)

    async def _own_receipt(self, scope: Scope, room: Room, floor: Position) -> bool:
        """Return whether the user has read something since, be it on another device."""
        rows = await self._receipts.of_user_in_room(scope.stream.user_id, room.number)
        return any(row.position > floor for row in rows)

    async def _invited(self, scope: Scope, chosen: Chosen) -> bytes | None:
        """Return the part of a room that the user is invited to or knocks at."""
        row = chosen.row
        sent = scope.connection.rooms.get(row.room_id)
        if sent is not None and sent.membership == row.membership and row.position <= sent.upto:
            return None
        if row.membership == "invite" and (await self._invites.hidden_from(row.user_id))(row.sender):
            return None
        scope.news.rooms[row.room_id] = SentRoom(scope.now, row.membership, 0, chosen.choice)
        parts = _common(scope, chosen, row.position)
        name = b"stripped_state" if scope.request.stable else b"invite_state"
        parts.append(b'"initial":true,"%b":[%b]' % (name, await self._stripped.of(row)))
        return b"{%b}" % b",".join(parts)

    async def _left(self, scope: Scope, chosen: Chosen) -> bytes | None:
        """Return the part of a room that the user has left, up to their leaving.

        It is told once to a connection that knows the room; one that does not is told if the user was thrown out, or
        subscribes to it.
        """
        row = chosen.row
        sent = scope.connection.rooms.get(row.room_id)
        if sent is not None and sent.membership not in INSIDE and row.position <= sent.upto:
            return None
        if row.room == NO_ROOM:
            return await self._left_outside(scope, chosen)
        room = await self._registry.get(row.room_id)
        left_at = await self._history.left_at(room, row.user_id)
        if sent is None and (left_at is None or row.forgotten):
            return None
        has_inside = sent is not None and sent.membership == "join" and left_at is not None
        floor = sent.upto if sent is not None and has_inside else 0
        timeline = SyncTimeline([], False, floor)
        if left_at is not None:
            timeline = await self._timeline(scope, room, chosen.timeline_limit, floor, left_at, True)
        update = await self._states.until(scope, room, chosen, floor if has_inside else None, left_at, row)
        if not timeline.events or timeline.events[-1].stored.position < row.position:
            timeline.events.extend(update.own)
        scope.news.rooms[row.room_id] = SentRoom(scope.now, row.membership, 0, chosen.choice)
        parts = _common(scope, chosen, row.position)
        parts += _summary(not has_inside, update)
        if left_at is None and scope.request.stable:
            parts.append(b'"stripped_state":[%b]' % b",".join(event.stripped() for event in update.own))
        parts += await self._written(scope, room, row, timeline, update)
        return b"{%b}" % b",".join(parts)

    async def _left_outside(self, scope: Scope, chosen: Chosen) -> bytes | None:
        """Return the part of a room whose invite was turned down, or whose knock was taken back, from outside."""
        row = chosen.row
        event = await self._stripped.ended(row)
        if event is None or row.room_id not in scope.connection.rooms:
            return None
        scope.news.rooms[row.room_id] = SentRoom(scope.now, row.membership, 0, chosen.choice)
        parts = _common(scope, chosen, row.position)
        parts.append(b'"timeline":[%b],"num_live":1' % event)
        parts.append(b'"prev_batch":"%b"' % page_token(row.position).encode())
        return b"{%b}" % b",".join(parts)

    # How it is written.

    async def _written(
        self, scope: Scope, room: Room, row: MembershipRow, timeline: SyncTimeline, update: RoomUpdate
    ) -> list[bytes]:
        """Return the members of a room's part that hold events."""
        parts: list[bytes] = []
        if update.required:
            rendered = await self._states.render(scope, room, update.required)
            parts.append(b'"required_state":[%b]' % b",".join(rendered))
        if not timeline.events and not timeline.limited:
            return parts
        events = await self._render(scope, room, row, timeline)
        parts.append(b'"timeline":[%b]' % b",".join(events))
        parts.append(b'"prev_batch":"%b"' % page_token(timeline.prev_batch).encode())
        if timeline.limited:
            parts.append(b'"limited":true')
        before = scope.before
        live = sum(e.stored.position > before.position for e in timeline.events) if before.pos else 0
        parts.append(b'"num_live":%d' % live)
        return parts

    async def _render(
        self, scope: Scope, room: Room, row: MembershipRow, timeline: SyncTimeline
    ) -> list[bytes]:
        reader = scope.request.reader
        if row.membership == "join" and all(
            event.stored.position >= row.position and self._renderer.is_plain(room, event)
            for event in timeline.events
        ):
            now = self._clock.now_ms()
            return [self._renderer.plain(event, now, reader) for event in timeline.events]
        sees = await self._history.sight(room, reader.user_id)
        ignored = await self._ignored.ignored_by(reader.user_id)
        full = Reader(reader.user_id, reader.device_id, sees, ignored)
        return await self._renderer.render(room, timeline.events, full, room_id=False)

    async def _counts(self, scope: Scope, room: Room) -> list[bytes]:
        """Return the unread counts, which the proposal has given up and its predecessor has."""
        if scope.request.stable:
            return []
        stream = scope.stream
        unread = await self._unread.count(stream.unread, room, stream.user_id, scope.now)
        return [b'"notification_count":%d,"highlight_count":%d' % unread.total()]


def _common(scope: Scope, chosen: Chosen, bump_stamp: Position) -> list[bytes]:
    """Return the members that every room has."""
    parts = [b'"bump_stamp":%d' % bump_stamp]
    if scope.request.stable:
        parts.append(b'"membership":%b' % json_string(chosen.row.membership))
        if chosen.lists:
            parts.append(b'"lists":%b' % orjson.dumps(chosen.lists))
    return parts


def _summary(fresh: bool, update: RoomUpdate) -> list[bytes]:
    """Return the name and what stands for it, as far as it is new to the client."""
    parts: list[bytes] = [b'"initial":true'] if fresh else []
    for name, changed, value in (
        (b"name", update.name_changed, update.name),
        (b"avatar", update.avatar_changed, update.avatar),
    ):
        if value is not None and (fresh or changed):
            parts.append(b'"%b":%b' % (name, json_string(value)))
        elif changed and not fresh:
            parts.append(b'"%b":null' % name)
    if update.heroes:
        parts.append(b'"heroes":' + orjson.dumps(update.heroes))
    if update.counts is not None:
        parts.append(b'"joined_count":%d,"invited_count":%d' % update.counts)
    return parts


def _have(sent: SentRoom | None, timeline: SyncTimeline, limit: int, expanded: bool) -> int:
    """Return how many of a room's latest events a client has with a timeline."""
    if sent is None or expanded:
        return limit if timeline.limited else MAX_TIMELINE
    if timeline.limited:
        return limit
    return min(sent.have + len(timeline.events), MAX_TIMELINE)
