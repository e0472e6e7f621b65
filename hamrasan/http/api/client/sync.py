"""`/sync` (client-server API, "Syncing"): answered at once if something is new, else parked until something is."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from hamrasan.accounts.presence import ONLINE, STATES
from hamrasan.accounts.requester import Requester
from hamrasan.http.api.client.waiting_client import WaitingClient
from hamrasan.http.query import Query
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, json_bytes
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.filters import Filter
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.tokens import SyncToken, parse_sync_token
from hamrasan.sync.notifier import UserStream
from hamrasan.sync.request import SyncRequest

MAX_TIMEOUT_MS = 120_000
"""Longest wait: proxies on the way cut silent connections after about that."""
_RECENT_QUERIES = 1_024
"""Queries kept parsed: those who were woken together come back with the same one."""


class _Parameters(NamedTuple):
    """The query of a request."""

    since: SyncToken | None
    timeout_ms: int
    presence: str
    filter: str | None
    full_state: bool
    state_after: bool


@lru_cache(_RECENT_QUERIES)
def _parse(query_string: str) -> _Parameters:
    query = Query(query_string)
    since = query.one("since")
    return _Parameters(
        since=None if not since else parse_sync_token(since),
        timeout_ms=query.integer("timeout", 0, 0, MAX_TIMEOUT_MS),
        presence=query.choice("set_presence", STATES, ONLINE),
        filter=query.one("filter"),
        full_state=query.boolean("full_state", False),
        state_after=query.boolean("use_state_after", False),
    )


def sync(request: Request, services: Services) -> Answer | Coroutine[Any, Any, Answer]:
    """Return what changed since the client's token, waiting for it up to the client's timeout.

    A client that comes back from one answer to wait for the next is let in without a coroutine.
    """
    requester, asked = request.requester, _parse(request.query_string)
    user_id = requester.user_id
    chosen, stream = services.filters.recall(user_id, asked.filter), services.notifier.active(user_id)
    if chosen is None or stream is None:
        return _load_and_answer(requester, services, asked)
    wanted = _begin(requester, services, asked, chosen, stream)
    seen = services.sync.token()
    if services.sync.concerns(wanted, stream):
        body = services.sync.quick(wanted, stream)
        return _answer(services, asked, wanted, stream) if body is None else json_bytes(body)
    if not services.sync.is_prepared(wanted):
        return _answer(services, asked, wanted, stream)
    return _nothing_yet(services, asked, wanted, stream, seen)


async def _load_and_answer(requester: Requester, services: Services, asked: _Parameters) -> Answer:
    chosen = await services.filters.resolve(requester.user_id, asked.filter)
    stream = await services.notifier.stream(requester.user_id)
    return await _answer(services, asked, _begin(requester, services, asked, chosen, stream), stream)


def _begin(
    requester: Requester, services: Services, asked: _Parameters, chosen: Filter, stream: UserStream
) -> SyncRequest:
    """Return what is asked for, and take down what the request itself tells: what was received, who is there."""
    user_id, device_id = requester.user_id, requester.device_id
    token = None if asked.since is None else services.sync.current_token(asked.since)
    wanted = SyncRequest(Reader(user_id, device_id), token, chosen, asked.full_state, asked.state_after)
    services.sync.take_receipt(wanted, stream)
    services.presence.synced(user_id, device_id, asked.presence, asked.timeout_ms)
    return wanted


async def _answer(services: Services, asked: _Parameters, wanted: SyncRequest, stream: UserStream) -> Answer:
    seen = services.sync.token()
    body = await services.sync.compose(wanted, stream)
    if body is not None:
        return json_bytes(body)
    await services.sync.prepare(wanted)
    return _nothing_yet(services, asked, wanted, stream, seen)


def _nothing_yet(
    services: Services, asked: _Parameters, wanted: SyncRequest, stream: UserStream, seen: SyncToken
) -> Answer:
    if not asked.timeout_ms:
        return json_bytes(services.sync.nothing_new(wanted, seen))
    return ParkedSync(services, wanted, stream, seen, asked.timeout_ms / 1000)


class ParkedSync(WaitingClient):
    """A client that waits for an answer to `/sync`."""

    __slots__ = ("_nothing_until", "_request", "_seen", "_stream")

    def __init__(
        self, services: Services, request: SyncRequest, stream: UserStream, seen: SyncToken, timeout: float
    ) -> None:
        super().__init__(services, "sync", timeout)
        self._seen = seen
        """Where the server stood when the answer was last begun."""
        self._nothing_until = seen
        """Up to where it is known that there is nothing to tell."""
        self._request = request
        self._stream = stream

    @property
    def device_id(self) -> str:
        """The device that waits."""
        return self._request.reader.device_id

    def wake(self) -> None:
        """Compose the answer."""
        if self._connection is None:
            return
        sync = self._services.sync
        try:
            body = sync.quick(self._request, self._stream)
        except Exception as error:
            self._fail(error)
            return
        if body is not None:
            self._answer(body)
        else:
            self._seen = sync.token()
            self._compose(sync.compose(self._request, self._stream))

    def _answer(self, body: bytes | None) -> None:
        if body is None:
            # What was nothing for this client stays so, even if it would be something now (by a user ignored then).
            self._nothing_until = self._seen
            since = self._seen._replace(presence=self._request.presence)
            self._request = replace(self._request, since=since)
        super()._answer(body)

    def _park(self) -> None:
        if self._services.sync.token() != self._seen:
            self.wake()
        else:
            self._services.notifier.park(self._stream, self)

    def _leave(self) -> None:
        self._services.notifier.unpark(self._stream, self)

    def _nothing(self) -> bytes:
        return self._services.sync.nothing_new(self._request, self._nothing_until)


ROUTES = [
    Route("GET", "/_matrix/client/v3/sync", sync, "sync", Auth.USER, RateClass.READS),
]
