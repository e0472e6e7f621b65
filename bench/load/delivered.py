"""Generator of W3: every member long-polls; a message counts once each of them was shown it with its count.

Run by the harness as `python -m bench.load.delivered PLAN`.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing
from functools import partial

import msgspec

from bench.errors import BenchError
from bench.figures import percentile
from bench.load.chat import JoinedRoom, Poller, sync_all
from bench.load.child import Clock, print_result, read_plan
from bench.load.epoll import Link, Loop
from bench.load.ledger import RoomLedger, Verdict
from bench.load.wire import Response, request_bytes, send_path

DRAIN_SECONDS = 60.0
"""How long the messages under way at the end may still take before they count as lost."""


class PlanRoom(msgspec.Struct):
    """One room and the access tokens of its members."""

    room_id: str
    tokens: list[str]


class DeliveredPlan(msgspec.Struct):
    """What to do: keep a message under way in `inflight` rooms for `seconds`."""

    port: int
    server_pids: list[int]
    rooms: list[PlanRoom]
    warmup_seconds: float
    seconds: float
    inflight: int
    own_send_reads: bool
    run: str


class DeliveredResult(msgspec.Struct):
    """What came: deliveries are answers that showed the message, `right` those with the right count too."""

    sends: int
    right: int
    wrong_count: int
    repeated: int
    missing: int
    elapsed: float
    server_cpu: float
    generator_share: float
    last_p50_ms: float
    last_p99_ms: float


class Tally:
    """The counters of the window."""

    def __init__(self) -> None:
        self.verdicts = dict.fromkeys(Verdict, 0)
        self.to_last: list[float] = []


class LiveRoom:
    """A room under load: one message under way, its sender changing from member to member."""

    def __init__(
        self, loop: Loop, plan: PlanRoom, pollers: list[Poller], run: str, generator: Generator
    ) -> None:
        self._path = send_path(plan.room_id)
        self._tokens = plan.tokens
        self._run = run
        self._generator = generator
        self._link = Link(loop, self._on_sent)
        self._started = 0.0
        self._acknowledged = True
        self.ledger = RoomLedger([poller.unread or 0 for poller in pollers], generator.own_send_reads)
        for member, poller in enumerate(pollers):
            poller.park(partial(self._on_room, member))

    def send(self) -> None:
        """Send the next message."""
        sender = self.ledger.sequence % len(self._tokens)
        sequence = self.ledger.begin(sender)
        body = b'{"msgtype":"m.text","body":"%s.%d"}' % (self._run.encode(), sequence)
        self._acknowledged = False
        self._started = time.perf_counter()
        self._link.send(
            request_bytes("PUT", f"{self._path}{self._run}.{sequence}", self._tokens[sender], body)
        )

    def _on_sent(self, response: Response, _now: float) -> None:
        response.expect_success("send")
        self._acknowledged = True
        if self.ledger.complete:
            self._generator.finished(self)

    def _on_room(self, member: int, room: JoinedRoom, now: float) -> None:
        for event in room.timeline.events:
            run, _, sequence = event.content.body.partition(".")
            if run != self._run:
                continue
            count = room.unread_notifications.notification_count
            verdict = self.ledger.see(member, int(sequence), count)
            self._generator.tally.verdicts[verdict] += 1
            if verdict is not Verdict.REPEATED and self.ledger.complete:
                self._generator.tally.to_last.append(now - self._started)
                if self._acknowledged:
                    self._generator.finished(self)


class Generator:
    """Keeps `inflight` rooms busy until the window ends."""

    def __init__(self, plan: DeliveredPlan) -> None:
        self._plan = plan
        self._loop = Loop(plan.port)
        self._open = True
        self._active = 0
        self.tally = Tally()
        self.own_send_reads = plan.own_send_reads
        pollers = [[Poller(self._loop, token, room.room_id) for token in room.tokens] for room in plan.rooms]
        sync_all(self._loop, [poller for room in pollers for poller in room])
        self._idle = deque(
            LiveRoom(self._loop, room, members, plan.run, self)
            for room, members in zip(plan.rooms, pollers, strict=True)
        )
        self._rooms = list(self._idle)

    def finished(self, room: LiveRoom) -> None:
        """Take a room whose message has reached everybody; start the room that waited longest."""
        self._idle.append(room)
        self._active -= 1
        self._fill()

    def run(self) -> DeliveredResult:
        """Warm up, measure, let everything under way arrive, and say what came."""
        with closing(self._loop):
            return self._measure()

    def _measure(self) -> DeliveredResult:
        self._turn_for(1.0)
        self._fill()
        self._turn_for(self._plan.warmup_seconds)
        self.tally = Tally()
        clock = Clock(self._plan.server_pids)
        sent_before = self._sent()
        self._turn_for(self._plan.seconds)
        self._open = False
        drained = time.monotonic() + DRAIN_SECONDS
        while self._active and time.monotonic() < drained:
            self._loop.turn(0.05)
        elapsed = time.perf_counter() - clock.started
        tally = self.tally
        if not tally.to_last:
            raise BenchError("no message reached all members of its room")
        return DeliveredResult(
            sends=self._sent() - sent_before,
            right=tally.verdicts[Verdict.RIGHT],
            wrong_count=tally.verdicts[Verdict.WRONG_COUNT],
            repeated=tally.verdicts[Verdict.REPEATED],
            missing=sum(room.ledger.missing for room in self._rooms),
            elapsed=elapsed,
            server_cpu=clock.server_seconds(),
            generator_share=clock.generator_share(),
            last_p50_ms=percentile(tally.to_last, 0.5) * 1000,
            last_p99_ms=percentile(tally.to_last, 0.99) * 1000,
        )

    def _fill(self) -> None:
        while self._open and self._idle and self._active < self._plan.inflight:
            self._active += 1
            self._idle.popleft().send()

    def _sent(self) -> int:
        return sum(room.ledger.sequence for room in self._rooms)

    def _turn_for(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._loop.turn(min(left, 0.05))


if __name__ == "__main__":
    print_result(Generator(read_plan(DeliveredPlan)).run())
