"""What the benchmark needs of a server, and how one is started, watched and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.errors import BenchError
from bench.procfs import process_tree
from bench.world import Library

ROOT = Path(__file__).resolve().parents[2]

START_LIMIT_SECONDS = 90.0
"""A first start that creates a database takes a slow server some ten seconds on a busy machine."""

STOP_LIMIT_SECONDS = 30.0

ANSWER_POLL_SECONDS = 0.005
"""How finely a start is timed."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a configured server."""

    command: Sequence[str]
    environment: Mapping[str, str]


class Server(Protocol):
    """One kind of server. Each uses its shipped defaults, but for what `settings` tells the reader."""

    name: str
    own_send_reads: bool
    """Whether sending a message makes the sender's own unread count zero, as the specification demands."""

    durability: str
    """What a 200 to a send promises, in a few words; only equal classes may be compared."""

    def install(self) -> None:
        """Make the server runnable; does nothing when it is. Raises `BenchError` when it cannot be."""

    def configure(self, data_dir: Path, port: int, metrics_port: int, building: bool) -> Launch:
        """Write the configuration for a server on 127.0.0.1:`port`; keeps the data that is there.

        While `building`, accounts are made and nothing is measured: passwords may be hashed cheaply.
        """

    def describe(self) -> Mapping[str, str]:
        """Return version and settings, as label and value, for the result."""

    def fill_library(self, data_dir: Path, library: Library, messages: int) -> None:
        """Fill the library's rooms while the server does not run, and note what indexing them took.

        Raises `BenchError` where the server knows no other way than to send every message.
        """

    def loop_pause_seconds(self, metrics_port: int) -> float | None:
        """Return the longest pause of the server's event loop since the last call; None where it tells none."""


@dataclass
class RunningServer:
    """A server process, pinned to the given cores, with its log in the data directory."""

    server: Server
    data_dir: Path
    cores: Sequence[int]
    building: bool = False
    port: int = 0
    metrics_port: int = 0
    start_seconds: float = 0.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process and wait for its first answer. Raises `BenchError` with the log's end."""
        self.port, self.metrics_port = free_port(), free_port()
        launch = self.server.configure(self.data_dir, self.port, self.metrics_port, self.building)
        pinned = ["taskset", "-c", ",".join(str(core) for core in self.cores), *launch.command]
        with self.log_path.open("ab") as log:
            started = time.perf_counter()
            self._process = subprocess.Popen(
                pinned,
                cwd=ROOT,
                env={**os.environ, **launch.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while not _answers(self.port):
            if self._process.poll() is not None or time.perf_counter() - started > START_LIMIT_SECONDS:
                self.stop()
                raise BenchError(f"{self.server.name} did not start: {self.log_end()}")
            time.sleep(ANSWER_POLL_SECONDS)
        self.start_seconds = time.perf_counter() - started

    @property
    def log_path(self) -> Path:
        """Where the server's output goes."""
        return self.data_dir / "output.log"

    @property
    def pids(self) -> tuple[int, ...]:
        """All processes of the server. Raises `BenchError` when it has died."""
        if self._process is None or self._process.poll() is not None:
            raise BenchError(f"{self.server.name} is not running any more: {self.log_end()}")
        return process_tree(self._process.pid)

    def stop(self) -> None:
        """Ask the server to stop; kill its process group when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_LIMIT_SECONDS)
        self._process = None

    def log_end(self) -> str:
        """Return the last lines of the server's output."""
        return self.log_path.read_text(errors="replace")[-2000:] if self.log_path.exists() else "(no output)"


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get_text(port: int, path: str, timeout_seconds: float = 5.0) -> str | None:
    """Fetch a small page from 127.0.0.1; None when nobody answers or the status is not 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    parts: list[bytes] = []
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds) as connection:
            connection.sendall(request)
            while data := connection.recv(65536):
                parts.append(data)
    except OSError:
        return None
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    return body.decode(errors="replace") if head[9:12] == b"200" else None


def _answers(port: int) -> bool:
    return get_text(port, "/_matrix/client/versions") is not None
