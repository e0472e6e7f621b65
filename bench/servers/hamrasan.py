"""Hamrasan from this working tree, in the environment that runs the benchmark."""

from __future__ import annotations

import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from bench.errors import BenchError
from bench.servers.base import ROOT, Launch, get_text

LOOP_LAG_METRIC = "hamrasan_loop_lag_max_seconds"

_LOOP_LAG = re.compile(rf"^{LOOP_LAG_METRIC}(?:\{{[^}}]*\}})? (\S+)$", re.MULTILINE)

_ENVIRONMENT = {
    "HAMRASAN_RATE_LIMITS": "off",
    "HAMRASAN_LOG_LEVEL": "warning",
}


class Hamrasan:
    """The server that this repository is about."""

    name = "hamrasan"
    own_send_reads = True
    durability = "D: fsync before the 200 (SQLite WAL, synchronous=FULL, group commit)"

    def install(self) -> None:
        """Check that the server can be imported; there is nothing to install beside the project itself."""
        if find_spec("hamrasan.cli.main") is None:
            raise BenchError("hamrasan.cli.main cannot be imported: run from the project's environment")

    def configure(self, data_dir: Path, port: int, metrics_port: int) -> Launch:
        """Settings go by command line and environment; there is no file to write."""
        data_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "hamrasan.cli.main", "serve"]
        command += ["--server-name", "localhost", "--data-dir", str(data_dir / "data")]
        command += ["--listen", f"127.0.0.1:{port}", "--open-registration"]
        return Launch(command, {**_ENVIRONMENT, "HAMRASAN_METRICS_LISTEN": f"127.0.0.1:{metrics_port}"})

    def describe(self) -> Mapping[str, str]:
        """Return the version, the commit and the settings that differ from the defaults."""
        return {
            "version": f"{_package_version()}, commit {_commit()}",
            "runtime": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
            "settings": "open registration, " + ", ".join(f"{k}={v}" for k, v in _ENVIRONMENT.items()),
            "unread counts": "sending makes the sender's own count zero, as the specification wants",
            "durability": self.durability,
        }

    def loop_pause_seconds(self, metrics_port: int) -> float | None:
        """Read the longest event-loop pause from the metrics listener."""
        found = _LOOP_LAG.search(get_text(metrics_port, "/metrics") or "")
        return float(found[1]) if found else None


def _package_version() -> str:
    try:
        return version("hamrasan")
    except PackageNotFoundError:
        return "not installed as a package"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
