"""Simplified sliding sync (MSC4186): answered at once if something is new, else parked until something is.

It has two addresses: the proposal's, and that of its experimental predecessor, which clients use until it is merged.
"""

from __future__ import annotations

from hamrasan.accounts.presence import ONLINE, STATES
from hamrasan.http.api.client.sliding_sync_body import (
    MAX_BODY_BYTES,
    ExperimentalBody,
    StableBody,
    read_experimental,
    read_stable,
)
from hamrasan.http.api.client.sync import MAX_TIMEOUT_MS
from hamrasan.http.api.client.waiting_client import WaitingClient
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Connection, json_bytes
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param
from hamrasan.rooms.rendering import Reader
from hamrasan.storage.ports.journal import Position
from hamrasan.sync.notifier import UserStream
from hamrasan.sync.sliding.connections import Connection as SlidingConnection
from hamrasan.sync.sliding.request import SlidingRequest


async def sliding_sync(request: Request, services: Services) -> Answer:
    """Return what a client does not have of the rooms that it asks for, as the proposal has it."""
    body = request.decode(StableBody)
    presence = ONLINE if body.set_presence is None else body.set_presence
    if presence not in STATES:
        raise invalid_param(f"The field 'set_presence' must be one of: {', '.join(sorted(STATES))}.")
    wanted = read_stable(body, _reader(request))
    return await _answer(services, wanted, min(body.timeout or 0, MAX_TIMEOUT_MS), presence)


async def experimental_sliding_sync(request: Request, services: Services) -> Answer:
    """Return the same in the form of the proposal's predecessor."""
    query = request.query
    timeout_ms = query.integer("timeout", 0, 0, MAX_TIMEOUT_MS)
    presence = query.choice("set_presence", STATES, ONLINE)
    wanted = read_experimental(request.decode(ExperimentalBody), query.one("pos"), _reader(request))
    return await _answer(services, wanted, timeout_ms, presence)


def _reader(request: Request) -> Reader:
    return Reader(request.requester.user_id, request.requester.device_id)


async def _answer(services: Services, wanted: SlidingRequest, timeout_ms: int, presence: str) -> Answer:
    reader, sync = wanted.reader, services.sliding_sync
    stream = services.notifier.active(reader.user_id) or await services.notifier.stream(reader.user_id)
    connection = await sync.connect(wanted)
    turn = connection.begin()
    sync.take_receipt(wanted, stream)
    services.presence.synced(reader.user_id, reader.device_id, presence, timeout_ms)
    seen = sync.moment
    body = await sync.compose(wanted, stream, connection, turn, always=not timeout_ms)
    if body is not None:
        return json_bytes(body)
    return ParkedSlidingSync(services, wanted, stream, connection, turn, seen, timeout_ms / 1000)


class ParkedSlidingSync(WaitingClient):
    """A client that waits for an answer to sliding sync."""

    __slots__ = ("_request", "_seen", "_sliding", "_stream", "_turn")

    def __init__(
        self,
        services: Services,
        request: SlidingRequest,
        stream: UserStream,
        sliding: SlidingConnection,
        turn: int,
        seen: tuple[Position, int],
        timeout: float,
    ) -> None:
        super().__init__(services, "slidingSync", timeout)
        self._request = request
        self._stream = stream
        self._sliding = sliding
        self._turn = turn
        self._seen = seen
        """Where the server stood when the answer was last begun."""

    @property
    def device_id(self) -> str:
        """The device that waits."""
        return self._request.reader.device_id

    def start(self, connection: Connection) -> None:
        """Wait for changes; one may have come since the answer was composed, or another request."""
        if self._sliding.turn != self._turn:
            self._connection = connection
            self.supersede()
            return
        self._sliding.waiting = self
        super().start(connection)

    def supersede(self) -> None:
        """The client has sent another request on the same connection, so it does not wait for this one."""
        self._answer(self._nothing())

    def wake(self) -> None:
        """Compose the answer."""
        if self._connection is None:
            return
        sync, checked = self._services.sliding_sync, self._seen[0]
        self._seen = sync.moment
        self._compose(sync.compose(self._request, self._stream, self._sliding, self._turn, checked))

    def _park(self) -> None:
        if self._services.sliding_sync.moment != self._seen:
            self.wake()
        else:
            self._services.notifier.park(self._stream, self)

    def _leave(self) -> None:
        self._services.notifier.unpark(self._stream, self)
        if self._sliding.waiting is self:
            self._sliding.waiting = None

    def _nothing(self) -> bytes:
        return self._services.sliding_sync.nothing_new(self._request)


_EXPERIMENTAL = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"

ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v4/sync",
        sliding_sync,
        "slidingSync",
        Auth.USER,
        RateClass.READS,
        Body.JSON_OBJECT,
        MAX_BODY_BYTES,
    ),
    Route(
        "POST",
        _EXPERIMENTAL,
        experimental_sliding_sync,
        "experimentalSlidingSync",
        Auth.USER,
        RateClass.READS,
        Body.JSON_OBJECT,
        MAX_BODY_BYTES,
    ),
]
