"""Both ends of a generator process: the harness starts it with a plan, it answers with a result.

A generator runs in a process of its own, pinned to the generator's core, so that the harness's other work
never delays it and its share of that core can be told.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.errors import BenchError
from bench.procfs import cpu_seconds

Plan = TypeVar("Plan")
Result = TypeVar("Result")

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """The CPU and wall time of a measured window, for the server and for this process."""

    def __init__(self, server_pids: list[int]) -> None:
        self._pids = server_pids
        self.restart()

    def restart(self) -> None:
        """Begin the window now."""
        self.started = time.perf_counter()
        self._server = cpu_seconds(self._pids)
        self._own = time.process_time()
        self._own_started = self.started

    def server_seconds(self) -> float:
        """Return the server's CPU time since the window began."""
        return cpu_seconds(self._pids) - self._server

    def generator_share(self) -> float:
        """Return this process's share of one core since the window began."""
        return (time.process_time() - self._own) / (time.perf_counter() - self._own_started)


def read_plan(kind: type[Plan]) -> Plan:
    """Read the plan that the harness named as the only argument."""
    return msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=kind)


def print_result(result: object) -> None:
    """Print one line of JSON for the harness."""
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    sys.stdout.flush()


def run_generator(module: str, plan: object, result: type[Result], core: int, limit_seconds: float) -> Result:
    """Run `python -m module` with `plan` on `core` and return its result.

    Raises `BenchError` with what it wrote when it failed or did not end within `limit_seconds`.
    """
    with plan_file(plan) as path:
        try:
            done = subprocess.run(
                generator_command(module, path, core),
                cwd=ROOT,
                capture_output=True,
                timeout=limit_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{module} did not end within {limit_seconds:.0f} s") from error
    if done.returncode != 0:
        raise BenchError(f"{module} failed: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=result)


def generator_command(module: str, plan: Path, core: int) -> list[str]:
    """Return the command that runs a generator on one core."""
    return ["taskset", "-c", str(core), sys.executable, "-m", module, str(plan)]


@contextmanager
def plan_file(plan: object) -> Iterator[Path]:
    """Write a plan where a generator can read it; the file goes away afterwards (it holds access tokens)."""
    with tempfile.TemporaryDirectory(prefix="hamrasan-bench-") as directory:
        path = Path(directory) / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        yield path
