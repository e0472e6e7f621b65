"""Telling other servers: events in their order, and what goes with them (server-server API, "Transactions").

Nothing is written for each event and server. The committed events are followed; in memory it is noted for which servers
each of them is. One cursor says up to where *all* servers have everything: what comes after it is noted anew after a
restart, and may then be sent a second time, which nobody minds. Only a server that fails or is slow has a cursor of its
own, written when it falls behind and moved as it catches up.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from hamrasan.federation.client import FederationClient, path_of
from hamrasan.federation.destination import MAX_PDUS, Destination, OutgoingEvent, Plan
from hamrasan.federation.edus import EduWriter, OutgoingEdus
from hamrasan.federation.room_servers import RoomServers
from hamrasan.protocol.canonical_json import encode_lenient_canonical, json_string
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.followers import EventFeed, FollowedEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.slices import Slices, give_way
from hamrasan.runtime.tasks import TaskSupervisor, ignore_failure
from hamrasan.storage.ports.cursors import CursorReader, PutCursor
from hamrasan.storage.ports.devices import DeviceReader
from hamrasan.storage.ports.exchange import ExchangeReader, PutLag
from hamrasan.storage.ports.federated_rooms import StateFlipped
from hamrasan.storage.ports.journal import Batch, Journal, Position, Write
from hamrasan.storage.ports.rooms import OUTSIDE, EventReader

CURSOR = "federation"
TIMEOUT_S = 60.0
"""For one transaction: the other server may have to fetch what is missing before it answers."""
TURNS_BEFORE_NOTING = 2
"""Turns of the loop between a commit and noting for whom it is: in these, those who sent are answered."""
MAX_SENDING = 512
"""Transactions under way at the same time to servers that keep up, or seem to: half of all connections there may be."""
MAX_STARTING = 24
"""Transactions that were begun less than `STARTING_S` ago: each may mean a handshake of a millisecond or two, and all
that go on in one turn of the loop hold it up together."""
STARTING_S = 0.5
MAX_RETRYING = 32
"""... and to those that failed before, so that hundreds that are gone do not stand in the way of those that are there.
"""
MAX_PDUS_BYTES = 512 * 1024
"""Of the events in one transaction, but at least one: fifty usual events are far below it, and a transaction stays
below a megabyte, which takes the other server some milliseconds to read."""
CATCH_UP_ALL = 2_000
"""A server that lacks no more events than these gets all of them in order; one that lacks more gets the latest of each
room, and asks for what is between."""
SAVE_INTERVAL_S = 1.0
"""Between two commits of the cursor while something is sent: so much may be sent again after a crash."""
UNSAVED = 1_000
"""Positions after which the cursor is saved though nothing was sent."""
MAX_HOLDING = 1_000
"""Positions by which a server may hold back the common cursor; one that is further behind gets its own."""
SETTLING_S = 0.05
"""Before a server that is behind is looked at again, when what there is for it cannot be read yet."""
FIRST_PAUSE_S = 5.0
MAX_PAUSE_S = 3_600.0
"""The pause after a refusal doubles up to an hour. For servers that cannot be reached see `back_off`."""
MAX_GREETED = 1_000
"""Servers that hear from this one when it starts: so they know that it is there again, and send what it has missed."""
MAX_RECALLED = 5_000
"""Receipts that are looked for after a restart."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SenderParts:
    """What sending needs."""

    own: str
    """The name of this server."""
    client: FederationClient
    federated: FederatedEvents
    feed: EventFeed
    registry: RoomRegistry
    events: EventReader
    devices: DeviceReader
    exchange: ExchangeReader
    cursors: CursorReader
    journal: Journal
    edus: EduWriter
    tasks: TaskSupervisor
    clock: Clock


