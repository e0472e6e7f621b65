"""What an answer of sliding sync holds besides rooms (MSC4186, "Extensions"): to-device messages (MSC3885), encryption
(MSC3884), account data (MSC3959), receipts (MSC3960), typing (MSC3961) and subscriptions to threads (MSC4308).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from hamrasan.accounts.account_data_view import AccountDataView
from hamrasan.encryption.key_counts import KeyCountCache
from hamrasan.encryption.to_device import ToDevice
from hamrasan.protocol.canonical_json import json_string
from hamrasan.protocol.filters import parse_filter
from hamrasan.rooms.thread_subscriptions import ThreadSubscriptions, described
from hamrasan.rooms.tokens import SyncToken, message_token, page_token
from hamrasan.rooms.typing import Typing
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.user_data import GLOBAL, AccountDataRow, ReceiptReader, ReceiptRow
from hamrasan.sync.changed_rooms import changed_rooms
from hamrasan.sync.companions import CompanionFinder
from hamrasan.sync.device_lists import DeviceLists
from hamrasan.sync.request import SyncRequest
from hamrasan.sync.room_sections import MAX_RECEIPTS, receipts_contents
from hamrasan.sync.sliding.request import Selection
from hamrasan.sync.sliding.scope import Scope

THREAD_SUBSCRIPTIONS = "io.element.msc4308.thread_subscriptions"

_EVERYTHING = parse_filter({})


class Extension(NamedTuple):
    """One extension's part of an answer."""

    text: bytes
    """A member of `extensions`."""
    is_news: bool
    """It is worth an answer of its own."""


