"""A run: make each server's world once, then measure all servers in turn, round after round."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError
from bench.load.pool import Pool
from bench.load.wrk import require_wrk
from bench.machine import Cores, describe_machine, wait_until_quiet
from bench.procfs import resident_bytes, wait_until_idle
from bench.results import Run, Sample
from bench.scale import Scale
from bench.servers.base import RunningServer, Server
from bench.workloads import STEPS, WORKLOADS
from bench.workloads.base import Context
from bench.world import Builder, World

REST_LIMIT_SECONDS = 30.0
"""After a start, background work may go on this long before memory at rest is read."""

SETTLE_LIMIT_SECONDS = 60.0
"""What the previous workload left behind (an overloaded server's queue) must not weigh on the next."""

BUILD_CONNECTIONS = 8


@dataclass
class Contender:
    """A server with its data directory and its world."""

    server: Server
    data_dir: Path
    world: World = field(default_factory=World)


@dataclass
class Benchmark:
    """One run of the chosen workloads on the chosen servers."""

    scale: Scale
    cores: Cores
    quiet_wait_seconds: float
    workloads: Sequence[str]
    contenders: Sequence[Contender]
    reuse: bool = False
    run: Run = field(init=False)

    def __post_init__(self) -> None:
        self.run = Run(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            scale=self.scale.name,
            machine=describe_machine(),
            servers={},
        )

    def execute(self) -> Run:
        """Prepare and measure everything; what fails is noted in the result and the rest goes on."""
        self.run.machine["generator"] += f", {require_wrk()}"
        ready = [contender for contender in self.contenders if self._is_ready(contender)]
        for number in range(1, self.scale.rounds + 1):
            for contender in random.sample(ready, len(ready)):
                self._say(f"round {number} of {self.scale.rounds}: {contender.server.name}")
                self._round(contender, number)
        return self.run

    def _is_ready(self, contender: Contender) -> bool:
        name = contender.server.name
        self.run.servers[name] = {}
        try:
            contender.server.install()
            self.run.servers[name] = dict(contender.server.describe())
            self._prepare(contender)
        except BenchError as failure:
            self._note(f"{name} is left out: {failure}")
            return False
        return True

    def _prepare(self, contender: Contender) -> None:
        saved = contender.data_dir / "world.json"
        if self.reuse and saved.exists():
            contender.world = World.load(saved)
            self._note_shortfalls(contender)
            return
        if contender.data_dir.exists():
            shutil.rmtree(contender.data_dir)
        contender.data_dir.mkdir(parents=True)
        first = RunningServer(contender.server, contender.data_dir, [self.cores.server])
        first.start()
        first.stop()
        self._keep(Sample(contender.server.name, "start", 0, {"start.first_s": first.start_seconds}))
        both = sorted({self.cores.server, self.cores.generator})
        running = RunningServer(contender.server, contender.data_dir, both, building=True)
        running.start()
        try:
            asyncio.run(self._build(contender, running.port))
        finally:
            running.stop()
        self._fill(contender)
        contender.world.save(saved)
        self._note_shortfalls(contender)

    def _fill(self, contender: Contender) -> None:
        """Put messages into the rooms that are searched, while the server does not run."""
        library, messages = contender.world.library, self.scale.library_messages
        if library is None:
            return
        self._say(f"{contender.server.name}: filling rooms with {messages:,} messages")
        try:
            contender.server.fill_library(contender.data_dir, library, messages)
        except BenchError as failure:
            contender.world.library = None
            contender.world.seconds.pop("library")
            self._note(f"{contender.server.name}, search: {failure}")

    async def _build(self, contender: Contender, port: int) -> None:
        steps = dict.fromkeys(step for name in self.workloads for step in STEPS[name])
        async with Pool(port, BUILD_CONNECTIONS) as pool:
            builder = Builder(pool, self.scale)
            for step in steps:
                self._say(f"{contender.server.name}: making {step.replace('_', ' ')}")
                try:
                    await getattr(builder, step)()
                except* (BenchError, TimeoutError, OSError) as failure:
                    self._note(f"{contender.server.name}: making {step} failed: {_first_cause(failure)}")
            contender.world = builder.world

    def _round(self, contender: Contender, number: int) -> None:
        running = RunningServer(contender.server, contender.data_dir, [self.cores.server])
        running.start()
        try:
            wait_until_idle(running.pids, REST_LIMIT_SECONDS)
            values = {
                "start.again_s": running.start_seconds,
                "start.rss_mb": resident_bytes(running.pids) / 2**20,
            }
            self._keep(Sample(contender.server.name, "start", number, values))
            for name in self._possible(contender):
                tag = f"r{int(time.time())}-{number}"
                context = Context(running, contender.world, self.scale, self.cores, number, tag)
                self._measure(name, context)
        except BenchError as failure:
            self._note(f"{contender.server.name}, round {number}: {failure}")
        finally:
            running.stop()

    def _possible(self, contender: Contender) -> list[str]:
        made = contender.world.seconds
        return [name for name in self.workloads if all(step in made for step in STEPS[name])]

    def _measure(self, name: str, context: Context) -> None:
        server = context.running.server
        wait_until_idle(context.running.pids, SETTLE_LIMIT_SECONDS)
        idle_before = wait_until_quiet(self.quiet_wait_seconds)
        server.loop_pause_seconds(context.running.metrics_port)
        try:
            samples = WORKLOADS[name](context)
        except BenchError as failure:
            self._note(f"{server.name}, round {context.round}, {name}: {failure}")
            self._say(f"  the server's output ends: {context.running.log_end()}")
            return
        pause = server.loop_pause_seconds(context.running.metrics_port)
        if pause is not None:
            samples.append(context.sample(name, {"loop_pause_ms": pause * 1000}))
        for sample in samples:
            sample.idle_before = idle_before
            self._keep(sample)

    def _note_shortfalls(self, contender: Contender) -> None:
        name, world = contender.server.name, contender.world
        possible = self._possible(contender)
        for workload in self.workloads:
            if workload not in possible:
                self._note(f"{name}: {workload} is left out, the data have not the rooms for it")
        if "w2" in possible:
            for target in self.scale.flat_members:
                reached = [room for room in world.flat if room.target == target]
                if not reached:
                    self._note(f"{name}, W2: {target:,} members not tried, the fill time was over")
                elif reached[0].reached < target:
                    text = (
                        f"not reached in {self.scale.flat_fill_seconds} s, stopped at {reached[0].reached:,}"
                    )
                    self._note(f"{name}, W2: {target:,} members {text}")
        hubs = [("W5", world.hub)] if "w5" in possible and world.hub is not None else []
        hubs += [("sliding sync", dweller) for dweller in world.dwellers if "sliding" in possible]
        for workload, hub in hubs:
            if hub.reached < hub.target:
                text = f"not reached in {self.scale.hub_fill_seconds} s, stopped at {hub.reached:,}"
                self._note(f"{name}, {workload}: {hub.target:,} rooms {text}")

    def _keep(self, sample: Sample) -> None:
        self.run.samples.append(sample)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in sample.values.items())
        at = f" at {sample.axis:,}" if sample.axis is not None else ""
        self._say(
            f"  {sample.server} {sample.workload}{at}: {shown} (generator {sample.generator_share:.0%})"
        )

    def _note(self, text: str) -> None:
        self.run.notes.append(text)
        self._say(f"  note: {text}")

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _first_cause(failure: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failure.exceptions[0]
    return _first_cause(first) if isinstance(first, BaseExceptionGroup) else first
