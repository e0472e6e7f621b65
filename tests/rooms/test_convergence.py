"""Servers that have the same events of a room come to the same state, in whatever order the events came to them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hamrasan.protocol.auth_rules import NotAllowed
from hamrasan.protocol.event import Event, StateKey
from hamrasan.rooms.reception import Outcome
from tests.rooms.engine import decided
from tests.rooms.signed_worlds import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    EVE,
    SARA,
    ZARA,
    Receiver,
    SignedWorld,
    on_receiver,
    public,
)

PEOPLE = (ALICE, BOB, CAROL, DAN, EVE, ZARA)
ACTIONS = (
    "speak",
    "topic",
    "name",
    "levels",
    "ban",
    "unban",
    "join",
    "leave",
    "rule",
    "fork",
    "fork",
    "merge",
)
VERSIONS = ("3", "6", "11", "12")

States = dict[str, Mapping[StateKey, str]]


class Country:
    """A room on several servers that are cut off from each other now and then."""

    def __init__(self, version: str, random: Random) -> None:
        self.random = random
        self.begin = public(version, BOB, CAROL, DAN, EVE, levels={CAROL: 50, EVE: 50, DAN: 10})
        self.version = version
        self.told = self.begin.state_events
        self.joined = self.begin.joins(SARA)
        self.sent: list[Event] = []
        self.before: States = {}
        self.after: States = {}
        self.branches: list[SignedWorld] = [self.begin]

    def act(self) -> None:
        """Let something happen somewhere; what the rules refuse does not."""
        random = self.random
        world = random.choice(self.branches)
        what = random.choice(ACTIONS)
        who, whom = random.choice(PEOPLE), random.choice(PEOPLE[1:])  # ALICE stays
        if what == "fork" and len(self.branches) < 4:
            self.branches.append(world.fork())
        elif what == "merge" and len(self.branches) > 1:
            other = random.choice([each for each in self.branches if each is not world])
            if set(other.heads) != set(world.heads) and len(other.heads) == len(world.heads) == 1:
                self.branches.remove(other)
                self.branches[self.branches.index(world)] = world.merged(other)
        else:
            before = dict(world.state)
            try:
                event = self._send(world, what, who, whom)
            except NotAllowed:
                return
            if event is not None:
                self._note(event, before, world)

    def _send(self, world: SignedWorld, what: str, who: str, whom: str) -> Event | None:
        random = self.random
        match what:
            case "speak":
                return world.says(who, str(random.random()))
            case "topic":
                return world.sets_topic(who, str(random.random()))
            case "name":
                return world.send(who, "m.room.name", {"name": str(random.random())}, "")
            case "levels":
                users = {each: random.choice((0, 10, 50)) for each in random.sample(PEOPLE[1:], 3)}
                own = {} if self.version == "12" else {ALICE: 100}
                return world.sets_power_levels(who, {**own, **users})
            case "ban":
                return world.bans(who, whom)
            case "unban" | "leave":
                return world.member(who, whom, "leave", {})
            case "join":
                return world.joins(who)
            case "rule":
                return world.sets_join_rule(who, random.choice(("public", "invite")))
        return None

    def _note(self, event: Event, before: Mapping[StateKey, str], world: SignedWorld) -> None:
        self.sent.append(event)
        self.before[event.event_id], self.after[event.event_id] = before, dict(world.state)

    def come_together(self) -> SignedWorld:
        """Let Alice send something that follows everything."""
        for world in self.branches:
            if len(world.heads) > 1:
                self._say(world)
        first, *others = self.branches
        world = first.merged(*others) if others else first
        self._say(world)
        return world

    def _say(self, world: SignedWorld) -> None:
        before = dict(world.state)
        self._note(world.says(ALICE, "همه با هم"), before, world)

    def in_some_order(self, random: Random) -> list[Event]:
        """Return what was sent so that everything comes after what it follows."""
        waiting, came, ordered = list(self.sent), {self.joined.event_id}, []
        while waiting:
            ready = [event for event in waiting if came.issuperset(event.prev_events)]
            event = random.choice(ready)
            waiting.remove(event)
            came.add(event.event_id)
            ordered.append(event)
        return ordered


async def _receive(receiver: Receiver, country: Country, order: list[Event]) -> Mapping[StateKey, str]:
    chain = country.begin.chain_of([*country.told, country.joined])
    room = await receiver.reception.seed(
        country.begin.room_id, country.version, country.told, chain, country.joined
    )
    kept = [country.joined.event_id]
    for event in order:
        outcome = await receiver.reception.add(room, event)
        assert outcome in (Outcome.ACCEPTED, Outcome.SOFT_FAILED)
        if outcome is Outcome.ACCEPTED:
            kept.append(event.event_id)
        await receiver.state(room)
    assert await receiver.timeline(room) == kept
    for event in order:
        assert (
            await receiver.federated_events.state_before(room, event.event_id)
            == country.before[event.event_id]
        )
        assert (
            await receiver.federated_events.state_after(room, event.event_id) == country.after[event.event_id]
        )
    held = decided(room)
    receiver.restart()
    again = await receiver.registry.get(room.id)
    assert decided(again) == held
    assert (again.extremities, again.listed) == ((order[-1].event_id,), False)
    assert await receiver.problems() == []
    return await receiver.state(again)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), version=st.sampled_from(VERSIONS), length=st.integers(1, 40))
def test_the_order_of_arrival_makes_no_difference_in_the_end(seed: int, version: str, length: int) -> None:
    random = Random(seed)
    country = Country(version, random)
    for _ in range(length):
        country.act()
    together = country.come_together()
    found: list[Mapping[StateKey, str]] = []

    async def scenario(receiver: Receiver) -> None:
        found.append(await _receive(receiver, country, country.in_some_order(random)))

    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            on_receiver(Path(folder), scenario)
    assert found == [together.state, together.state]
