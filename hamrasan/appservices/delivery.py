"""Telling one application service what concerns it (application service API, "Pushing events").

What concerns a service is put into transactions in the commit that moves its cursor on, so each event is in exactly
one of them, and what is in one never changes, whenever the server is killed. They are sent one after another; a service
that does not take one holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hamrasan.appservices.client import ServiceClient
from hamrasan.appservices.interest import Interest
from hamrasan.appservices.news import Extras, News, NewsSources
from hamrasan.policy.application_services import ApplicationService
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.followers import EventFeed, FollowedEvent, Follower
from hamrasan.rooms.membership import MEMBER
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.rendering import Reader, Renderer
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.outbound import OutboundFailed
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.application_services import (
    ApplicationServiceReader,
    DeleteServiceTransaction,
    NewServiceTransaction,
    ServiceTransactionsAdded,
)
from hamrasan.storage.ports.cursors import CursorReader, PutCursor
from hamrasan.storage.ports.invitations import InvitationRow
from hamrasan.storage.ports.journal import Batch, Journal, Position

MAX_TRANSACTION_BYTES = 512 * 1024
"""Of the events in one transaction: half of what the frameworks of bridges take by default, and at least one event."""
MAX_WAITING = 8
"""Transactions that are kept ready; events after these stay where they are until the service has taken some."""
RENDERED_AT_ONCE = 20
"""Events before others get their turn; about a millisecond."""
TIMEOUT_S = 60.0
"""How long a service may take for one transaction: bridges answer when the other network has taken the messages."""
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 300.0
"""The pause after a failure doubles up to five minutes: a service that is back is found soon after, and one that is
away for weeks costs nothing."""
MAX_COMPANIONS = 1_000
"""Members of an encrypted room that a service's user comes into whose devices are told of as new; in a larger one the
service asks for their keys when it first writes to them, as libraries do anyway."""
MAX_INVITATIONS = 1_000
"""Invites of other servers that wait to be told; the oldest go, when a service takes nothing for long."""
ENCRYPTION = "m.room.encryption"
TXN_ID_LETTERS = 20
"""Nobody ever draws the same twice."""


@dataclass(frozen=True, slots=True)
class DeliveryParts:
    """What delivering needs, the same for every service."""

    client: ServiceClient
    journal: Journal
    feed: EventFeed
    cursors: CursorReader
    services: ApplicationServiceReader
    registry: RoomRegistry
    renderer: Renderer
    entropy: Entropy
    sources: NewsSources


class Delivery:
    """Tells one service, from where that stopped, until it is cancelled."""

    def __init__(self, service: ApplicationService, parts: DeliveryParts) -> None:
        self.service = service
        self._parts = parts
        self._cursor = f"application service {service.id}"
        self._waiting: deque[NewServiceTransaction] = deque()
        self._number = 0
        self._changed = asyncio.Event()
        """Something was added to what waits, or taken from it, or there is news."""
        self._retry = asyncio.Event()
        self._invitations: deque[InvitationRow] = deque(maxlen=MAX_INVITATIONS)
        self._changed_outside = asyncio.Event()
        self._composing = asyncio.Lock()
        self._interest: Interest | None = None
        self._news: News | None = None

    async def run(self) -> None:
        """Tell the service. Raises `CommitFailed`; run again, it goes on from what is durable."""
        parts = self._parts
        await parts.journal.submit(Batch())  # what an earlier run has submitted is durable after this
        after = await self._begin_cursor()
        self._waiting = deque(await parts.services.waiting(self.service.id))
        self._number = self._waiting[-1].number if self._waiting else 0
        interest = self._interest = Interest(self.service, parts.registry, after)
        self._news = News(self.service, interest, parts.sources)
        if writes := await self._news.begin(parts.journal.durable):
            await parts.journal.submit(Batch(writes))
        follower = Follower(self._cursor, parts.feed, parts.journal, parts.cursors, self._on_events)
        async with asyncio.TaskGroup() as group:
            group.create_task(follower.run())
            group.create_task(self._tell_news())
            group.create_task(self._tell_invitations())
            group.create_task(self._send_all())

    async def _begin_cursor(self) -> Position:
        """Return where the service has come to. A new one begins now."""
        after = await self._parts.cursors.cursor(self._cursor)
        if after is None:
            after = self._parts.journal.durable
            await self._parts.journal.submit(Batch([PutCursor(self._cursor, after)]))
        return after

    # What happens, told by whoever listens to the journal; synchronous, and quick.

    def added(self, item: ServiceTransactionsAdded) -> None:
        """Take note of transactions that became durable."""
        self._waiting.extend(item.transactions)
        self._changed.set()

    def committed(self, item: object) -> None:
        """Take note of another item of the committed feed."""
        if self._news is not None and self._news.committed(item):
            self._changed.set()

    def typing_changed(self, room_id: str) -> None:
        """Take note that the typists of a room changed."""
        if self._news is not None and self._news.typing_changed(room_id):
            self._changed.set()

    def presence_changed(self, user_id: str) -> None:
        """Take note that the presence of a user changed."""
        if self._news is not None and self._news.presence_changed(user_id):
            self._changed.set()

    def aliases_changed(self, room_id: str) -> None:
        """Take note that the aliases of a room changed."""
        if self._interest is not None:
            self._interest.aliases_changed(room_id)

    def invitation_changed(self, row: InvitationRow) -> None:
        """Take note that a user is invited from outside, or is so no longer: there is no event of it to follow."""
        if self._interest is not None and self._interest.has_user(row.user_id):
            self._invitations.append(row)
            self._changed_outside.set()

    def retry_now(self) -> None:
        """Do not wait any longer: the service is there again."""
        self._retry.set()

    # Putting transactions together.

    async def _on_events(self, events: Sequence[FollowedEvent]) -> Batch | None:
        assert self._interest is not None
        concerning = await self._interest.of_interest(events)
        if not concerning:
            return None
        if self.service.encrypts:
            await self._note_companions(concerning)
        while len(self._waiting) >= MAX_WAITING:
            await self._wait_for_change()
        return await self._batch(await self._rendered(concerning))

    async def _note_companions(self, events: Sequence[FollowedEvent]) -> None:
        """Note whose devices become of interest, or cease to be, because somebody came or left."""
        assert self._news is not None
        assert self._interest is not None
        for room_id, event in events:
            user_id = event.state_key if event.type == MEMBER else None
            if user_id is None:
                continue
            joined = parse_json(event.content).get("membership") == "join"
            if not self._interest.has_user(user_id):
                if joined:
                    self._news.met([user_id])
                else:
                    self._news.parted(user_id)
            elif joined:
                self._news.met(await self._companions(room_id))

    async def _companions(self, room_id: str) -> list[str]:
        """Return the members of an encrypted room that is not too large; nobody of any other."""
        room = await self._room(room_id)
        if room is None or not room.content(ENCRYPTION) or room.joined > MAX_COMPANIONS:
            return []
        return [user_id for user_id, member in room.members.items() if member.membership == "join"]

    async def _tell_news(self) -> None:
        """Send news that no event takes along, as soon as the service has taken what is before them."""
        assert self._news is not None
        while True:
            while self._waiting or self._news.is_empty:
                await self._wait_for_change()
            batch = await self._batch([])
            if batch is not None:
                await self._parts.journal.submit(batch)

    async def _tell_invitations(self) -> None:
        """Send invites into rooms that this server is not in; what a crash takes away is only seen in `/sync`."""
        while True:
            while not self._invitations:
                self._changed_outside.clear()
                await self._changed_outside.wait()
            while len(self._waiting) >= MAX_WAITING:
                await self._wait_for_change()
            batch = await self._batch([_invitation(self._invitations.popleft())])
            if batch is not None:
                await self._parts.journal.submit(batch)

    async def _batch(self, events: Sequence[bytes]) -> Batch | None:
        """Return the batch with the transactions for these events, and with what else is new.

        It has to be submitted before the caller waits for anything, so that the order of numbers is kept.
        """
        assert self._news is not None
        async with self._composing:
            extras = await self._news.take(self._parts.journal.durable)
            rows = [self._transaction(body) for body in _bodies(self.service, events, extras)]
        if not rows and not extras.writes:
            return None
        feed = [ServiceTransactionsAdded(self.service.id, rows)] if rows else []
        return Batch([*rows, *extras.writes], feed=[*feed])

    def _transaction(self, body: bytes) -> NewServiceTransaction:
        self._number += 1
        txn_id = self._parts.entropy.id(TXN_ID_LETTERS)
        return NewServiceTransaction(self.service.id, self._number, txn_id, body)

    async def _rendered(self, events: Sequence[FollowedEvent]) -> list[bytes]:
        """Return events in the client's form, in their order."""
        reader = Reader(self.service.sender, "")
        rendered: list[bytes] = []
        slices = Slices(self._parts.sources.clock)
        start = 0
        while start < len(events):
            room_id, end = events[start].room_id, start
            while end < min(len(events), start + RENDERED_AT_ONCE) and events[end].room_id == room_id:
                end += 1
            timeline = [TimelineEvent(followed.event) for followed in events[start:end]]
            room = await self._room(room_id)
            if room is not None:
                rendered += await self._parts.renderer.render(room, timeline, reader)
            start = end
            await slices.pause()
        return rendered

    async def _room(self, room_id: str) -> Room | None:
        """Return the room; None if it is gone by now."""
        try:
            return await self._parts.registry.get(room_id)
        except MatrixError as error:
            if error.status == 404:
                return None
            raise

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # Sending them.

    async def _send_all(self) -> None:
        while True:
            while not self._waiting:
                await self._wait_for_change()
            transaction = self._waiting[0]
            await self._send(transaction)
            deleted = DeleteServiceTransaction(transaction.service, transaction.number)
            await self._parts.journal.submit(Batch([deleted]))
            self._waiting.popleft()
            self._changed.set()

    async def _send(self, transaction: NewServiceTransaction) -> None:
        """Send a transaction until the service takes it."""
        pause = FIRST_PAUSE_S
        while True:
            self._retry.clear()  # before the try: who says during it that the service is back is not overheard
            problem = await self._try(transaction)
            if problem is None:
                return
            log = get_logger(__name__)
            log.warning(
                "an application service does not take a transaction",
                application_service=self.service.id,
                reason=problem,
                next_try_s=pause,
            )
            try:
                await asyncio.wait_for(self._retry.wait(), pause)
                pause = FIRST_PAUSE_S
            except TimeoutError:
                pause = min(pause * 2, MAX_PAUSE_S)

    async def _try(self, transaction: NewServiceTransaction) -> str | None:
        """Send a transaction once; return why the service has not taken it."""
        try:
            answer = await self._parts.client.ask(
                self.service,
                "PUT",
                f"/_matrix/app/v1/transactions/{transaction.txn_id}",
                timeout_s=TIMEOUT_S,
                body=transaction.body,
                legacy=f"/transactions/{transaction.txn_id}",
            )
        except OutboundFailed as error:
            return str(error)
        return None if 200 <= answer.status < 300 else f"it answers {answer.status}"


def _invitation(row: InvitationRow) -> bytes:
    """Return a membership of a room from outside in the client's form, with what was told of the room."""
    pdu = parse_json(row.event)
    names = ("content", "origin_server_ts", "sender", "state_key", "type")
    event = {"event_id": row.event_id, "room_id": row.room_id, **{name: pdu[name] for name in names}}
    return encode_json({**event, "unsigned": {"invite_room_state": parse_json(row.state)}})


def _bodies(service: ApplicationService, events: Sequence[bytes], extras: Extras) -> Iterator[bytes]:
    """Yield the bodies of transactions that hold all this; what else is new goes into the first."""
    more = extras.members(service)
    chunk: list[bytes] = []
    size = 0
    for event in events:
        if chunk and size + len(event) > MAX_TRANSACTION_BYTES:
            yield _body(chunk, more)
            chunk, size, more = [], 0, b""
        chunk.append(event)
        size += len(event) + 1
    if chunk or more:
        yield _body(chunk, more)


def _body(events: Sequence[bytes], more: bytes) -> bytes:
    return b'{"events":[%b]%b}' % (b",".join(events), more)
