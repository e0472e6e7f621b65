"""Synapse from PyPI, one process on SQLite, in an environment of its own under `bench/.venvs`."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.servers.base import ROOT, Launch
from bench.world import Library

PACKAGE = "matrix-synapse"
VENV = ROOT / "bench" / ".venvs" / "synapse"
PYTHON = VENV / "bin" / "python"

INSTALL_LIMIT_SECONDS = 900.0

JEMALLOC = Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")
"""Synapse's own container image preloads it; used here where the machine has it (`apt-get install libjemalloc2`)."""

NO_LIMIT: Mapping[str, float] = {"per_second": 1_000_000, "burst_count": 1_000_000}

CACHE_FACTOR = 2.0
"""Four times the shipped 0.5, so that some thousand users do not push each other out of the caches."""

_DESCRIBE = """
import json, platform, sqlite3, twisted
from importlib.metadata import version
print(json.dumps([version("matrix-synapse"), platform.python_version(), sqlite3.sqlite_version, twisted.__version__]))
"""


class Synapse:
    """The reference homeserver, in its single-process form."""

    name = "synapse"
    own_send_reads = False
    durability = "D: fsync before the 200 (SQLite WAL, synchronous=FULL as compiled)"

    def install(self) -> None:
        """Create the environment and install the package once."""
        if (VENV / "bin" / "synapse_homeserver").exists():
            return
        venv.create(VENV, with_pip=True)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", PACKAGE]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_LIMIT_SECONDS, check=False
        )
        if done.returncode != 0:
            raise BenchError(f"pip could not install {PACKAGE}: {done.stderr[-1000:]}")

    def configure(self, data_dir: Path, port: int, metrics_port: int, building: bool) -> Launch:
        """Write homeserver.yaml and log.yaml (JSON is YAML); the signing key is made once."""
        data_dir.mkdir(parents=True, exist_ok=True)
        config = data_dir / "homeserver.yaml"
        config.write_text(json.dumps(_config(data_dir, port), indent=1))
        (data_dir / "log.yaml").write_text(json.dumps(_LOGGING))
        if not (data_dir / "signing.key").exists():
            keys = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(config), "--generate-keys"]
            done = subprocess.run(keys, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode != 0:
                raise BenchError(f"synapse refused its configuration: {done.stderr[-1000:]}")
        command = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(config)]
        return Launch(command, {"LD_PRELOAD": str(JEMALLOC)} if JEMALLOC.exists() else {})

    def describe(self) -> Mapping[str, str]:
        """Return the versions and the settings that differ from the defaults."""
        done = subprocess.run([str(PYTHON), "-c", _DESCRIBE], capture_output=True, text=True, check=True)
        synapse, python, sqlite, twisted = json.loads(done.stdout)
        allocator = "jemalloc preloaded" if JEMALLOC.exists() else "the C library's allocator"
        return {
            "version": synapse,
            "runtime": f"Python {python}, SQLite {sqlite}, Twisted {twisted}, {allocator}",
            "settings": "rate limits off, presence off, open registration, bcrypt_rounds 4, logs at WARNING, "
            f"caches.global_factor {CACHE_FACTOR}, no statistics, no trusted key servers",
            "unread counts": "sending leaves the sender's own count as it is, where the specification wants "
            "zero; W3 checks its counts by that rule",
            "durability": self.durability,
        }

    def fill_library(self, data_dir: Path, library: Library, messages: int) -> None:
        """Say that a million messages cannot be made here: through the API they would take half a day."""
        raise BenchError("its rooms can be filled through the client API only, which would take half a day")

    def loop_pause_seconds(self, metrics_port: int) -> float | None:
        """Synapse keeps no maximum of its reactor's pauses."""
        return None


def _config(data_dir: Path, port: int) -> dict[str, Any]:
    listener = {
        "port": port,
        "type": "http",
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": ["client", "federation"]}],
    }
    limits = ("message", "registration", "room_creation", "user_directory", "reports", "media_create")
    return {
        "server_name": "localhost",
        "report_stats": False,
        "listeners": [listener],
        "database": {"name": "sqlite3", "args": {"database": str(data_dir / "homeserver.db")}},
        "log_config": str(data_dir / "log.yaml"),
        "media_store_path": str(data_dir / "media"),
        "signing_key_path": str(data_dir / "signing.key"),
        "pid_file": str(data_dir / "synapse.pid"),
        "macaroon_secret_key": "only for measuring",
        "form_secret": "only for measuring",
        "trusted_key_servers": [],
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "bcrypt_rounds": 4,
        "presence": {"enabled": False},
        "caches": {"global_factor": CACHE_FACTOR},
        **{f"rc_{name}": NO_LIMIT for name in limits},
        "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), NO_LIMIT),
        "rc_joins": dict.fromkeys(("local", "remote"), NO_LIMIT),
        "rc_joins_per_room": NO_LIMIT,
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), NO_LIMIT),
    }


_LOGGING: dict[str, Any] = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
}
