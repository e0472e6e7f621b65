from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamrasan.accounts import presence as module
from hamrasan.accounts.presence import OFFLINE, ONLINE, UNAVAILABLE, Presence, PresenceState
from hamrasan.protocol.errors import MatrixError
from tests.worlds import ManualClock

ALICE, BOB = "@alice:example.org", "@bob:remote.example.org"
PHONE, LAPTOP = "PHONE", "LAPTOP"
POLL_MS = 30_000


class World:
    """Presence, a clock, and what was announced."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.presence = Presence(self.clock)
        self.announced: list[PresenceState] = []
        self.presence.on_change(self.announced.append)

    def state(self, user_id: str = ALICE) -> str:
        """Return a user's state."""
        return self.presence.of(user_id).state

    def poll_for(self, seconds: int, device_id: str = PHONE, set_presence: module.State = ONLINE) -> None:
        """Let time pass while a device polls."""
        for _ in range(0, seconds, POLL_MS // 1000):
            self.presence.synced(ALICE, device_id, set_presence, POLL_MS)
            self.clock.advance(POLL_MS // 1000)
            self.presence.sweep()
        self.presence.synced(ALICE, device_id, set_presence, POLL_MS)


def test_a_user_of_whom_nothing_is_known_is_offline() -> None:
    world = World()
    assert world.presence.of(ALICE).content(world.clock.now_ms()) == {"presence": "offline"}
    assert world.presence.sweep() == 0


def test_a_user_who_syncs_is_online_until_the_poll_and_a_pause_are_over() -> None:
    world = World()
    world.presence.synced(ALICE, PHONE, ONLINE, POLL_MS)
    assert world.state() == ONLINE

    world.clock.advance((POLL_MS + module.DISCONNECTED_AFTER_MS) / 1000 - 1)
    world.presence.sweep()
    assert world.state() == ONLINE
    world.clock.advance(1)
    world.presence.sweep()
    assert world.state() == OFFLINE


def test_a_sync_that_asks_for_offline_leaves_no_trace() -> None:
    world = World()
    world.presence.synced(ALICE, PHONE, OFFLINE, POLL_MS)
    assert world.state() == OFFLINE
    assert world.announced == []


def test_a_user_without_activity_becomes_idle_and_with_one_returns() -> None:
    world = World()
    world.poll_for(module.IDLE_AFTER_MS // 1000 - 30)
    assert world.state() == ONLINE
    world.poll_for(60)
    assert world.state() == UNAVAILABLE
    world.presence.active(ALICE, PHONE)
    assert world.state() == ONLINE


def test_one_device_in_use_is_enough() -> None:
    world = World()
    world.presence.synced(ALICE, LAPTOP, UNAVAILABLE, POLL_MS)
    assert world.state() == UNAVAILABLE
    world.presence.synced(ALICE, PHONE, ONLINE, POLL_MS)
    assert world.state() == UNAVAILABLE  # connecting a second device is no activity while the first is there
    world.presence.active(ALICE, PHONE)
    assert world.state() == ONLINE


def test_a_device_that_goes_leaves_the_state_of_the_others() -> None:
    world = World()
    world.presence.active(ALICE, PHONE)
    world.presence.synced(ALICE, LAPTOP, UNAVAILABLE, 10 * POLL_MS)
    assert world.state() == ONLINE
    world.clock.advance(module.DISCONNECTED_AFTER_MS / 1000)
    world.presence.sweep()
    assert world.state() == UNAVAILABLE


def test_activity_is_announced_once_in_a_while_but_always_known() -> None:
    world = World()
    world.presence.active(ALICE, PHONE)
    for _ in range(5):
        world.clock.advance(5)
        world.presence.active(ALICE, PHONE)
    assert [state.currently_active for state in world.announced] == [True]
    assert world.presence.of(ALICE).content(world.clock.now_ms()) == {
        "presence": "online",
        "last_active_ago": 0,
        "currently_active": True,
    }

    world.poll_for(module.CURRENTLY_ACTIVE_MS // 1000)
    assert [state.currently_active for state in world.announced] == [True, False]
    assert (
        world.presence.of(ALICE).content(world.clock.now_ms())["last_active_ago"]
        == module.CURRENTLY_ACTIVE_MS
    )


def test_an_activity_brings_the_next_change_forward() -> None:
    """The poll of ten minutes was noted first; what is due after one minute must not wait for it."""
    world = World()
    world.presence.synced(ALICE, PHONE, UNAVAILABLE, 10 * 60_000)
    world.presence.active(ALICE, PHONE)
    world.clock.advance(module.CURRENTLY_ACTIVE_MS / 1000)
    world.presence.sweep()
    assert world.state() == ONLINE
    assert not world.presence.of(ALICE).currently_active


def test_a_user_sets_state_and_status() -> None:
    world = World()
    world.presence.synced(ALICE, PHONE, ONLINE, POLL_MS)
    world.presence.set(ALICE, PHONE, "unavailable", "در جلسه")
    assert world.presence.of(ALICE).content(world.clock.now_ms()) == {
        "presence": "unavailable",
        "last_active_ago": 0,
        "status_msg": "در جلسه",
    }
    world.presence.set(ALICE, PHONE, "offline", "در جلسه")
    assert world.state() == OFFLINE
    world.presence.set(ALICE, PHONE, "online", None)
    assert world.state() == ONLINE
    assert world.presence.of(ALICE).status_msg is None


@pytest.mark.parametrize(("state", "status"), [("busy", None), ("", None), ("online", "x" * 1_001)])
def test_a_presence_that_does_not_exist_is_refused_and_changes_nothing(
    state: str, status: str | None
) -> None:
    world = World()
    world.presence.set(ALICE, PHONE, "unavailable", "here")
    serial = world.presence.serial
    with pytest.raises(MatrixError) as caught:
        world.presence.set(ALICE, PHONE, state, status)
    assert (caught.value.status, caught.value.errcode) == (400, "M_BAD_JSON")
    assert world.presence.serial == serial
    assert world.state() == UNAVAILABLE


def test_changes_are_found_by_serial_number_the_newest_first() -> None:
    world = World()
    start = world.presence.serial
    world.presence.active(ALICE, PHONE)
    world.presence.receive(BOB, "online", None, 5_000, True)
    after_bob = world.presence.serial
    world.presence.set(ALICE, PHONE, "unavailable", None)

    assert [state.user_id for state in world.presence.changed_since(start)] == [ALICE, BOB]
    assert [state.user_id for state in world.presence.changed_since(after_bob)] == [ALICE]
    assert list(world.presence.changed_since(world.presence.serial)) == []


def test_serial_numbers_after_a_restart_lie_above_those_before() -> None:
    world = World()
    world.presence.active(ALICE, PHONE)
    before = world.presence.serial
    world.clock.advance(1)
    after = Presence(world.clock)
    after.receive(BOB, "online", None, 0, True)
    assert after.of(BOB).serial > before


def test_what_another_server_told_expires() -> None:
    world = World()
    world.presence.receive(BOB, "online", "away soon", 1_000, True)
    assert world.presence.of(BOB).content(world.clock.now_ms()) == {
        "presence": "online",
        "last_active_ago": 1_000,
        "status_msg": "away soon",
        "currently_active": True,
    }
    world.clock.advance(module.REMOTE_LIFETIME_MS / 1000 - 1)
    world.presence.sweep()
    world.presence.receive(BOB, "online", "away soon", 1_000, True)
    world.clock.advance(2)
    world.presence.sweep()
    assert world.state(BOB) == ONLINE
    world.clock.advance(module.REMOTE_LIFETIME_MS / 1000)
    world.presence.sweep()
    assert world.state(BOB) == OFFLINE


def test_a_user_who_is_forgotten_is_offline_and_without_status() -> None:
    world = World()
    world.presence.set(ALICE, PHONE, "online", "here")
    world.presence.set(BOB, PHONE, "online", "here")
    world.presence.forget(ALICE)
    shown = world.presence.of(ALICE)
    assert (shown.state, shown.status_msg) == (OFFLINE, None)
    assert world.state(BOB) == ONLINE


def test_what_has_fallen_due_at_once_is_swept_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_LIMIT", 4)
    monkeypatch.setattr(module, "SWEEP_INTERVAL_S", 3_600.0)
    world = World()
    users = [f"@user{number}:example.org" for number in range(10)]
    for user_id in users:
        world.presence.synced(user_id, PHONE, UNAVAILABLE, 0)
    world.clock.advance(module.DISCONNECTED_AFTER_MS / 1000)

    async def main() -> None:
        sweeping = asyncio.create_task(world.presence.keep_sweeping())
        for _ in range(5):
            await asyncio.sleep(0)
        sweeping.cancel()

    asyncio.run(main())
    assert {world.state(user_id) for user_id in users} == {OFFLINE}


def test_memory_is_bounded_by_users_and_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 10)
    monkeypatch.setattr(module, "MAX_DEVICES", 3)
    world = World()
    for number in range(12):
        world.presence.active(f"@user{number}:example.org", PHONE)
    assert world.state("@user0:example.org") == OFFLINE
    assert world.state("@user2:example.org") == ONLINE
    assert len(list(world.presence.changed_since(0))) == 10

    for number in range(5):
        world.presence.synced("@user11:example.org", f"DEVICE{number}", UNAVAILABLE, POLL_MS)
    assert world.state("@user11:example.org") == UNAVAILABLE  # the one that was online has made room


def test_a_sweep_stops_at_its_limit_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_LIMIT", 4)
    world = World()
    users = [f"@user{number}:example.org" for number in range(6)]
    for user_id in users:
        world.presence.synced(user_id, PHONE, UNAVAILABLE, 0)
    world.clock.advance(module.DISCONNECTED_AFTER_MS / 1000)
    assert world.presence.sweep() == 4
    assert world.presence.sweep() == 2
    assert {world.state(user_id) for user_id in users} == {OFFLINE}


def test_a_device_that_changes_its_mind_with_every_request_is_not_followed() -> None:
    world = World()
    for number in range(100):
        world.presence.synced(ALICE, PHONE, (ONLINE, UNAVAILABLE)[number % 2], 0)
        world.clock.advance(0.1)
    assert len(world.announced) <= 1 + 10_000 / module.SYNC_CHANGE_MS
    world.clock.advance(module.SYNC_CHANGE_MS / 1000)
    world.presence.synced(ALICE, PHONE, UNAVAILABLE, 0)
    assert world.state() == UNAVAILABLE
    world.presence.set(ALICE, PHONE, ONLINE, None)
    assert world.state() == ONLINE, "what the user asks for is heeded at once"


USERS = st.sampled_from([ALICE, BOB, "@carol:example.org"])
DEVICES = st.sampled_from([PHONE, LAPTOP])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sync"), USERS, DEVICES, st.sampled_from([ONLINE, UNAVAILABLE, OFFLINE])),
        st.tuples(st.just("active"), USERS, DEVICES),
        st.tuples(st.just("set"), USERS, DEVICES, st.sampled_from([ONLINE, UNAVAILABLE, OFFLINE])),
        st.tuples(st.just("wait"), st.integers(0, 900)),
        st.tuples(st.just("sweep")),
    ),
    max_size=40,
)


def play(world: World, step: tuple[str, ...]) -> None:
    """Let one step of a random story happen."""
    match step:
        case ("sync", user_id, device_id, state):
            world.presence.synced(user_id, device_id, state, POLL_MS)
        case ("active", user_id, device_id):
            world.presence.active(user_id, device_id)
        case ("set", user_id, device_id, state):
            world.presence.set(user_id, device_id, state, None)
        case ("wait", seconds):
            world.clock.advance(float(seconds))
        case _:
            world.presence.sweep()


@settings(max_examples=150)
@given(STEPS)
def test_whatever_happened_everybody_is_offline_once_all_is_quiet_and_each_change_was_told(
    steps: list[tuple[str, ...]],
) -> None:
    world = World()
    start = world.presence.serial
    for step in steps:
        play(world, step)
    while world.presence.sweep():
        pass
    # Alone the heap says when to look again: nothing may be forgotten in it.
    world.clock.advance((POLL_MS + module.DISCONNECTED_AFTER_MS) / 1000)
    while world.presence.sweep():
        pass

    told = {state.user_id: state for state in world.announced}
    assert {state.state for state in told.values()} <= {OFFLINE}
    assert all(world.presence.of(user_id) == state for user_id, state in told.items())
    serials = [state.serial for state in world.announced]
    assert serials == list(range(start + 1, start + 1 + len(serials)))
    shown = [state.serial for state in world.presence.changed_since(start)]
    assert shown == sorted(shown, reverse=True)
    assert set(shown) == {state.serial for state in told.values()}
