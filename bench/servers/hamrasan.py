"""Hamrasan from this working tree, as the wheel that providers install: in an environment of its own, compiled.

Where there is no C compiler it runs interpreted, from the working tree, and the result says so.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from bench.errors import BenchError
from bench.servers.base import ROOT, Launch, get_text
from bench.servers.hamrasan_library import fill
from bench.world import Library

VENV = ROOT / "bench" / ".venvs" / "hamrasan"
PYTHON = VENV / "bin" / "python"
INSTALL_LIMIT_SECONDS = 900.0

LOOP_LAG_METRIC = "hamrasan_loop_lag_max_seconds"

_LOOP_LAG = re.compile(rf"^{LOOP_LAG_METRIC}(?:\{{[^}}]*\}})? (\S+)$", re.MULTILINE)

_ENVIRONMENT = {
    "HAMRASAN_SERVER_NAME": "localhost",
    "HAMRASAN_RATE_LIMITS": "false",
    "HAMRASAN_LOG_LEVEL": "warning",
    "HAMRASAN_REGISTRATION": "open",
    "HAMRASAN_MAX_UPLOAD_SIZE": "2G",
    "HAMRASAN_MEDIA_QUOTA": "0",
}


class Hamrasan:
    """The server that this repository is about."""

    name = "hamrasan"
    own_send_reads = True
    durability = "D: fsync before the 200 (SQLite WAL, synchronous=FULL, group commit)"

    def install(self) -> None:
        """Build the wheel of the working tree and install it, unless that was done; nothing without a compiler."""
        if find_spec("hamrasan.cli") is None:
            raise BenchError("hamrasan cannot be imported: run from the project's environment")
        stamp, wanted = VENV / "built-from", _fingerprint()
        if not _can_compile() or (stamp.exists() and stamp.read_text() == wanted):
            return
        if not PYTHON.exists():
            venv.create(VENV, with_pip=True)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--force-reinstall", str(ROOT)]
        environment = {**os.environ, "HAMRASAN_COMPILE": "1"}
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"the wheel could not be built: {done.stderr[-1000:]}")
        stamp.write_text(wanted)

    def configure(self, data_dir: Path, port: int, metrics_port: int, building: bool) -> Launch:
        """Settings go by the environment; there is no file to write."""
        data_dir.mkdir(parents=True, exist_ok=True)
        # -P: the installed package, not the one in the working directory
        interpreted = building or not _can_compile()
        command = [sys.executable, "-m"] if interpreted else [str(PYTHON), "-P", "-m"]
        module = ["bench.servers.hamrasan_building"] if building else ["hamrasan.cli", "serve"]
        places = {
            "HAMRASAN_DATA_DIR": str(data_dir / "data"),
            "HAMRASAN_LISTEN": f"127.0.0.1:{port}",
            "HAMRASAN_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        }
        return Launch([*command, *module], {**_ENVIRONMENT, **places})

    def describe(self) -> Mapping[str, str]:
        """Return the version, the commit and the settings that differ from the defaults."""
        return {
            "version": f"{_package_version()}, commit {_commit()}",
            "runtime": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            + ("hot modules compiled by mypyc" if _can_compile() else "interpreted"),
            "settings": ", ".join(f"{k}={v}" for k, v in _ENVIRONMENT.items()),
            "passwords": "those of the benchmark's users are hashed at Argon2id's lowest cost",
            "unread counts": "sending makes the sender's own count zero, as the specification wants",
            "durability": self.durability,
        }

    def fill_library(self, data_dir: Path, library: Library, messages: int) -> None:
        """Fill the rooms with the server's own code."""
        fill(data_dir / "data", library, messages)

    def loop_pause_seconds(self, metrics_port: int) -> float | None:
        """Read the metrics listener, which begins a new interval for the longest pause at each reading."""
        found = _LOOP_LAG.search(get_text(metrics_port, "/metrics") or "")
        return float(found[1]) if found else None


def _can_compile() -> bool:
    return shutil.which("cc") is not None


def _fingerprint() -> str:
    """Return what changes with every change of the package."""
    digest = hashlib.sha256()
    for path in sorted([ROOT / "pyproject.toml", ROOT / "hatch_build.py", *(ROOT / "hamrasan").rglob("*")]):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _package_version() -> str:
    try:
        return version("hamrasan")
    except PackageNotFoundError:
        return "not installed as a package"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
