"""What the kernel tells about real processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench.procfs import cpu_seconds, pin, process_tree, resident_bytes, wait_until_idle

BURN_CODE = "t = __import__('time')\nwhile t.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A shell whose child has used 0.3 s of CPU and now waits."""
    command = ["sh", "-c", f'{sys.executable} -c "{BURN_CODE}"; true']
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def test_tree_cpu_and_memory_cover_the_descendants(child: subprocess.Popen[bytes]) -> None:
    pids = process_tree(child.pid)
    assert len(pids) == 2
    assert cpu_seconds(pids) >= 0.29 > cpu_seconds(pids[:1])
    assert resident_bytes(pids) > resident_bytes(pids[:1]) > 0
    assert wait_until_idle(pids, 10)


def test_busy_process_is_not_idle() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        deadline = time.monotonic() + 10
        while cpu_seconds([busy.pid]) < 0.1 and time.monotonic() < deadline:
            os.sched_yield()
        assert not wait_until_idle([busy.pid], 0.1)
    finally:
        busy.kill()
        busy.wait()


def test_gone_process_has_no_tree_and_no_time() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert process_tree(gone.pid) == ()
    assert cpu_seconds([gone.pid]) == 0
    assert resident_bytes([gone.pid]) == 0


def test_pin_moves_a_process(child: subprocess.Popen[bytes]) -> None:
    core = min(os.sched_getaffinity(0))
    pin(child.pid, [core])
    assert os.sched_getaffinity(child.pid) == {core}
