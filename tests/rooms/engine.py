"""The room engine on a real store: rooms are begun and written to as services do it, without accounts and HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hamrasan.protocol.room_versions import room_version
from hamrasan.rooms.new_event import NewEvent, Transaction
from hamrasan.rooms.new_rooms import NewRooms
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import NewRoom
from hamrasan.storage.sqlite.store import Store, open_store
from tests.worlds import ManualClock, SeededEntropy

SERVER = "example.org"
ALICE, BOB, CAROL = "@alice:example.org", "@bob:example.org", "@carol:example.org"
MEMBER, LEVELS, NAME, JOIN_RULES = "m.room.member", "m.room.power_levels", "m.room.name", "m.room.join_rules"

_txns = itertools.count()


class Engine:
    """A registry over an open store."""

    def __init__(self, store: Store, committed: Sequence[Batch] = ()) -> None:
        self.store = store
        self.committed = committed
        """Every batch that became durable, in order."""
        self.clock = ManualClock()
        self.registry = self.fresh_registry()
        self.new_rooms = NewRooms(self.registry, SeededEntropy(), SERVER)

    def fresh_registry(self) -> RoomRegistry:
        """Return a registry that has nothing in memory."""
        store = self.store
        return RoomRegistry(
            store.journal, self.clock, store.events, store.state, store.rooms, store.federated_rooms
        )

    async def room(self, version: str = "12", join_rule: str = "public", **levels: Any) -> Room:
        """Make a room of ALICE's."""
        number = await self.new_rooms.number()
        room, decision = self.new_rooms.begin(number, room_version(version), ALICE, {})
        for event in (
            membership(ALICE, "join"),
            state(LEVELS, levels) if levels else None,
            state(JOIN_RULES, {"join_rule": join_rule}),
        ):
            if event is not None:
                decision.add(event)
        await self.registry.create(room, decision)
        return room

    async def reloaded(self, room: Room) -> Room:
        """Return the room as the store holds it, read by somebody who knows nothing of it."""
        return await self.fresh_registry().get(room.id)

    def break_next_commit(self) -> asyncio.Future[None]:
        """Let the next commit fail, by a row that is there already; what comes with it or later fails, too."""
        taken = NewRoom(1, "!taken:example.org", "12", ALICE, 1)
        return self.store.journal.submit(Batch([taken, taken]))


Scenario = Callable[[Engine], Awaitable[None]]


def on_engine(data_dir: Path, scenario: Scenario) -> None:
    """Run `scenario` on an engine over the store in `data_dir`, in an event loop of its own."""

    async def main() -> None:
        committed: list[Batch] = []
        store = open_store(data_dir, lambda _seconds, batches: committed.extend(batches))
        try:
            await scenario(Engine(store, committed))
        finally:
            await store.close()

    asyncio.run(main())


def message(sender: str, body: str = "سلام", txn: Transaction | None = None, **content: Any) -> NewEvent:
    return NewEvent("m.room.message", sender, {"msgtype": "m.text", "body": body, **content}, txn=txn)


def state(event_type: str, content: Mapping[str, Any], sender: str = ALICE, state_key: str = "") -> NewEvent:
    return NewEvent(event_type, sender, content, state_key)


def membership(user_id: str, value: str, sender: str | None = None) -> NewEvent:
    return NewEvent(MEMBER, sender or user_id, {"membership": value}, user_id)


def new_txn(device_id: str = "PHONE") -> Transaction:
    return Transaction(device_id, f"t{next(_txns)}")


def decided(room: Room) -> dict[str, Any]:
    """Return everything that decides about the next event, as values that can be compared."""
    users = sorted({*room.members, ALICE, BOB, CAROL})
    levels = room.power_levels
    return {
        "state": {key: entry.stored for key, entry in room.state.items()},
        "contents": {key: entry.event.content for key, entry in room.state.items()},
        "members": dict(room.members),
        "order": list(room.members),
        "counts": (room.joined, room.invited),
        "head": (room.head, room.depth, room.extremities),
        "levels": [levels.of(user_id) for user_id in users],
        "thresholds": (levels.ban, levels.kick, levels.invite, levels.redact, levels.events_default),
        "join rule": room.join_rule,
    }


def durable(room: Room) -> dict[str, Any]:
    """Return what readers see of the room's last events."""
    return {"head": room.durable_head, "tail": [event.stored for event in room.tail]}