class SlidingExtensions:
    """Writes the extensions' parts."""

    def __init__(
        self,
        account_data: AccountDataView,
        receipts: ReceiptReader,
        typing: Typing,
        companions: CompanionFinder,
        device_lists: DeviceLists,
        key_counts: KeyCountCache,
        to_device: ToDevice,
        thread_subscriptions: ThreadSubscriptions,
    ) -> None:
        self._thread_subscriptions = thread_subscriptions
        self._account_data = account_data
        self._receipts = receipts
        self._typing = typing
        self._companions = companions
        self._device_lists = device_lists
        self._key_counts = key_counts
        self._to_device = to_device

    async def parts(self, scope: Scope, told: Sequence[str]) -> list[Extension]:
        """Return what is wanted and there; `told` are the rooms of which there was something to look at."""
        wanted = scope.request.extensions
        parts: list[Extension] = []
        if wanted.thread_subscriptions is not None and not scope.before.pos:
            await self._thread_subscriptions.start(scope.stream.user_id)
        if wanted.to_device is not None:
            parts.append(await self._messages(scope, wanted.to_device.since, wanted.to_device.limit))
        if wanted.e2ee:
            parts.append(await self._encryption(scope))
        if wanted.account_data is not None:
            parts += await self._personal(scope, wanted.account_data, told)
        if wanted.receipts is not None:
            parts += await self._receipts_of(scope, wanted.receipts, told)
        if wanted.typing is not None:
            parts += self._typists(scope, wanted.typing)
        if wanted.thread_subscriptions is not None:
            parts += await self._subscriptions(scope, wanted.thread_subscriptions.limit)
        return parts

    async def _messages(self, scope: Scope, since: Position, limit: int) -> Extension:
        device_id = scope.request.reader.device_id
        messages: list[bytes] = []
        upto = scope.now
        if scope.stream.has_messages(device_id, since):
            after = max(since, scope.stream.received_upto(device_id))
            messages, upto = await self._to_device.waiting(
                scope.stream.user_id, device_id, after, scope.now, limit
            )
        text = b'"to_device":{"next_batch":"%b","events":[%b]}' % (
            message_token(upto).encode(),
            b",".join(messages),
        )
        return Extension(text, bool(messages))

    async def _encryption(self, scope: Scope) -> Extension:
        parts = [await self._key_counts.part(scope.stream.user_id, scope.request.reader.device_id)]
        if scope.before.pos:  # who begins asks for everybody's keys anyway
            after = scope.checked
            token = SyncToken(after, 0, 0, "")
            request = SyncRequest(
                scope.request.reader, token, _EVERYTHING, full_state=False, state_after=True
            )
            companions = await self._companions.find(changed_rooms(request, scope.stream), after, scope.now)
            lists = await self._device_lists.part(scope.stream, companions, after, scope.now)
            if lists is not None:
                parts.append(lists)
        return Extension(b'"e2ee":{%b}' % b",".join(parts), len(parts) > 1)

    async def _personal(self, scope: Scope, wanted: Selection, told: Sequence[str]) -> list[Extension]:
        """Return account data: all of what is new to the client, and what has changed since."""
        stream, known = scope.stream, scope.connection.rooms
        everything = not scope.before.account_data
        scope.news.mark.account_data = True
        rows: Sequence[AccountDataRow] = ()
        if everything:
            rows = await self._account_data.global_of(stream.user_id)
        elif stream.latest > scope.checked:
            rows = await self._account_data.changed_since(stream.user_id, scope.checked, scope.now)
        by_room: dict[str, list[AccountDataRow]] = {}
        for row in rows:
            room = known.get(row.room_id)
            if row.room_id == GLOBAL or (room is not None and room.account_data):
                by_room.setdefault(row.room_id, []).append(row)
        for room_id in {*known, *told} if everything else told:
            chosen, sent = scope.windows.rooms.get(room_id), scope.news.rooms.get(room_id)
            before = None if everything else known.get(room_id)
            sent = sent or known.get(room_id)
            if chosen is None or sent is None or not wanted.chooses(room_id, chosen.lists, chosen.subscribed):
                continue
            if before is None or not before.account_data or room_id in scope.starts:
                by_room[room_id] = await self._account_data.of_room(stream.user_id, room_id)
            scope.news.rooms[room_id] = sent._replace(account_data=True)
        of_all = _events(by_room.pop(GLOBAL, ()))
        rooms = {room_id: found for room_id, found in by_room.items() if found}
        if not of_all and not rooms:
            return []
        text = b",".join(b"%b:[%b]" % (json_string(r), _events(found)) for r, found in rooms.items())
        return [Extension(b'"account_data":{"global":[%b],"rooms":{%b}}' % (of_all, text), True)]

    async def _receipts_of(self, scope: Scope, wanted: Selection, told: Sequence[str]) -> list[Extension]:
        user_id, known = scope.stream.user_id, scope.connection.rooms
        parts: list[bytes] = []
        for room_id in told:
            chosen, sent = scope.windows.rooms[room_id], scope.news.rooms.get(room_id)
            activity = scope.stream.joined.get(room_id)
            if sent is None or activity is None or sent.membership != "join":
                continue
            if not wanted.chooses(room_id, chosen.lists, chosen.subscribed):
                continue
            before = known.get(room_id)
            if before is None or not before.receipts or room_id in scope.starts:
                after = scope.starts.get(room_id, before.upto if before is not None else scope.now)
                rows = await self._first_receipts(user_id, activity.number, after, scope.now)
            elif activity.receipts > before.upto:
                rows = await self._receipts.of_room(activity.number, before.upto, scope.now, user_id)
            else:
                rows = []
            scope.news.rooms[room_id] = sent._replace(receipts=True)
            if rows:
                # An event of sliding sync has place for one receipt of a user on an event.
                content = receipts_contents(rows[-MAX_RECEIPTS:])[0]
                event = orjson.dumps({"type": "m.receipt", "content": content})
                parts.append(b"%b:%b" % (json_string(room_id), event))
        return [Extension(b'"receipts":{"rooms":{%b}}' % b",".join(parts), True)] if parts else []

    async def _first_receipts(
        self, user_id: str, room: int, after: Position, now: Position
    ) -> list[ReceiptRow]:
        """Return the receipts that a client needs first: the user's own, and those on the events that it is sent."""
        recent = await self._receipts.of_room(room, after, now, user_id)
        rows = [row for row in recent if row.event_position > after and row.user_id != user_id]
        return rows + await self._receipts.of_user_in_room(user_id, room)

    async def _subscriptions(self, scope: Scope, limit: int) -> list[Extension]:
        """Return which threads the user subscribed to or unsubscribed from; only the latest, if there are many."""
        stream, after = scope.stream, scope.checked if scope.before.pos else 0
        if stream.latest <= after:
            return []
        changes = await self._thread_subscriptions.changes(stream.user_id, after, scope.now, limit)
        if not changes.rows:
            return []
        part: dict[str, Any] = dict(described(changes.rows))
        if changes.rest is not None:
            part["prev_batch"] = page_token(changes.rest)
        return [Extension(b"%b:%b" % (json_string(THREAD_SUBSCRIPTIONS), orjson.dumps(part)), True)]

    def _typists(self, scope: Scope, wanted: Selection) -> list[Extension]:
        """Return who types, where that has changed or is new to the client."""
        before, rooms = scope.before, scope.windows.rooms
        changed: dict[str, list[str]] = {}
        typed = set(before.typists)
        for room_id in (*scope.typing_rooms, *(before.typists - rooms.keys())):
            activity, chosen = scope.stream.joined.get(room_id), rooms.get(room_id)
            typists = [] if activity is None else self._typing.in_room(room_id)
            known = room_id in before.typists
            if chosen is not None and not wanted.chooses(room_id, chosen.lists, chosen.subscribed):
                continue
            if room_id not in scope.connection.rooms and room_id not in scope.news.rooms:
                continue
            if (chosen is None and typists) or not (typists or known):
                continue
            changed[room_id] = typists
            typed = typed | {room_id} if typists else typed - {room_id}
        scope.news.mark.typists = frozenset(typed)
        if not changed:
            return []
        return [Extension(b'"typing":' + orjson.dumps({"rooms": _typing_events(changed)}), True)]


def _events(rows: Sequence[AccountDataRow]) -> bytes:
    return b",".join(b'{"type":%b,"content":%b}' % (json_string(row.type), row.content) for row in rows)


def _typing_events(rooms: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {
        room_id: {"type": "m.typing", "content": {"user_ids": typists}} for room_id, typists in rooms.items()
    }
