"""What clients from before `/sync` are told of, one event after the other, and how they wait for it."""

from __future__ import annotations

from hamrasan.http.api.client.waiting_client import WaitingClient
from hamrasan.http.request import Request
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.rooms.tokens import page_token
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import MembershipRow
from hamrasan.sync.notifier import UserStream

MAX_CHUNK = 100
"""Events of one answer; the next request goes on after them."""

Found = tuple[Position, ReadableRoom, TimelineEvent]


class EventsAfter:
    """What is asked of `/events`: the next events after a position, of all the requester's rooms or of one."""

    def __init__(
        self, request: Request, services: Services, stream: UserStream, room_id: str | None, after: Position
    ) -> None:
        self.services = services
        self.stream = stream
        self.room_id = room_id
        self.device_id: str = request.requester.device_id
        self._user_id: str = request.requester.user_id
        self._start = self._after = after

    async def compose(self) -> bytes | None:
        """Return the answer; None if there is no event, and then what was looked at is not looked at again."""
        upto = self.services.sync.token().position
        found = sorted(await self._found(), key=lambda item: item[0])
        found = [item for item in found if item[0] <= upto]
        if not found:
            self._after = upto
            return None
        if len(found) >= MAX_CHUNK:
            found = found[:MAX_CHUNK]
            upto = found[-1][0]
        return self._body([await self._written(item) for item in found], upto)

    def nothing(self) -> bytes:
        """Return the answer that holds no event."""
        return self._body([], self._after)

    def _body(self, events: list[bytes], end: Position) -> bytes:
        tokens = page_token(self._start).encode(), page_token(end).encode()
        return b'{"start":"%b","end":"%b","chunk":[%b]}' % (*tokens, b",".join(events))

    async def _written(self, item: Found) -> bytes:
        _, readable, event = item
        reader = Reader(self._user_id, self.device_id)
        return await self.services.renderer.render_one(readable.room, event, reader)

    async def _found(self) -> list[Found]:
        """Return the next events of every room in which something happened, at most `MAX_CHUNK` of each."""
        services, user_id = self.services, self._user_id
        if self.room_id is not None:
            return await self._of_room(await services.access.readable(self.room_id, user_id))
        found: list[Found] = []
        for row in list(self.stream.memberships.values()):
            activity = self.stream.joined.get(row.room_id)
            if activity is not None and activity.latest > self._after:
                found += await self._of_room(await services.access.readable(row.room_id, user_id))
            elif activity is None and row.position > self._after:
                found += await self._of_other(row)
        return found

    async def _of_room(self, readable: ReadableRoom) -> list[Found]:
        timeline = self.services.timeline
        reader = await timeline.reader(readable.room, self._user_id, self.device_id)
        page = await timeline.page(readable, reader, self._after, MAX_CHUNK, backwards=False)
        return [(event.stored.position, readable, event) for event in page.events]

    async def _of_other(self, row: MembershipRow) -> list[Found]:
        """Return the events up to the leaving of a room; of an invite or a knock, that itself."""
        if row.membership in ("leave", "ban"):
            try:
                return await self._of_room(await self.services.access.readable(row.room_id, self._user_id))
            except MatrixError:  # never entered
                pass
        room = await self.services.registry.get(row.room_id)
        readable = ReadableRoom(room, self._user_id, row.position, False)
        stored = await self.services.registry.events.by_ids([row.event_id])
        return [(event.position, readable, TimelineEvent(event)) for event in stored]


class ParkedEvents(WaitingClient):
    """A client that waits for an event."""

    __slots__ = ("_seen", "_waiting")

    def __init__(self, waiting: EventsAfter, timeout: float) -> None:
        super().__init__(waiting.services, "getEvents", timeout)
        self._waiting = waiting
        self._seen: Position = -1
        """Where the server stood when the answer was last begun."""

    @property
    def device_id(self) -> str:
        """The device that waits."""
        return self._waiting.device_id

    def wake(self) -> None:
        """Look for events."""
        if self._connection is None:
            return
        self._leave()
        self._seen = self._services.sync.token().position
        self._compose(self._waiting.compose())

    def _park(self) -> None:
        waiting, services = self._waiting, self._services
        if services.sync.token().position != self._seen:
            self.wake()
            return
        services.notifier.park(waiting.stream, self)
        if waiting.room_id is not None:
            services.watched.watch(waiting.room_id, self.wake)

    def _leave(self) -> None:
        waiting, services = self._waiting, self._services
        services.notifier.unpark(waiting.stream, self)
        if waiting.room_id is not None:
            services.watched.unwatch(waiting.room_id, self.wake)

    def _nothing(self) -> bytes:
        return self._waiting.nothing()
