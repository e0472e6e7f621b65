"""The rooms of this server: loaded on demand, kept while in use, dropped when memory and disk may disagree."""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.rooms.branches import Branches
from hamrasan.rooms.decision import Decision, EventRedacted
from hamrasan.rooms.new_event import NewEvent, Transaction
from hamrasan.rooms.policy_servers import POLICY
from hamrasan.rooms.room import Member, Room
from hamrasan.rooms.transactions import REMEMBERED, Transactions
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices, give_way
from hamrasan.storage.ports.federated_rooms import FederatedRoomReader
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.rooms import (
    EventReader,
    NewRoom,
    RoomEvents,
    RoomReader,
    StateReader,
)

MAX_LOADED_ROOMS = 4_096
"""Rooms kept in memory while nobody holds them: about 20 kB each for small ones."""
TAIL_ON_LOAD = 32
"""Events read when a room is loaded: what an initial sync asks for is 10 or 20."""

Judge = Callable[[Room, NewEvent], Awaitable[NewEvent]]
"""Returns an event as it can be sent, with the signatures that it needs before; raises if it must not be."""


class RoomRegistry:
    """Loads rooms and writes to them. There is at most one `Room` object for a room, ever."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        events: EventReader,
        state: StateReader,
        rooms: RoomReader,
        federated: FederatedRoomReader,
    ) -> None:
        self.journal = journal
        self.clock = clock
        self.events = events
        self.state = state
        self.rooms = rooms
        self.federated = federated
        self.branches = Branches(events, state, federated)
        self._loaded: weakref.WeakValueDictionary[str, Room] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[str, Room] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Room]] = {}
        self._last_number = 0
        self._judge: Judge | None = None
        journal.listen(RoomEvents, self._committed)
        journal.listen(EventRedacted, self._redacted)
        journal.on_failure(self._drop_undurable)

    @property
    def loaded_count(self) -> int:
        """Return the number of rooms in memory."""
        return len(self._loaded)

    def loaded(self, room_id: str) -> Room | None:
        """Return the room if it is in memory."""
        return self._loaded.get(room_id)

    async def get(self, room_id: str) -> Room:
        """Return the room; raise `M_NOT_FOUND` if this server does not know it. Says nothing about who may see it."""
        room = self._loaded.get(room_id)
        if room is not None:
            if room_id in self._recent:
                self._recent.move_to_end(room_id)
            return room
        loading = self._loading.get(room_id)
        if loading is None:
            loading = self._loading[room_id] = asyncio.ensure_future(self._load(room_id))
            loading.add_done_callback(lambda _: self._loading.pop(room_id, None))
        return await asyncio.shield(loading)

    async def find(self, room_id: str) -> Room | None:
        """Return the room, None if this server does not know it."""
        try:
            return await self.get(room_id)
        except MatrixError as error:
            if error.status == 404:
                return None
            raise

    async def next_number(self) -> int:
        """Return a room number that no other room has."""
        last = await self.rooms.last_room()
        self._last_number = max(last, self._last_number) + 1
        return self._last_number

    def begin(self, room: Room, after: Decision | None = None) -> Decision:
        """Begin a decision about events of `room`, perhaps one with a decision `after` which it comes."""
        return Decision(room, self.journal, self.clock.now_ms(), after)

    def allows(self, room: Room, new: NewEvent) -> bool:
        """Return whether the room's rules would take `new` now; nothing changes."""
        decision = self.begin(room)
        try:
            decision.add(new)
        except MatrixError:
            return False
        decision.undo()
        return True

    async def create(self, room: Room, decision: Decision) -> None:
        """Make a new room durable with its first events."""
        row = room.row
        decision.batch.writes.insert(
            0, NewRoom(row.room, row.room_id, row.version, row.creator, self.journal.next_position)
        )
        done = decision.submit()
        self._keep(room)
        await done

    async def commit(self, room: Room, decision: Decision) -> None:
        """Make a decision durable; an error means that nothing of it was kept."""
        del room  # held by the caller's frame until the commit ended, so that it is not loaded anew meanwhile
        await decision.submit()

    async def send(self, room: Room, new: NewEvent) -> str:
        """Add one event and return its id once it is durable; see `submit`. Raises also `CommitFailed`."""
        event_id, durable = await self.submit(room, new)
        if durable is not None:
            await durable
        return event_id

    async def submit(self, room: Room, new: NewEvent) -> tuple[str, asyncio.Future[None] | None]:
        """Add one event; return its id, and what ends when it is durable, or with `CommitFailed`.

        A repeated transaction gets the first answer, and state that says nothing new the event that said it: with
        these there is nothing to wait for. Raises `NotAllowed` (`M_FORBIDDEN`), `M_TOO_LARGE`, `M_LIMIT_EXCEEDED`.
        """
        if new.txn is not None:
            known = await self.find_transaction(room, new.sender, new.txn)
            if known is not None:
                return known, None
        if new.state_key is not None and (same := self._same_state(room, new)) is not None:
            return same, None
        if POLICY in room.state:
            new = await self.judged(room, new)
            if new.txn is not None and (known := await self.find_transaction(room, new.sender, new.txn)):
                return known, None  # repeated while the first was judged
        decision = self.begin(room)
        stored = decision.add(new)
        return stored.event_id, decision.submit()

    def judge_with(self, judge: Judge) -> None:
        """Have what is sent into rooms with a policy server judged by it."""
        self._judge = judge

    async def judged(self, room: Room, new: NewEvent) -> NewEvent:
        """Return an event with its policy server's signature, if the room has one; to be added without waiting.

        Raises what the policy server refuses.
        """
        if self._judge is None or POLICY not in room.state:
            return new
        return await self._judge(room, new)

    async def find_transaction(self, room: Room, sender: str, txn: Transaction) -> str | None:
        """Return the id of the event that this transaction made before, once that event is durable."""
        transactions = room.transactions
        if transactions is None:
            transactions = await self._load_transactions(room)
        if not transactions.may_know(sender, txn):
            return None
        await self.journal.submit(Batch())  # an empty batch is done when everything before it is
        return await self.events.made_by(room.number, self.journal.durable, sender, *txn)

    async def _load_transactions(self, room: Room) -> Transactions:
        """Return the room's transactions, from the store if this is the first time that they are asked for."""
        await self.journal.submit(Batch())
        await give_way()  # after a restart this is the first thing that each room is asked, and all at once
        rows = await self.events.transactions(room.number, self.journal.durable, REMEMBERED)
        if room.transactions is None:
            room.transactions = Transactions((row.sender, Transaction(*row[1:])) for row in rows)
        return room.transactions

    def _same_state(self, room: Room, new: NewEvent) -> str | None:
        """Return the id of the current state event if `new` says just what it says, so that nothing is added twice."""
        if new.type == "m.room.member":
            return None
        entry = room.state.get((new.type, new.state_key or ""))
        if entry is None or entry.stored.sender != new.sender or entry.event.content != new.content:
            return None
        return entry.stored.event_id if entry.stored.position <= room.durable_head else None

    async def _load(self, room_id: str) -> Room:
        rows = await self.rooms.rooms([room_id])
        if not rows:
            raise not_found("This room is not known here.")
        row = rows[0]
        # Nobody can write to a room that is not loaded, but its last events may still wait to become durable.
        await self.journal.submit(Batch())
        await give_way()
        room = Room(row)
        tail = await self.events.page(row.room, 0, self.journal.durable, TAIL_ON_LOAD, backwards=True)
        room.fill(
            await self.state.current(row.room), tail[::-1], federated := await self.federated.room(row.room)
        )
        slices = Slices(self.clock)
        for member in await self.rooms.members(row.room):
            room.put_member(member.user_id, Member(member.membership, member.position, member.event_id))
            await slices.pause()
        if federated is not None and federated.flipped:
            room.placed = {
                user_id: placed
                for user_id, position, placed in await self.federated.flipped_members(row.room)
                if user_id in room.members and room.members[user_id].position == position
            }
        self._keep(room)
        return room

    def forget(self, room: Room) -> None:
        """Drop a room from memory that is not what the disk holds; it is loaded again when needed."""
        room.stale = True
        self._recent.pop(room.id, None)
        if self._loaded.get(room.id) is room:
            del self._loaded[room.id]

    def _keep(self, room: Room) -> None:
        self._loaded[room.id] = room
        self._recent[room.id] = room
        if len(self._recent) > MAX_LOADED_ROOMS:
            self._recent.popitem(last=False)

    def _committed(self, item: RoomEvents) -> None:
        room = self._loaded.get(item.room_id)
        if room is not None:
            room.committed(item.events)

    def _redacted(self, item: EventRedacted) -> None:
        room = self._loaded.get(item.room_id)
        if room is not None:
            room.redacted(item.redacted)

    def _drop_undurable(self) -> None:
        """Forget every room whose decided view runs ahead of the disk; it is loaded again when needed."""
        for room in list(self._loaded.values()):
            if room.head > self.journal.durable:
                self.forget(room)
