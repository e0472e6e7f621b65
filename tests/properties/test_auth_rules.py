"""What the authorization rules promise for every event and every state, also for nonsense."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hamrasan.protocol.auth_rules import (
    MapAuthState,
    NotAllowed,
    PowerLevels,
    auth_types,
    check_auth,
    check_auth_events,
    deciding_types,
)
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.properties.room_histories import ACTS, BRANCHES, USERS, Act, perform
from tests.protocol.factory import ALICE, BOB, CAROL, World

MAPS = ("users", "events", "notifications")
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(USERS)
)
JSON = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(st.sampled_from([*USERS, "x"]), SCALARS, max_size=3)
)
MEMBERSHIPS = st.sampled_from(["join", "invite", "leave", "ban", "knock"])
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "membership": MEMBERSHIPS | JSON,
        "join_rule": st.sampled_from(["public", "invite", "knock", "restricted", "knock_restricted"]) | JSON,
        "join_authorised_via_users_server": st.sampled_from(USERS) | JSON,
        "third_party_invite": st.fixed_dictionaries(
            {
                "signed": st.fixed_dictionaries(
                    {"mxid": JSON, "token": st.just("t") | JSON, "signatures": JSON}
                )
            }
        )
        | JSON,
        "public_key": JSON,
        "public_keys": st.lists(st.dictionaries(st.just("public_key"), JSON)) | JSON,
        "creator": JSON,
        "additional_creators": JSON,
        "room_version": JSON,
        "m.federate": JSON,
        **dict.fromkeys(MAPS, JSON),
        **dict.fromkeys(("users_default", "state_default", "ban", "kick", "invite", "redact"), JSON),
    },
)
TYPES = st.sampled_from(
    [
        "m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.third_party_invite",
        "m.room.aliases", "m.room.redaction", "m.room.message",
    ]
)  # fmt: skip
STATE_KEYS = st.none() | st.just("") | st.just("t") | st.sampled_from(USERS) | st.text(max_size=5)


def event(event_id: str, room_id: str, kind: str, sender: str, state_key: str | None, content: Any) -> Event:
    """Return an event that went through no check of its format."""
    return Event(event_id, room_id, kind, sender, state_key, content, 0, 1, ["$create"], [], None, {})


class Watched(Mapping[StateKey, Event]):
    """A state that notes what is read."""

    def __init__(self, events: Mapping[StateKey, Event]) -> None:
        self._events = events
        self.read: set[StateKey] = set()

    def __getitem__(self, key: StateKey) -> Event:
        self.read.add(key)
        return self._events[key]

    def __iter__(self) -> Iterator[StateKey]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)


@given(
    version=st.sampled_from(list(ROOM_VERSIONS.values())),
    kind=TYPES,
    sender=st.sampled_from(USERS),
    state_key=STATE_KEYS,
    contents=st.tuples(*[CONTENT] * 5),
    memberships=st.lists(MEMBERSHIPS, min_size=len(USERS), max_size=len(USERS)),
    held=st.sets(st.sampled_from(["m.room.power_levels", "m.room.join_rules", "m.room.third_party_invite"])),
    signed=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_nonsense_is_refused_or_allowed_and_only_the_needed_state_is_read(
    version: Any,
    kind: str,
    sender: str,
    state_key: str | None,
    contents: tuple[dict[str, Any], ...],
    memberships: list[str],
    held: set[str],
    signed: bool,
) -> None:
    keys = {"m.room.power_levels": "", "m.room.join_rules": "", "m.room.third_party_invite": "t"}
    state = {("m.room.create", ""): event("$create", "!create", "m.room.create", ALICE, "", contents[1])}
    for number, name in enumerate(sorted(held)):
        state[name, keys[name]] = event(f"${name}", "!create", name, ALICE, keys[name], contents[2 + number])
    for user, membership in zip(USERS, memberships, strict=True):
        content = {"membership": membership}
        state["m.room.member", user] = event(f"${user}", "!create", "m.room.member", user, user, content)
    watched = Watched(state)
    judged = event("$judged", "!create", kind, sender, state_key, contents[0])
    with suppress(NotAllowed):
        check_auth(judged, MapAuthState(version, watched), version, authorised_signed=signed)
    assert watched.read <= set(deciding_types(kind, sender, state_key, contents[0], version))


@given(
    content=CONTENT | st.none(),
    version=st.sampled_from(list(ROOM_VERSIONS.values())),
    user=st.sampled_from(USERS),
)
@settings(deadline=None)
def test_any_power_levels_can_be_parsed(content: dict[str, Any] | None, version: Any, user: str) -> None:
    levels = PowerLevels(event("$create", "!create", "m.room.create", ALICE, "", {}), content, version)
    for ask in (levels.of, levels.notification):
        with suppress(NotAllowed):
            assert isinstance(ask(user), int | float)


@given(version=st.sampled_from(sorted(ROOM_VERSIONS)), acts=st.lists(ACTS, max_size=25))
@example(version="11", acts=[Act(0, ALICE, "levels", BOB, 2, 0), Act(0, BOB, "levels", CAROL, 2, 0)])
@settings(deadline=None)
def test_nobody_gains_power_that_nobody_gave(version: str, acts: list[Act]) -> None:
    """After each allowed act everybody has at most what they had or what the actor had, and the banned are out."""
    world = World(version)
    world.sets_join_rule(ALICE, "public")
    world.joins(BOB)
    branches = [world] * BRANCHES
    for act in acts:
        if act.what == "meet":
            continue
        before, heads = world.auth_state, list(world.heads)
        perform(act, branches)
        after = world.auth_state
        for user in USERS:
            allowed = max(before.power_levels.of(user), before.power_levels.of(act.who))
            assert after.power_levels.of(user) <= allowed
            if before.membership(user) == "ban" and act.who == user:
                assert world.heads == heads


@given(version=st.sampled_from(sorted(ROOM_VERSIONS)), acts=st.lists(ACTS, max_size=20))
@settings(deadline=None)
def test_what_selection_chooses_passes_and_decides_alike(version: str, acts: list[Act]) -> None:
    """An event that the whole state allows is allowed by its auth events alone."""
    world = World(version)
    world.sets_join_rule(ALICE, "public")
    for act in acts:
        if act.what != "meet":
            perform(act, [world] * BRANCHES)
    for sent in world.events.values():
        check_auth_events(sent, world.events, set(), world.version)
        cited = [world.events[event_id] for event_id in sent.auth_events]
        state = {each.key: each for each in (*cited, world.create) if each.key is not None}
        check_auth(sent, MapAuthState(world.version, state), world.version)
        assert len(cited) <= len(
            auth_types(sent.type, sent.sender, sent.state_key, sent.content, world.version)
        )
