"""Generator of the latency workload: messages at a fixed rate, timed from when each was due.

An open loop: a server that falls behind does not slow the senders down, so nothing is omitted from the
latencies. Each room has one sender and one member whose client long-polls.

Run by the harness as `python -m bench.load.openloop PLAN`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import closing

import msgspec

from bench.errors import BenchError
from bench.figures import percentile
from bench.load.chat import JoinedRoom, Poller, sync_all
from bench.load.child import Clock, print_result, read_plan
from bench.load.epoll import Link, Loop
from bench.load.wire import Response, request_bytes, send_path

MAX_SEND_CONNECTIONS = 512
"""Sends beyond this many at once wait in the generator; their latency still counts from when they were due."""


class Pair(msgspec.Struct):
    """A room with the token that sends there and the token that long-polls there."""

    room_id: str
    sender: str
    reader: str


class OpenLoopPlan(msgspec.Struct):
    """What to do: `rate` messages a second, spread over the pairs; wait `grace_seconds` for the last."""

    port: int
    server_pids: list[int]
    pairs: list[Pair]
    rate: float
    warmup_seconds: float
    seconds: float
    grace_seconds: float
    run: str


class OpenLoopResult(msgspec.Struct):
    """Latencies in milliseconds over all that were due; None: so many never came that it has no value."""

    due: int
    delivered: int
    p50_ms: float | None
    p99_ms: float | None
    server_cpu: float
    generator_share: float
    generator_late_p99_ms: float


class Generator:
    """Sends on time and notes when each message is shown."""

    def __init__(self, plan: OpenLoopPlan) -> None:
        self._plan = plan
        self._loop = Loop(plan.port)
        self._free: list[Link] = []
        self._connections = 0
        self._backlog: deque[bytes] = deque()
        self._due: list[float] = []
        self._late: list[float] = []
        self._shown: dict[int, float] = {}
        self._pollers = [Poller(self._loop, pair.reader, pair.room_id) for pair in plan.pairs]
        sync_all(self._loop, self._pollers)
        for poller in self._pollers:
            poller.park(self._on_room)

    def run(self) -> OpenLoopResult:
        """Warm up, send at the rate, wait for the last ones, and say how long each took."""
        with closing(self._loop):
            return self._measure()

    def _measure(self) -> OpenLoopResult:
        settle = time.perf_counter() + 1.0
        while time.perf_counter() < settle:
            self._loop.turn(0.05)
        first = time.perf_counter()
        warm = int(self._plan.rate * self._plan.warmup_seconds)
        count = warm + int(self._plan.rate * self._plan.seconds)
        clock = Clock(self._plan.server_pids)
        for number in range(count):
            due = first + number / self._plan.rate
            if number == warm:
                clock.restart()
            self._turn_until(due)
            self._launch(number, due)
        end = time.perf_counter() + self._plan.grace_seconds
        while time.perf_counter() < end and len(self._shown) < count:
            self._loop.turn(0.05)
        waits = [self._shown.get(number, math.inf) - self._due[number] for number in range(warm, count)]
        if not waits:
            raise BenchError("no message was due: the rate is too low for the time")
        return OpenLoopResult(
            due=len(waits),
            delivered=sum(1 for wait in waits if wait < math.inf),
            p50_ms=_finite_ms(percentile(waits, 0.5)),
            p99_ms=_finite_ms(percentile(waits, 0.99)),
            server_cpu=clock.server_seconds(),
            generator_share=clock.generator_share(),
            generator_late_p99_ms=percentile(self._late[warm:], 0.99) * 1000,
        )

    def _turn_until(self, due: float) -> None:
        while (left := due - time.perf_counter()) > 0:
            self._loop.turn(min(left, 0.05))
        self._loop.turn(0)

    def _launch(self, number: int, due: float) -> None:
        pair = self._plan.pairs[number % len(self._plan.pairs)]
        mark = f"{self._plan.run}.{number}"
        body = b'{"msgtype":"m.text","body":"%s"}' % mark.encode()
        request = request_bytes("PUT", send_path(pair.room_id) + mark, pair.sender, body)
        self._due.append(due)
        self._late.append(time.perf_counter() - due)
        if self._free:
            self._free.pop().send(request)
        elif self._connections < MAX_SEND_CONNECTIONS:
            self._connections += 1
            link = Link(self._loop, lambda _response, _now: None)
            link.on_response = lambda response, _now: self._on_sent(link, response)
            link.send(request)
        else:
            self._backlog.append(request)

    def _on_sent(self, link: Link, response: Response) -> None:
        response.expect_success("send")
        if self._backlog:
            link.send(self._backlog.popleft())
        else:
            self._free.append(link)

    def _on_room(self, room: JoinedRoom, now: float) -> None:
        for event in room.timeline.events:
            run, _, number = event.content.body.partition(".")
            if run == self._plan.run:
                self._shown.setdefault(int(number), now)


def _finite_ms(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds * 1000


if __name__ == "__main__":
    print_result(Generator(read_plan(OpenLoopPlan)).run())
