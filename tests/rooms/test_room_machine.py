"""Whatever happens in a room: memory and disk agree, and a room that is read again is the same room."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.room import Room
from hamrasan.rooms.verify import verify_rooms
from hamrasan.storage.ports.journal import CommitFailed
from hamrasan.storage.sqlite.store import Store, open_store
from tests.rooms.engine import (
    ALICE,
    BOB,
    CAROL,
    LEVELS,
    NAME,
    Engine,
    decided,
    durable,
    membership,
    message,
    new_txn,
    state,
)

T = TypeVar("T")

USERS = st.sampled_from([ALICE, BOB, CAROL])
LEVEL = st.sampled_from([0, 25, 50, 75, 100])
MEMBERSHIPS = st.sampled_from(["join", "leave", "invite", "ban", "knock"])
VERSIONS = st.sampled_from(["3", "6", "7", "9", "10", "11", "12"])
JOIN_RULE = st.sampled_from(["public", "invite", "knock"])


class RoomMachine(RuleBasedStateMachine):
    """People do things in a room, allowed or not, one by one or in one decision; sometimes the disk fails."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.engine = Engine(self.run(self.open()))
        self.sent: list[str] = []

    async def open(self) -> Store:
        return open_store(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            self.run(self.check_store())
        finally:
            self.run(self.engine.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def check_store(self) -> None:
        store = self.engine.store
        found = await verify_rooms(store.rooms, store.events, store.state, store.federated_rooms)
        assert found.problems == []

    @initialize(version=VERSIONS, join_rule=JOIN_RULE)
    def begin(self, version: str, join_rule: str) -> None:
        self.room: Room = self.run(self.engine.room(version, join_rule))

    async def attempt(self, *events: NewEvent) -> None:
        """Let one decision add these events; if the room refuses one of them, it has not changed."""
        before = decided(self.room), durable(self.room), self.engine.store.journal.next_position
        decision = self.engine.registry.begin(self.room)
        try:
            accepted = [decision.add(event) for event in events]
        except MatrixError:
            assert (decided(self.room), durable(self.room), self.engine.store.journal.next_position) == before
            return
        await self.engine.registry.commit(self.room, decision)
        self.sent += [stored.event_id for stored in accepted]

    @rule(sender=USERS, body=st.text(max_size=5), known_device=st.booleans())
    def says(self, sender: str, body: str, known_device: bool) -> None:
        self.run(self.attempt(message(sender, body, new_txn() if known_device else None)))

    @rule(sender=USERS, whose=USERS, value=MEMBERSHIPS)
    def changes_membership(self, sender: str, whose: str, value: str) -> None:
        self.run(self.attempt(membership(whose, value, sender)))

    @rule(sender=USERS, name=st.sampled_from(["Roof", "Cellar", ""]))
    def names_the_room(self, sender: str, name: str) -> None:
        self.run(self.attempt(state(NAME, {"name": name}, sender)))

    @rule(sender=USERS, rule=JOIN_RULE)
    def sets_the_join_rule(self, sender: str, rule: str) -> None:
        self.run(self.attempt(state("m.room.join_rules", {"join_rule": rule}, sender)))

    @rule(sender=USERS, users=st.dictionaries(USERS, LEVEL, max_size=3), invite=LEVEL, redact=LEVEL)
    def sets_levels(self, sender: str, users: dict[str, int], invite: int, redact: int) -> None:
        content = {"users": users, "invite": invite, "redact": redact, "state_default": 25}
        self.run(self.attempt(state(LEVELS, content, sender)))

    @rule(first=USERS, second=USERS, value=MEMBERSHIPS)
    def several_at_once(self, first: str, second: str, value: str) -> None:
        self.run(self.attempt(message(first), membership(second, value, first), message(second)))

    @precondition(lambda self: self.sent)
    @rule(sender=USERS, choice=st.randoms(use_true_random=False))
    def redacts(self, sender: str, choice: Any) -> None:
        async def redact() -> None:
            target = await self.engine.store.events.by_id(choice.choice(self.sent))
            assert target is not None
            await self.attempt(NewEvent("m.room.redaction", sender, {"reason": "x"}, redacts=target))

        self.run(redact())

    @rule(sender=USERS, name=st.sampled_from(["Roof", "Cellar"]))
    def the_disk_fails(self, sender: str, name: str) -> None:
        async def fail() -> None:
            expected = decided(self.room), durable(self.room)
            broken = self.engine.break_next_commit()
            decision = self.engine.registry.begin(self.room)
            try:
                decision.add(state(NAME, {"name": name}, sender))
            except MatrixError:
                lost = None
            else:
                lost = decision.submit()
            outcomes = await asyncio.gather(broken, *([lost] if lost else []), return_exceptions=True)
            assert all(isinstance(outcome, CommitFailed) for outcome in outcomes)
            assert self.room.stale == (lost is not None)
            self.room = await self.engine.registry.get(self.room.id)
            assert (decided(self.room), durable(self.room)["head"]) == (expected[0], expected[1]["head"])

        self.run(fail())

    @invariant()
    def a_reloaded_room_is_the_same(self) -> None:
        if not hasattr(self, "room"):
            return
        again = self.run(self.engine.reloaded(self.room))
        assert decided(self.room) == decided(again)
        known = min(len(self.room.tail), len(again.tail))
        assert durable(self.room)["head"] == durable(again)["head"]
        assert durable(self.room)["tail"][-known:] == durable(again)["tail"][-known:]
        joined = [user_id for user_id, member in again.members.items() if member.membership == "join"]
        assert again.joined == len(joined)


RoomMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRoomMachine = RoomMachine.TestCase
