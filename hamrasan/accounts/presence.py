"""Presence (client-server API, "Presence"): who is there right now. Kept in memory; a restart begins anew.

A user's presence follows from their devices and their last activity. Nothing runs for a user while nothing happens: the
next moment at which time alone changes something is noted in a heap, and `sweep` handles what has fallen due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Literal

from hamrasan.protocol.errors import bad_json
from hamrasan.runtime.clock import Clock

State = Literal["online", "unavailable", "offline"]
ONLINE: State = "online"
UNAVAILABLE: State = "unavailable"
OFFLINE: State = "offline"
STATES: frozenset[str] = frozenset({ONLINE, UNAVAILABLE, OFFLINE})

IDLE_AFTER_MS = 5 * 60_000
"""Without activity for this long a user is `unavailable` ("Idle timeout" suggests five minutes)."""
CURRENTLY_ACTIVE_MS = 60_000
"""So long after an activity a user counts as currently active, and further activities are not announced."""
DISCONNECTED_AFTER_MS = 30_000
"""A device that has not asked again so long after its poll ended is gone; bad links need some seconds to return."""
REMOTE_LIFETIME_MS = 30 * 60_000
"""What another server told last counts for so long; servers repeat the presence of users who are there."""
SYNC_CHANGE_MS = 2_000
"""So long after a user's devices changed their state with /sync they keep it: each change wakes those who share a room
with the user, and /sync may be asked dozens of times a second."""
MAX_USERS = 200_000
"""Users in memory, about 100 MB. The one whose presence changed longest ago is forgotten first."""
MAX_DEVICES = 100
"""Devices of one user that count; nobody holds more in their hands."""
MAX_STATUS_CHARS = 1_000
"""A status message is sent to everybody who shares a room with the user."""
SWEEP_INTERVAL_S = 1.0
"""Time between two sweeps: nobody sees the difference to an exact timer."""
SWEEP_LIMIT = 2_000
"""Users handled by one `sweep`, so that it stays below two milliseconds or so."""


@dataclass(slots=True)
class PresenceState:
    """What others are told of a user."""

    user_id: str
    state: State
    status_msg: str | None
    last_active_ms: int
    """Time of the last activity in milliseconds since the Unix epoch; 0 for never."""
    currently_active: bool
    serial: int
    """Serial number of the last change, which grows with every change of anybody; 0 if there was none."""

    def content(self, now_ms: int) -> dict[str, Any]:
        """Return the content of an `m.presence` event, which is also the answer of `GET /presence/{userId}/status`."""
        content: dict[str, Any] = {"presence": self.state}
        if self.last_active_ms:
            content["last_active_ago"] = max(0, now_ms - self.last_active_ms)
        if self.status_msg is not None:
            content["status_msg"] = self.status_msg
        if self.state == ONLINE:
            content["currently_active"] = self.currently_active
        return content


@dataclass(slots=True)
class _Device:
    state: State
    connected_until_ms: int


@dataclass(slots=True)
class _User:
    shown: PresenceState
    devices: dict[str, _Device] = field(default_factory=dict)
    changed_ms: int = 0
    """When one of the user's devices last changed its state with /sync."""
    remote_until_ms: int = 0
    """For users of other servers: when what their server told expires; 0 for users of this server."""
    noted_ms: int = 0
    """The moment for which the user stands in the heap; 0 for none. Other entries of the user there are void."""


