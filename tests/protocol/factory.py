"""Valid rooms in domain words, for every test that needs events.

    room = World(version="11")                     # @alice:example.org creates it and joins, with the usual state
    room.sets_join_rule(ALICE, "public")
    room.joins(BOB)
    left, right = room.fork(), room.fork()         # two branches: own state each, all events in one map
    left.bans(ALICE, BOB)
    right.says(BOB, "hello")

What goes into a world is checked by the authorization rules, so a test that builds something impossible fails where
it builds it. `make` builds an event without adding it (for refusals), `add` adds one unchecked (for what other servers
send). Timestamps come from one clock for all forks; `at=5` sets an event's to five milliseconds after the first.
Events have real hashes and ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from itertools import count
from typing import Any, Self

from hamrasan.protocol.auth_rules import MapAuthState, NotAllowed, auth_types, check_auth
from hamrasan.protocol.event import Event, StateKey, event_from_pdu
from hamrasan.protocol.hashing import room_id_of_create, seal
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from hamrasan.protocol.state_resolution import resolve

ALICE = "@alice:example.org"
BOB = "@bob:example.org"
CAROL = "@carol:remote.example"
DAN = "@dan:remote.example"
EVE = "@eve:elsewhere.example"
ZARA = "@zara:elsewhere.example"

FIRST_TIMESTAMP = 1_700_000_000_000
"""When the clock of a world begins: an ordinary time in milliseconds since 1970."""


class World:
    """One branch of a room: the events so far, and the state after the last of them."""

    def __init__(
        self,
        version: str = "12",
        creator: str = ALICE,
        *,
        create_content: Mapping[str, Any] | None = None,
        only_create: bool = False,
    ) -> None:
        """Create a room; its creator joins, takes the power levels and makes it invite-only unless `only_create`."""
        self.version = ROOM_VERSIONS[version]
        self.creator = creator
        self.events: dict[str, Event] = {}
        self.state: dict[StateKey, str] = {}
        self.heads: list[str] = []
        self._clock = count(FIRST_TIMESTAMP)
        self._numbers = count(1)
        self.room_id = f"!room:{creator.partition(':')[2]}"
        self.create = self._create(create_content or {})
        if not only_create:
            self.joins(creator)
            privileged = self.version.authorization.privileged_creators
            self.sets_power_levels(creator, {} if privileged else {creator: 100})
            self.sets_join_rule(creator, "invite")

    def _create(self, content: Mapping[str, Any]) -> Event:
        rules = self.version.authorization
        full = {"room_version": self.version.id, **content}
        if not rules.creator_from_sender:
            full.setdefault("creator", self.creator)
        event = self.make(self.creator, "m.room.create", full, "")
        if rules.room_id_is_create_hash:
            self.room_id = room_id_of_create(event.event_id)
            event = event_from_pdu(event.pdu, event.event_id, self.room_id)
        check_auth(event, self.auth_state, self.version)
        return self.add(event)

    def fork(self) -> Self:
        """Return a branch that begins here; both know all events, each goes on with its own state."""
        branch = copy(self)
        branch.state, branch.heads = dict(self.state), list(self.heads)
        return branch

    def merged(self, *others: World) -> Self:
        """Return a branch on top of this one and the others, with the resolution of their states."""
        branches: list[World] = [self, *others]
        branch = self.fork()
        branch.state = self.resolved([each.state for each in branches])
        branch.heads = [head for each in branches for head in each.heads]
        return branch

    def resolved(self, states: Sequence[Mapping[StateKey, str]]) -> dict[StateKey, str]:
        """Return the resolution of states that are made of this world's events."""
        return resolve(self.version, states, self.events)

    def picks(self, *events: Event) -> dict[StateKey, str]:
        """Return the state that consists of these state events, as a server with gaps might tell it."""
        return {event.key: event.event_id for event in events if event.key is not None}

    @property
    def auth_state(self) -> MapAuthState:
        """The state as the authorization rules read it."""
        return MapAuthState(
            self.version, {key: self.events[event_id] for key, event_id in self.state.items()}
        )

    def make(
        self,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        *,
        at: int | None = None,
        prev_events: Sequence[str] | None = None,
        auth_events: Sequence[str] | None = None,
        **members: Any,
    ) -> Event:
        """Return an event on top of this branch, allowed or not; `members` go to the top level of the PDU."""
        keys = auth_types(event_type, sender, state_key, content, self.version)
        cited = [self.state[key] for key in keys if key in self.state] if auth_events is None else auth_events
        previous = self.heads if prev_events is None else prev_events
        depth = 1 + max(
            (self.events[event_id].depth for event_id in previous if event_id in self.events), default=0
        )
        pdu: dict[str, Any] = {
            "type": event_type,
            "sender": sender,
            "content": dict(content),
            "origin_server_ts": next(self._clock) if at is None else FIRST_TIMESTAMP + at,
            "depth": depth,
            "prev_events": self._references(previous),
            "auth_events": self._references(cited),
            **members,
        }
        if not (event_type == "m.room.create" and self.version.authorization.room_id_is_create_hash):
            pdu["room_id"] = self.room_id
        if state_key is not None:
            pdu["state_key"] = state_key
        if self.version.hashed_references:
            pdu["event_id"] = f"${next(self._numbers)}:{sender.partition(':')[2]}"
        return event_from_pdu(pdu, seal(pdu, self.version), self.room_id)

    def _references(self, event_ids: Sequence[str]) -> list[Any]:
        if self.version.hashed_references:
            return [[event_id, {"sha256": "uncheckedhash"}] for event_id in event_ids]
        return list(event_ids)

    def add(self, event: Event) -> Event:
        """Put an event on top of this branch without asking the rules."""
        self.events[event.event_id] = event
        self.heads = [event.event_id]
        if event.key is not None:
            self.state[event.key] = event.event_id
        return event

    def send(
        self,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        **how: Any,
    ) -> Event:
        """Add an event that the rules allow; raise `NotAllowed` if they do not."""
        event = self.make(sender, event_type, content, state_key, **how)
        check_auth(event, self.auth_state, self.version, authorised_signed=True)
        return self.add(event)

    def refusal_of(self, event: Event, *, authorised_signed: bool = True) -> NotAllowed:
        """Return why the rules refuse an event on top of this branch; fail if they allow it."""
        try:
            check_auth(event, self.auth_state, self.version, authorised_signed=authorised_signed)
        except NotAllowed as refusal:
            return refusal
        raise AssertionError(f"{event.type} of {event.sender} is allowed")

    def refuses(
        self,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        **how: Any,
    ) -> str:
        """Return the number of the rule that refuses such an event; fail if it is allowed."""
        return self.refusal_of(self.make(sender, event_type, content, state_key, **how)).rule

    def refuses_member(
        self, sender: str, target: str, membership: str, content: Mapping[str, Any] | None = None, **how: Any
    ) -> str:
        """Return the number of the rule that refuses such a change of membership; fail if it is allowed."""
        return self.refuses(
            sender, "m.room.member", {"membership": membership, **(content or {})}, target, **how
        )

    def says(self, sender: str, body: str, **how: Any) -> Event:
        """Send a message."""
        return self.send(sender, "m.room.message", {"msgtype": "m.text", "body": body}, **how)

    def sets_topic(self, sender: str, topic: str, **how: Any) -> Event:
        """Set the topic."""
        return self.send(sender, "m.room.topic", {"topic": topic}, "", **how)

    def sets_join_rule(self, sender: str, rule: str, **how: Any) -> Event:
        """Set the join rule."""
        return self.send(sender, "m.room.join_rules", {"join_rule": rule}, "", **how)

    def sets_power_levels(
        self, sender: str, users: Mapping[str, Any], levels: Mapping[str, Any] | None = None, **how: Any
    ) -> Event:
        """Set the levels of users, and with `levels` the other properties."""
        return self.send(sender, "m.room.power_levels", {"users": dict(users), **(levels or {})}, "", **how)

    def member(
        self, sender: str, target: str, membership: str, content: Mapping[str, Any], **how: Any
    ) -> Event:
        """Change a membership."""
        return self.send(sender, "m.room.member", {"membership": membership, **content}, target, **how)

    def joins(self, user: str, content: Mapping[str, Any] | None = None, **how: Any) -> Event:
        """Let a user join."""
        return self.member(user, user, "join", content or {}, **how)

    def invites(self, sender: str, target: str, **how: Any) -> Event:
        """Invite a user."""
        return self.member(sender, target, "invite", {}, **how)

    def leaves(self, user: str, **how: Any) -> Event:
        """Let a user leave, or decline."""
        return self.member(user, user, "leave", {}, **how)

    def kicks(self, sender: str, target: str, **how: Any) -> Event:
        """Remove a user."""
        return self.member(sender, target, "leave", {}, **how)

    def bans(self, sender: str, target: str, **how: Any) -> Event:
        """Ban a user."""
        return self.member(sender, target, "ban", {}, **how)

    def knocks(self, user: str, **how: Any) -> Event:
        """Let a user ask to be let in."""
        return self.member(user, user, "knock", {}, **how)


def public_world(version: str = "12", *members: str, levels: Mapping[str, int] | None = None) -> World:
    """Return a public room of Alice's with these members; `levels` are power levels of users other than Alice."""
    world = World(version)
    world.sets_join_rule(ALICE, "public")
    for user in members:
        world.joins(user)
    if levels is not None:
        own = {} if world.version.authorization.privileged_creators else {ALICE: 100}
        world.sets_power_levels(ALICE, {**own, **levels})
    return world
