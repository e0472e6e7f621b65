"""The answer of sliding sync (MSC4186): what a client on a connection does not have of what it asks for."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from hamrasan.encryption.to_device import ToDevice
from hamrasan.protocol.canonical_json import json_string
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.sync.notifier import Notifier, UserStream
from hamrasan.sync.sliding.connection_registry import Connections
from hamrasan.sync.sliding.connections import Connection, Mark, News
from hamrasan.sync.sliding.extensions import SlidingExtensions
from hamrasan.sync.sliding.lists import RoomLists
from hamrasan.sync.sliding.request import SlidingRequest
from hamrasan.sync.sliding.rooms import SlidingRooms
from hamrasan.sync.sliding.scope import Scope

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""After so many bytes the rest of the rooms is left to the next answer, which comes at once: an answer is built in
memory, and a list may ask for thousands of rooms with a thousand events each."""


class SlidingSync:
    """Composes answers, and keeps what they add to what clients have."""

    def __init__(
        self,
        notifier: Notifier,
        connections: Connections,
        lists: RoomLists,
        rooms: SlidingRooms,
        extensions: SlidingExtensions,
        typing: Typing,
        to_device: ToDevice,
        clock: Clock,
    ) -> None:
        self._notifier = notifier
        self.connections = connections
        self.lists = lists
        self._rooms = rooms
        self._extensions = extensions
        self._typing = typing
        self._to_device = to_device
        self._clock = clock

    @property
    def moment(self) -> tuple[Position, int]:
        """Where the server stands: nothing that sliding sync tells changes without changing this."""
        return self._notifier.durable, self._typing.serial

    async def connect(self, request: SlidingRequest) -> Connection:
        """Return the connection of a request: a new one without `pos`. Raises `M_UNKNOWN_POS`."""
        reader = request.reader
        if request.pos is None:
            return self.connections.open(reader.user_id, reader.device_id, request.conn_id)
        return await self.connections.find(reader.user_id, reader.device_id, request.conn_id, request.pos)

    def take_receipt(self, request: SlidingRequest, stream: UserStream) -> None:
        """Forget the messages that the device has received, by the token that it comes back with."""
        wanted, reader = request.extensions.to_device, request.reader
        if wanted is not None and wanted.since:
            since = min(wanted.since, self._notifier.durable)
            if stream.received(reader.device_id, since):
                self._to_device.acknowledge(reader.user_id, reader.device_id, since)

    async def compose(
        self,
        request: SlidingRequest,
        stream: UserStream,
        connection: Connection,
        turn: int,
        checked: Position = 0,
        *,
        always: bool = False,
    ) -> bytes | None:
        """Return the body of the answer; None if there is nothing new, unless one is wanted `always`.

        Up to `checked` it is known that there is nothing new but for rooms. An answer to a request that is not
        `connection`'s last one any more says nothing: its client does not wait for it.
        """
        windows = await self.lists.windows(request, stream, connection)
        now, typing = self.moment
        before = connection.mark
        news = News(Mark("", now, typing, windows.counts, windows.direct))
        scope = Scope(request, stream, connection, windows, now, max(before.position, checked), news)
        rooms, evaluated = await self._written_rooms(scope)
        extensions = await self._extensions.parts(scope, evaluated)
        if connection.turn != turn:
            return self.nothing_new(request)
        is_news = bool(rooms) or any(part.is_news for part in extensions) or before.counts != windows.counts
        if not (always or is_news or not before.pos):
            return None
        news.mark.pos = connection.next_pos(now)
        self.connections.answered(connection, news)
        return b'{"pos":"%b","lists":%b,"rooms":{%b},"extensions":{%b}}' % (
            news.mark.pos.encode(),
            _lists(windows.counts),
            b",".join(rooms),
            b",".join(part.text for part in extensions),
        )

    def nothing_new(self, request: SlidingRequest) -> bytes:
        """Return the answer to a client that does not wait for it, or for which there is nothing: it goes on from where
        it was.
        """
        return b'{"pos":%b,"lists":{},"rooms":{},"extensions":{}}' % json_string(request.pos or "")

    async def _written_rooms(self, scope: Scope) -> tuple[list[bytes], list[str]]:
        """Return the rooms' parts, and the ids of all rooms that were looked at more closely."""
        written: list[bytes] = []
        evaluated: list[str] = []
        size = 0
        slices = Slices(self._clock)
        joined, typing = scope.stream.joined, scope.before.typing
        for room_id, chosen in scope.windows.rooms.items():
            activity = joined.get(room_id)
            if activity is not None and (activity.typing > typing or room_id not in scope.connection.rooms):
                scope.typing_rooms.append(room_id)
            if size > MAX_ANSWER_BYTES or not self._rooms.concerns(scope, room_id, chosen):
                continue
            await slices.pause()
            evaluated.append(room_id)
            part = await self._rooms.part(scope, chosen)
            if part is not None:
                written.append(b"%b:%b" % (json_string(room_id), part))
                size += len(part)
        return written, evaluated


def _lists(counts: Mapping[str, int]) -> bytes:
    return orjson.dumps({name: {"count": count} for name, count in counts.items()})