class Presence:
    """Knows the presence of users, and numbers its changes for /sync."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # In the order of the last change, so that the newest changes are found from the end.
        self._users: dict[str, _User] = {}
        self._heap: list[tuple[int, str]] = []
        # Begins with the time, so that numbers handed out before a restart are below those after it.
        self.serial = clock.now_ms()
        """Serial number of the last change of anybody."""
        self._listeners: list[Callable[[PresenceState], None]] = []

    def on_change(self, listener: Callable[[PresenceState], None]) -> None:
        """Call `listener` with each change that others are told of."""
        self._listeners.append(listener)

    def of(self, user_id: str) -> PresenceState:
        """Return a user's presence; `offline` for those of whom nothing is known."""
        user = self._users.get(user_id)
        return PresenceState(user_id, OFFLINE, None, 0, False, 0) if user is None else user.shown

    def changed_since(self, serial: int) -> Iterator[PresenceState]:
        """Iterate over the users whose presence changed after `serial`, the newest change first."""
        for user in reversed(self._users.values()):
            if user.shown.serial > serial:
                yield user.shown
            elif user.shown.serial:  # 0: nothing to tell yet, standing among those who just changed
                return

    def synced(self, user_id: str, device_id: str, set_presence: str, timeout_ms: int) -> None:
        """A device asks for /sync with `set_presence` and will wait up to `timeout_ms`; `offline` leaves no trace.

        A state that differs from the device's last one is not heeded right after another change (`SYNC_CHANGE_MS`).
        Raises `M_BAD_JSON` for a state that does not exist.
        """
        state = check_state(set_presence)
        if state == OFFLINE:
            return
        now = self._clock.now_ms()
        user = self._user(user_id)
        device = user.devices.get(device_id)
        if device is not None and device.state != state:
            if now - user.changed_ms < SYNC_CHANGE_MS:
                state = device.state  # the next request says it again
            else:
                user.changed_ms = now
        if device is not None and device.state == state and device.connected_until_ms > now:
            # The usual next poll changes nothing; what time alone changes, `sweep` finds.
            device.connected_until_ms = now + timeout_ms + DISCONNECTED_AFTER_MS
            return
        back = not user.devices or (device is not None and device.state != state)
        if back and state == ONLINE:
            user.shown.last_active_ms = now  # coming back is an activity
        self._connect(user, device_id, state, now + timeout_ms + DISCONNECTED_AFTER_MS)
        self._update(user, now)

    def active(self, user_id: str, device_id: str) -> None:
        """The user did something on a device: sent a message, read one."""
        now = self._clock.now_ms()
        user = self._user(user_id)
        device = user.devices.get(device_id)
        until = now + DISCONNECTED_AFTER_MS
        self._connect(
            user, device_id, ONLINE, until if device is None else max(until, device.connected_until_ms)
        )
        user.shown.last_active_ms = now
        self._update(user, now)

    def set(self, user_id: str, device_id: str, state: str, status_msg: str | None) -> None:
        """Set a user's presence and status message, as the user asks for it; None takes the message away.

        Raises `M_BAD_JSON` for a state that does not exist and a message that is too long.
        """
        checked = check_state(state)
        if status_msg is not None and len(status_msg) > MAX_STATUS_CHARS:
            raise bad_json(f"A status message may have at most {MAX_STATUS_CHARS} characters.")
        now = self._clock.now_ms()
        user = self._user(user_id)
        if checked == OFFLINE:
            user.devices.clear()
        else:
            for device in user.devices.values():
                device.state = checked
            known = user.devices.get(device_id)
            until = now + DISCONNECTED_AFTER_MS
            self._connect(
                user, device_id, checked, until if known is None else max(until, known.connected_until_ms)
            )
        user.shown.last_active_ms = now
        self._update(user, now, status_msg=status_msg, set_status=True)

    def receive(
        self,
        user_id: str,
        state: str,
        status_msg: str | None,
        last_active_ago_ms: int,
        currently_active: bool,
    ) -> None:
        """Take over what another server says of its user (server-server API, "Presence"); raises as `set`."""
        checked = check_state(state)
        now = self._clock.now_ms()
        user = self._user(user_id)
        user.remote_until_ms = now + REMOTE_LIFETIME_MS
        user.shown.last_active_ms = max(0, now - max(0, last_active_ago_ms))
        status = None if status_msg is None else status_msg[:MAX_STATUS_CHARS]
        self._show(user, checked, checked == ONLINE and currently_active, status)
        self._schedule(user, now)

    def forget(self, user_id: str) -> None:
        """Drop all that is known of a user, whose account ended."""
        user = self._users.get(user_id)
        if user is not None:
            user.devices.clear()
            self._show(user, OFFLINE, False, None)

    def sweep(self) -> int:
        """Let time pass: users become idle or offline. Return how many were looked at, at most `SWEEP_LIMIT`."""
        now = self._clock.now_ms()
        count = 0
        while self._heap and self._heap[0][0] <= now and count < SWEEP_LIMIT:
            noted_ms, user_id = heappop(self._heap)
            count += 1
            user = self._users.get(user_id)
            if user is None or user.noted_ms != noted_ms:
                continue
            user.noted_ms = 0
            if user.remote_until_ms:
                if user.remote_until_ms <= now:
                    self._show(user, OFFLINE, False, user.shown.status_msg)
                self._schedule(user, now)
            else:
                self._update(user, now)
        return count

    async def keep_sweeping(self) -> None:
        """Sweep for ever; when much has fallen due at once, go on as soon as others have had their turn."""
        while True:
            more = self.sweep() == SWEEP_LIMIT
            await asyncio.sleep(0 if more else SWEEP_INTERVAL_S)

    def _user(self, user_id: str) -> _User:
        user = self._users.get(user_id)
        if user is None:
            if len(self._users) >= MAX_USERS:
                del self._users[next(iter(self._users))]
            user = self._users[user_id] = _User(PresenceState(user_id, OFFLINE, None, 0, False, 0))
        return user

    def _connect(self, user: _User, device_id: str, state: State, until_ms: int) -> None:
        if device_id not in user.devices and len(user.devices) >= MAX_DEVICES:
            del user.devices[next(iter(user.devices))]
        user.devices[device_id] = _Device(state, until_ms)

    def _update(
        self, user: _User, now: int, *, status_msg: str | None = None, set_status: bool = False
    ) -> None:
        """Find the presence of a user of this server from devices and time, and announce it if it changed."""
        gone = [name for name, device in user.devices.items() if device.connected_until_ms <= now]
        for name in gone:
            del user.devices[name]
        quiet_ms = now - user.shown.last_active_ms
        if not user.devices:
            state = OFFLINE
        elif quiet_ms < IDLE_AFTER_MS and any(device.state == ONLINE for device in user.devices.values()):
            state = ONLINE
        else:
            state = UNAVAILABLE
        status = status_msg if set_status else user.shown.status_msg
        self._show(user, state, state == ONLINE and quiet_ms < CURRENTLY_ACTIVE_MS, status)
        self._schedule(user, now)

    def _show(self, user: _User, state: State, currently_active: bool, status_msg: str | None) -> None:
        shown = user.shown
        if (state, currently_active, status_msg) == (shown.state, shown.currently_active, shown.status_msg):
            return
        self.serial += 1
        user.shown = PresenceState(
            shown.user_id, state, status_msg, shown.last_active_ms, currently_active, self.serial
        )
        self._users[shown.user_id] = self._users.pop(shown.user_id)
        for listener in self._listeners:
            listener(user.shown)

    def _schedule(self, user: _User, now: int) -> None:
        """Note when time alone will next change something; found too early at worst, since activity moves it on."""
        if user.remote_until_ms:
            due = [user.remote_until_ms] if user.shown.state != OFFLINE else []
        else:
            due = [device.connected_until_ms for device in user.devices.values()]
            if user.shown.state == ONLINE:
                last_active_ms = user.shown.last_active_ms
                due += [last_active_ms + CURRENTLY_ACTIVE_MS, last_active_ms + IDLE_AFTER_MS]
        next_ms = min((moment for moment in due if moment > now), default=0)
        if next_ms and not 0 < user.noted_ms <= next_ms:
            user.noted_ms = next_ms
            heappush(self._heap, (next_ms, user.shown.user_id))


def check_state(state: str) -> State:
    """Return `state` if it is one of the three; raise `M_BAD_JSON` if not."""
    for known in (ONLINE, UNAVAILABLE, OFFLINE):
        if state == known:
            return known
    raise bad_json("The presence must be 'online', 'unavailable' or 'offline'.")
