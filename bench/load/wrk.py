"""Generator of the sending workloads: wrk with a Lua script that builds every request.

wrk is the fastest client that is one `apt-get install` away; with prepared pieces its one thread builds and
sends over 30,000 different requests a second, several times what a homeserver answers.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.load.wire import request_bytes, send_path
from bench.procfs import cpu_seconds, wait_until_idle

DRAIN_LIMIT_SECONDS = 60.0
"""A slow server goes on with the requests under way after wrk has left; their CPU time belongs to them."""

_RESULT_MARK = "BENCH-RESULT "

_SCRIPT = """
local heads, tails = {%(heads)s}, {%(tails)s}
local size, threads = #heads, {}
issued = 0

function setup(thread) table.insert(threads, thread) end

function request()
  issued = issued + 1
  local at = issued %% size + 1
  return heads[at] .. "%(run)s." .. issued .. tails[at]
end

function done(summary, latency, requests)
  local sent = 0
  for _, thread in ipairs(threads) do sent = sent + thread:get("issued") end
  local e = summary.errors
  io.write(string.format(
    '%(mark)s{"completed":%%d,"issued":%%d,"micros":%%d,"refused":%%d,"broken":%%d,"p50":%%d,"p99":%%d}\\n',
    summary.requests, sent, summary.duration, e.status, e.connect + e.read + e.write,
    latency:percentile(50), latency:percentile(99)))
end
"""


class _Summary(msgspec.Struct):
    completed: int
    issued: int
    micros: int
    refused: int
    broken: int
    p50: int
    p99: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody who sends in a room."""

    room_id: str
    token: str


@dataclass(frozen=True, slots=True)
class SendResult:
    """What a sending run gave; the CPU time is for each send that the server was given, drained."""

    sends: int
    sends_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_send: float
    generator_share: float


def require_wrk() -> str:
    """Return wrk's version; raises `BenchError` that says how to install it."""
    if shutil.which("wrk") is None:
        raise BenchError(
            "wrk is missing: `apt-get install wrk` (Debian, Ubuntu) or build github.com/wg/wrk 4.x"
        )
    shown = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(shown.split()[:2])


def run_sends(
    port: int,
    server_pids: Sequence[int],
    senders: Sequence[Sender],
    connections: int,
    seconds: int,
    core: int,
    run: str,
) -> SendResult:
    """Send messages from all `senders` in turn over `connections` connections for `seconds`.

    `run` makes the transaction ids unique. Raises `BenchError` when the server refused or broke any request.
    """
    with tempfile.TemporaryDirectory(prefix="hamrasan-bench-") as directory:
        script = Path(directory) / "send.lua"
        script.write_text(build_script(senders, run))
        command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        command += ["--timeout", f"{seconds + 60}s", "-s", str(script), f"http://127.0.0.1:{port}"]
        cpu_before, started = cpu_seconds(server_pids), time.perf_counter()
        own_before = _children_seconds()
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        share = (_children_seconds() - own_before) / (time.perf_counter() - started)
    wait_until_idle(server_pids, DRAIN_LIMIT_SECONDS)
    cpu = cpu_seconds(server_pids) - cpu_before
    summary = _read_summary(done)
    if summary.refused or summary.broken or not summary.completed:
        raise BenchError(
            f"of {summary.completed} sends {summary.refused} were refused and {summary.broken} broke"
        )
    under_way = min(connections, max(0, summary.issued - summary.completed))
    return SendResult(
        sends=summary.completed,
        sends_per_second=summary.completed / (summary.micros / 1e6),
        p50_ms=summary.p50 / 1000,
        p99_ms=summary.p99 / 1000,
        cpu_us_per_send=cpu * 1e6 / (summary.completed + under_way),
        generator_share=share,
    )


def build_script(senders: Sequence[Sender], run: str) -> str:
    """Return the Lua script: for each sender the bytes before and after the transaction id."""
    body = b'{"msgtype":"m.text","body":"one message among many"}'
    heads, tails = [], []
    for sender in senders:
        request = request_bytes("PUT", send_path(sender.room_id) + "\0", sender.token, body)
        head, _, tail = request.decode().partition("\0")
        heads.append(_lua_string(head))
        tails.append(_lua_string(tail))
    return _SCRIPT % {
        "heads": ",".join(heads),
        "tails": ",".join(tails),
        "run": run,
        "mark": _RESULT_MARK,
    }


def _lua_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{escaped}"'


def _read_summary(done: subprocess.CompletedProcess[str]) -> _Summary:
    for line in done.stdout.splitlines():
        if line.startswith(_RESULT_MARK):
            return msgspec.json.decode(line.removeprefix(_RESULT_MARK), type=_Summary)
    raise BenchError(f"wrk printed no result: {done.stdout[-500:]} {done.stderr[-500:]}")


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