class Sender:
    """Sends to all other servers, each at its own pace."""

    def __init__(self, parts: SenderParts) -> None:
        self._parts = parts
        self._servers = RoomServers(parts.exchange, parts.own)
        self._destinations: dict[str, Destination] = {}
        self._upto: Position | None = None
        """Every event up to here is noted for those that it is for."""
        self._saved: Position = 0
        self._has_sent = False
        """Whether anything was sent since the cursor was saved."""
        self._sending = asyncio.Semaphore(MAX_SENDING)
        self._starting = asyncio.Semaphore(MAX_STARTING)
        self._retrying = asyncio.Semaphore(MAX_RETRYING)
        self._numbers = itertools.count(1)
        self._run = f"{parts.clock.now_ms()}"
        parts.journal.listen(StateFlipped, lambda item: self._servers.flipped(item.room_id))
        parts.client.back_off.on_alive(self.retry_now)

    # Who has something to tell.

    def destination(self, server: str) -> Destination:
        """Return a server to which something is to be sent; whoever asks notes what that is before they wait."""
        found = self._destinations.get(server)
        if found is None:
            found = self._begin(Destination(server))
        return found

    def retry_now(self, server: str) -> None:
        """Try a server again without waiting: it is there."""
        found = self._destinations.get(server)
        if found is not None:
            found.failures = 0
            found.retry.set()

    @property
    def waiting(self) -> int:
        """How many servers there is something for."""
        return len(self._destinations)

    @property
    def behind(self) -> int:
        """How many servers failed, and have not caught up yet."""
        return sum(destination.is_behind for destination in self._destinations.values())

    def _begin(self, destination: Destination) -> Destination:
        self._destinations[destination.name] = destination
        self._parts.tasks.keep_running("federation sender", partial(self._serve, destination))
        return destination

    # Following what is committed.

    async def run(self) -> None:
        """Follow the committed events until cancelled. Raises `CommitFailed`; run again, it goes on."""
        self._servers.forget()  # it may know what could not be written
        if self._upto is None:
            self._upto = self._saved = await self._recall()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(self._upto))
            group.create_task(self._keep_cursor())

    async def _recall(self) -> Position:
        """Find where an earlier run has come to, and what it left."""
        parts = self._parts
        await parts.journal.submit(Batch())  # what was submitted before is durable after this
        now = parts.journal.durable
        saved = await parts.cursors.cursor(CURSOR)
        if saved is None:
            saved = now
            await parts.journal.submit(Batch([PutCursor(CURSOR, saved)]))
        for lag in await parts.exchange.lags():
            self._begin(Destination(lag.server, lag.sent_upto, recall=True))
        for server in await parts.exchange.servers_with_messages():
            self.destination(server).has_messages = True
        await self._recall_edus(saved, now)
        for server in await parts.exchange.servers(parts.own, MAX_GREETED):
            self.destination(server).is_to_be_greeted = True
        return saved

    async def _recall_edus(self, after: Position, upto: Position, only: Destination | None = None) -> None:
        """Note what changed of receipts and devices, for all servers or only for one."""
        parts = self._parts
        slices = Slices(parts.clock)
        name = None if only is None else only.name
        for receipt in reversed(await parts.exchange.receipts(parts.own, after, upto, MAX_RECALLED, name)):
            await slices.pause()
            if only is not None:
                only.note_receipt(receipt)
                continue
            for server in await parts.exchange.room_servers(receipt.room):
                if server.joined:
                    self.destination(server.server).note_receipt(receipt)
        for user_id, position in await parts.devices.list_changes(after):
            await slices.pause()
            if position <= upto and user_id.endswith(":" + parts.own):
                for shared in await parts.exchange.servers_of_user(user_id):
                    if only is None:
                        self.destination(shared).note_devices(user_id, position)
                    elif shared == name:
                        only.note_devices(user_id, position)

    async def _follow(self, after: Position) -> None:
        async with aclosing(self._parts.feed.follow(after)) as steps:
            async for events, upto in steps:
                for _ in range(TURNS_BEFORE_NOTING):
                    await asyncio.sleep(0)
                await self._note(events)
                self._upto = upto

    async def _note(self, events: Sequence[FollowedEvent]) -> None:
        """Note for which servers these events are."""
        parts = self._parts
        slices = Slices(parts.clock)
        writes: list[Write] = []
        for room_id, stored in events:
            loaded = parts.registry.loaded(room_id)
            if loaded is not None and self._servers.concerns_nobody_else(loaded, stored):
                continue
            if stored.flags & OUTSIDE:
                continue
            try:
                room = loaded or await parts.registry.get(room_id)
            except MatrixError as error:
                if error.status == 404:
                    continue
                raise
            concerned, changes = await self._servers.note(room, stored)
            writes += changes
            if concerned:
                event = OutgoingEvent(room_id, stored)
                for server in concerned:
                    self.destination(server).note_event(event)
                    await slices.pause()
        if writes:
            await parts.journal.submit(Batch(writes))

    # The cursors.

    async def _keep_cursor(self) -> None:
        while True:
            await asyncio.sleep(SAVE_INTERVAL_S)
            await self.save()

    async def save(self) -> None:
        """Save up to where all servers have everything, if that is due."""
        if self._upto is None:
            return
        writes: list[Write] = []
        common = self._upto
        for destination in self._destinations.values():
            floor = destination.floor
            if floor is None or destination.has_cursor or floor >= common:
                continue
            if floor < self._upto - MAX_HOLDING:
                destination.has_cursor = True
                writes.append(PutLag(destination.name, floor))
            else:
                common = floor
        if common > self._saved and (writes or self._has_sent or common - self._saved >= UNSAVED):
            writes.append(PutCursor(CURSOR, common))
        if writes:
            self._has_sent = False
            await self._parts.journal.submit(Batch(writes))
            self._saved = max(self._saved, common)

    def _write(self, writes: Sequence[Write]) -> None:
        """Write without waiting: if it fails, something is sent twice."""
        if writes:
            try:
                self._parts.journal.submit(Batch(list(writes))).add_done_callback(ignore_failure)
            except MatrixError as error:
                _log.info("how far a server is could not be written", reason=error.message)

    # Sending to one server.

    async def _serve(self, destination: Destination) -> None:
        """Send to one server until there is nothing more for it."""
        while destination.has_work:
            await self._wait_for(destination)
            slots = self._retrying if destination.failures or destination.is_behind else self._sending
            async with slots:
                await give_way()  # one after the other, however many an event is for
                await self._send_next(destination)
        if self._destinations.get(destination.name) is destination:
            del self._destinations[destination.name]

    async def _wait_for(self, destination: Destination) -> None:
        """Wait as long as a server is not to be tried."""
        parts = self._parts
        while True:
            destination.retry.clear()
            pause_s = (parts.client.back_off.retry_ts(destination.name) - parts.clock.now_ms()) / 1000
            if destination.failures:
                pause_s = max(
                    pause_s, min(FIRST_PAUSE_S * 2 ** min(destination.failures - 1, 12), MAX_PAUSE_S)
                )
            if pause_s <= 0:
                return
            try:
                await asyncio.wait_for(destination.retry.wait(), pause_s)
            except TimeoutError:
                return

    async def _send_next(self, destination: Destination) -> None:
        """Put the next transaction together, send it, and take note of what came of it."""
        if destination.is_behind:
            await self._plan(destination)
        events = await self._next_events(destination)
        edus = await self._parts.edus.next_of(destination)
        was_planned = destination.plan is not None
        if not (events or edus.texts or destination.is_to_be_greeted):
            if was_planned:
                destination.has_planned(None)
            self._write_cursor(destination, [])
            if destination.is_behind:  # what comes next is noted, but not durable yet
                await asyncio.sleep(SETTLING_S)
            return
        try:
            await self._send(destination, events, edus)
        except MatrixError as error:
            destination.has_messages |= bool(edus.writes)
            self._failed(destination, error)
            return
        destination.failures = 0
        destination.is_to_be_greeted = False
        self._has_sent = True
        if was_planned:
            destination.has_planned(events[-1].position if events else None)
        else:
            destination.has_events(events)
        for taken in edus.taken:
            taken()
        self._write_cursor(destination, edus.writes)

    async def _plan(self, destination: Destination) -> None:
        """Find out what a server that is behind gets next."""
        parts, name = self._parts, destination.name
        if destination.has_to_recall:
            await self._recall_edus(destination.sent_upto, parts.journal.durable, destination)
            destination.has_to_recall = False
        if destination.plan is not None:
            return
        upto = max(self._upto or 0, destination.sent_upto)
        news = await parts.exchange.news_of_rooms(name, parts.own, destination.sent_upto, upto, CATCH_UP_ALL)
        if not news.are_all:
            _log.info("a server gets the latest event of each room", server=name, rooms=len(news.positions))
        destination.plan = Plan(news.positions, upto)
        if not news.positions:
            destination.has_planned(None)

    async def _next_events(self, destination: Destination) -> list[OutgoingEvent]:
        """Return the events of the next transaction, with what is sent of them."""
        if destination.plan is None:
            events = destination.next_events()
        else:
            events = await self._planned_events(destination.plan)
        await self._make_pdus([event for event in events if event.pdu is None])
        size = 0
        for count, event in enumerate(events):
            size += len(event.pdu or b"")
            if size > MAX_PDUS_BYTES and count:
                return events[:count]
        return events

    async def _planned_events(self, plan: Plan) -> list[OutgoingEvent]:
        found = await self._parts.events.by_positions(plan.positions[:MAX_PDUS])
        rooms = await self._parts.exchange.room_ids({stored.room for stored in found})
        return [OutgoingEvent(rooms[stored.room], stored) for stored in found]

    async def _make_pdus(self, events: Sequence[OutgoingEvent]) -> None:
        for event in events:
            event.pdu = encode_lenient_canonical(await self._parts.federated.pdu(event.stored))

    async def _send(
        self, destination: Destination, events: Sequence[OutgoingEvent], edus: OutgoingEdus
    ) -> None:
        parts = self._parts
        body = b'{"edus":[%b],"origin":%b,"origin_server_ts":%d,"pdus":[%b]}' % (
            b",".join(edus.texts),
            json_string(parts.own),
            parts.clock.now_ms(),
            b",".join(event.pdu or b"" for event in events),
        )
        path = path_of("/_matrix/federation/v1/send/{}", f"{self._run}.{next(self._numbers)}")
        answer = await self._put(destination.name, path, body)
        results = answer.get("pdus")
        for event_id, result in results.items() if isinstance(results, dict) else ():
            if isinstance(result, dict) and "error" in result:
                _log.info(
                    "a server does not take an event",
                    server=destination.name,
                    event_id=event_id,
                    reason=str(result["error"])[:200],
                )

    async def _put(self, server: str, path: str, body: bytes) -> dict[str, Any]:
        """Make the request, when not too many others were begun just now."""
        sending = asyncio.ensure_future(self._parts.client.put(server, path, body=body, timeout_s=TIMEOUT_S))
        try:
            async with self._starting:
                await asyncio.wait([sending], timeout=STARTING_S)
            return await sending
        finally:
            if not sending.done():  # this server stops: what the request has open is closed first
                sending.cancel()
                await asyncio.wait([sending])

    def _failed(self, destination: Destination, error: MatrixError) -> None:
        destination.failures += 1
        _log.info("a transaction was not taken", server=destination.name, reason=error.message)
        destination.fall_behind()
        destination.is_to_be_greeted = False
        destination.typing.clear()
        destination.presence.clear()
        floor = destination.floor
        if floor is not None and not destination.has_cursor:
            destination.has_cursor = True
            self._write([PutLag(destination.name, floor)])

    def _write_cursor(self, destination: Destination, writes: Sequence[Write]) -> None:
        cursor = destination.cursor_write()
        self._write(list(writes) if cursor is None else [*writes, cursor])
