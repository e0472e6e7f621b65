"""Rooms of several servers, whose events are sealed and signed as they would be on the way to this one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.signing import SigningKey, sign_event
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.reception import Outcome, Reception
from hamrasan.rooms.room import Room
from hamrasan.rooms.verify import Problem, verify_rooms
from hamrasan.storage.sqlite.store import Store, open_store
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, EVE, ZARA, World
from tests.rooms.engine import Engine

__all__ = ["ALICE", "BOB", "CAROL", "DAN", "EVE", "HOME", "REZA", "SARA", "ZARA", "Receiver", "SignedWorld"]

HOME = "home.example"
"""The server under test; nobody of the other worlds' people is there."""
SARA, REZA = "@sara:home.example", "@reza:home.example"


def key_of(server: str) -> SigningKey:
    """Return the key of a server: always the same."""
    return SigningKey("ed25519:a", hashlib.sha256(server.encode()).digest())


def server_of(user_id: str) -> str:
    return user_id.partition(":")[2]


class SignedWorld(World):
    """A world whose events carry their servers' signatures."""

    def make(
        self,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        **how: Any,
    ) -> Event:
        event = super().make(sender, event_type, content, state_key, **how)
        server = server_of(sender)
        signed = sign_event(event.pdu, self.version, server, key_of(server))
        return event_from_pdu(signed, event.event_id, self.room_id)

    def chain_of(self, events: Iterable[Event]) -> list[Event]:
        """Return the auth chains of events."""
        found: dict[str, Event] = {}
        waiting = [cited for event in events for cited in event.auth_events]
        while waiting:
            event_id = waiting.pop()
            if event_id not in found:
                found[event_id] = self.events[event_id]
                waiting += found[event_id].auth_events
        return list(found.values())

    @property
    def state_events(self) -> list[Event]:
        return [self.events[event_id] for event_id in self.state.values()]


def public(version: str = "12", *members: str, levels: Mapping[str, int] | None = None) -> SignedWorld:
    """Return a public room of Alice's with these members; `levels` are power levels of users other than Alice."""
    world = SignedWorld(version)
    world.sets_join_rule(ALICE, "public")
    for user in members:
        world.joins(user)
    if levels is not None:
        own = {} if world.version.authorization.privileged_creators else {ALICE: 100}
        world.sets_power_levels(ALICE, {**own, **levels})
    return world


class Receiver(Engine):
    """The server under test on an open store."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.reception = Reception(self.registry)
        self.federated_events = FederatedEvents(self.registry, HOME, key_of(HOME))

    def restart(self) -> None:
        """Forget everything that is in memory."""
        self.registry = self.fresh_registry()
        self.reception = Reception(self.registry)
        self.federated_events = FederatedEvents(self.registry, HOME, key_of(HOME))

    async def join(self, world: SignedWorld, user: str = SARA) -> Room:
        """Join a world as the server under test does it: its state is told, then comes the join."""
        state = world.state_events
        joined = world.joins(user)
        chain = world.chain_of([*state, joined])
        return await self.reception.seed(world.room_id, world.version.id, state, chain, joined)

    async def add(self, room: Room, *events: Event) -> list[Outcome]:
        """Take events in, one after the other."""
        return [await self.reception.add(room, event) for event in events]

    async def timeline(self, room: Room) -> list[str]:
        """Return the ids of what readers see of a room, the oldest first."""
        page = await self.store.events.page(room.number, -(2**62), 2**62, 10_000, backwards=False)
        return [stored.event_id for stored in page]

    async def state(self, room: Room) -> dict[tuple[str, str], str]:
        """Return the ids of the current state, as the store has it; fail if memory says something else."""
        stored = {
            (s.type, s.state_key or ""): s.event_id
            for s in await self.store.state.at(room.number, self.store.journal.durable)
        }
        held = {key: entry.stored.event_id for key, entry in room.state.items()}
        held |= {("m.room.member", user): member.event_id for user, member in room.members.items()}
        assert held == stored
        rows = {m.user_id: (m.membership, m.event_id) for m in await self.store.rooms.members(room.number)}
        assert rows == {user: (m.membership, m.event_id) for user, m in room.members.items()}
        return stored

    async def problems(self) -> list[Problem]:
        """Return what a check of everything stored finds wrong."""
        store = self.store
        return (await verify_rooms(store.rooms, store.events, store.state, store.federated_rooms)).problems


def on_receiver(data_dir: Path, scenario: Callable[[Receiver], Awaitable[None]]) -> None:
    """Run `scenario` on a server over the store in `data_dir`, in an event loop of its own."""

    async def main() -> None:
        store = open_store(data_dir)
        try:
            await scenario(Receiver(store))
        finally:
            await store.close()

    asyncio.run(main())


def ids(events: Sequence[Event]) -> list[str]:
    return [event.event_id for event in events]
