"""When which pusher has its turn: fair among gateways, in order for each pusher, patient with those that fail.

No input or output is here: whoever uses it says what happened, and is told what to begin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.push import PusherId

MAX_AT_ONCE = 100
"""Pushes under way to all gateways together: a gateway that hangs takes one of these for its time-out, no more than
`MAX_AT_ONCE_PER_GATEWAY` of them at first, and one at a time afterwards."""
MAX_AT_ONCE_PER_GATEWAY = 16
MAX_UNPROVEN_AT_ONCE = 30
"""... and to all gateways together that failed the last time, or never succeeded: whoever names servers that do not
answer, as many as they like, takes nothing from the others."""
PROVEN_GATEWAYS = 10_000
"""Gateways whose last success is remembered; there are some dozens that many people use."""
DOWN_AFTER = 3
"""Failures one after the other, whichever pushers they concern, after which a gateway is taken to be down. Fewer may be
the fault of a single push."""
FIRST_DELAY_S = 1.0
MAX_PUSHER_DELAY_S = 60 * 60.0
"""The pause after a failure doubles up to this, for a pusher whose gateway serves others."""
MAX_GATEWAY_DELAY_S = 5 * 60.0
"""The same for a gateway that is down: soon enough after it is up again, at a cost of one request."""


class Timer(Protocol):
    """What will happen later."""

    def cancel(self) -> None:
        """Let it not happen."""


CallLater = Callable[[float, Callable[[], None]], Timer]


class Turn:
    """A pusher that has something to be told."""

    __slots__ = ("again", "badge_due", "delay", "failures", "gateway", "is_trial", "pusher", "running")

    def __init__(self, pusher: PusherId, gateway: Gateway) -> None:
        self.pusher = pusher
        self.gateway = gateway
        self.running = False
        self.is_trial = False
        """It runs as one of those whose gateway is not proven."""
        self.again = False
        """Something came while it was running."""
        self.badge_due = False
        """The number of unread messages may have changed."""
        self.failures = 0
        self.delay: Timer | None = None


class Gateway:
    """One server that pushes go to."""

    __slots__ = ("block", "delayed", "failures", "name", "running", "turns", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[Turn] = deque()
        self.delayed: set[Turn] = set()
        self.running = 0
        self.turns = 0
        """Pushers that have something to be told."""
        self.failures = 0
        self.block: Timer | None = None
        """Ends when a gateway that is down may be tried again."""

    @property
    def is_down(self) -> bool:
        """Whether it failed too often to be asked for several pushers at once."""
        return self.failures >= DOWN_AFTER

    @property
    def can_take(self) -> bool:
        """Whether a waiting pusher may begin."""
        most = 1 if self.is_down else MAX_AT_ONCE_PER_GATEWAY
        return bool(self.waiting) and self.block is None and self.running < most


class Schedule:
    """Decides which pusher begins next; `begin` begins one, `call_later` is the loop's."""

    def __init__(self, begin: Callable[[Turn], None], call_later: CallLater) -> None:
        self._begin = begin
        self._call_later = call_later
        self._gateways: dict[str, Gateway] = {}
        self._turns: dict[PusherId, Turn] = {}
        self._ready: dict[str, Gateway] = {}
        """Proven gateways that can take one, in the order of their turns."""
        self._trials: dict[str, Gateway] = {}
        """Others that can take one."""
        self._proven: BoundedCache[str, None] = BoundedCache(PROVEN_GATEWAYS)
        self._running = 0
        self._running_trials = 0
        self._stopped = False

    def __len__(self) -> int:
        """Return how many pushers have something to be told."""
        return len(self._turns)

    def want(self, pusher: PusherId, gateway_name: str, *, badge: bool = False) -> None:
        """A pusher has something to be told, of an event or (`badge`) of what is unread."""
        turn = self._turns.get(pusher)
        if turn is None:
            gateway = self._gateways.get(gateway_name)
            if gateway is None:
                gateway = self._gateways[gateway_name] = Gateway(gateway_name)
            gateway.turns += 1
            turn = self._turns[pusher] = Turn(pusher, gateway)
            self._wait(turn)
        else:
            turn.again = turn.running
        turn.badge_due |= badge
        self._go_on()

    def done(self, turn: Turn) -> None:
        """A pusher was told everything that there was when it looked."""
        self._end(turn)
        self._succeeded(turn)
        if turn.again or turn.badge_due:
            turn.again = False
            self._wait(turn)
        else:
            self._drop(turn)
        self._go_on()

    def more(self, turn: Turn) -> None:
        """A pusher was told some things, and it is the turn of others."""
        self._end(turn)
        self._succeeded(turn)
        self._wait(turn)
        self._go_on()

    def gone(self, turn: Turn) -> None:
        """There is no such pusher any more, unless it was set again meanwhile; that says nothing about its gateway."""
        self._end(turn)
        if turn.again:
            turn.again = False
            self._wait(turn)
        else:
            self._drop(turn)
        self._go_on()

    def failed(self, turn: Turn, at_least_s: float = 0.0) -> bool:
        """A pusher could not be told; return whether its gateway is taken to be down from now on."""
        self._end(turn)
        turn.again = False
        turn.failures += 1
        pause = max(_doubling(turn.failures, MAX_PUSHER_DELAY_S), at_least_s)
        turn.delay = self._call_later(pause, lambda: self._delay_over(turn))
        gateway = turn.gateway
        gateway.delayed.add(turn)
        went_down = False
        self._proven.drop(gateway.name)
        if gateway.block is None:
            gateway.failures += 1
            if gateway.is_down:
                went_down = gateway.failures == DOWN_AFTER
                pause = _doubling(gateway.failures - DOWN_AFTER + 1, MAX_GATEWAY_DELAY_S)
                gateway.block = self._call_later(max(pause, at_least_s), lambda: self._unblock(gateway))
        self._go_on()
        return went_down

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopped = True
        for turn in self._turns.values():
            if turn.delay is not None:
                turn.delay.cancel()
        for gateway in self._gateways.values():
            if gateway.block is not None:
                gateway.block.cancel()
        self._turns.clear()
        self._gateways.clear()
        self._ready.clear()
        self._trials.clear()

    def _wait(self, turn: Turn) -> None:
        turn.gateway.waiting.append(turn)
        self._look_at(turn.gateway)

    def _go_on(self) -> None:
        while self._running < MAX_AT_ONCE and not self._stopped:
            may_try = self._trials and self._running_trials < MAX_UNPROVEN_AT_ONCE
            chosen = self._ready or (self._trials if may_try else None)
            if not chosen:
                break
            gateway = chosen.pop(next(iter(chosen)))
            if not gateway.can_take:
                continue
            turn = gateway.waiting.popleft()
            turn.running, turn.is_trial = True, chosen is self._trials
            gateway.running += 1
            self._running += 1
            self._running_trials += turn.is_trial
            self._look_at(gateway)
            self._begin(turn)

    def _end(self, turn: Turn) -> None:
        turn.running = False
        self._running_trials -= turn.is_trial
        turn.gateway.running -= 1
        self._running -= 1
        self._look_at(turn.gateway)

    def _succeeded(self, turn: Turn) -> None:
        turn.failures = 0
        gateway = turn.gateway
        if gateway.is_down:
            # Those who failed because the gateway was down need not wait for their own time.
            for delayed in list(gateway.delayed):
                if delayed.delay is not None:
                    delayed.delay.cancel()
                self._delay_over(delayed)
            if gateway.block is not None:
                gateway.block.cancel()
                gateway.block = None
        gateway.failures = 0
        self._proven.put(gateway.name, None)
        self._look_at(gateway)

    def _delay_over(self, turn: Turn) -> None:
        turn.delay = None
        turn.gateway.delayed.discard(turn)
        self._wait(turn)
        self._go_on()

    def _unblock(self, gateway: Gateway) -> None:
        gateway.block = None
        self._look_at(gateway)
        self._go_on()

    def _look_at(self, gateway: Gateway) -> None:
        """Put a gateway where it belongs, at the end if it was not there."""
        is_proven = gateway.name in self._proven
        (self._trials if is_proven else self._ready).pop(gateway.name, None)
        if gateway.can_take:
            (self._ready if is_proven else self._trials).setdefault(gateway.name, gateway)

    def _drop(self, turn: Turn) -> None:
        self._turns.pop(turn.pusher, None)
        gateway = turn.gateway
        gateway.turns -= 1
        if gateway.turns == 0 and gateway.block is None:
            self._gateways.pop(gateway.name, None)


def _doubling(failures: int, most: float) -> float:
    """Return the pause after so many failures."""
    return float(min(FIRST_DELAY_S * 2 ** min(failures - 1, 30), most))
