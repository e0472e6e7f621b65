"""Synapse, a server that nobody here wrote, as a real process beside the servers of a country.

It runs from an environment of its own, which the benchmarks make (`bench/servers/synapse.py`); where there is none,
tests with it are skipped. It asks no name server of the test, so both sides are named by address and port.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.servers.synapse import PYTHON
from tests.federation.authority import Authority
from tests.federation.wires import LOCAL
from tests.running import PASSWORD, SHARED_SECRET, Person, answered

START_S = 60
"""It migrates an empty database first."""
STOP_S = 20

needs_synapse = pytest.mark.skipif(
    not PYTHON.exists(), reason="Synapse is not installed beside the benchmarks"
)

_UNLIMITED = {"per_second": 1_000_000, "burst_count": 1_000_000}
_LOGGING = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "INFO", "handlers": ["console"]},
}


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server((LOCAL, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class SynapsePerson(Person):
    """A user of Synapse; the form of its answers is not for us to check."""

    def __init__(self, url: str, user_id: str, device_id: str, token: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.token = token
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False, headers=headers)


class Synapse:
    """One running Synapse."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        folder.mkdir()
        self._port, self._client_port = free_port(), free_port()
        self.name = f"{LOCAL}:{self._port}"
        self.url = f"http://{LOCAL}:{self._client_port}"
        self.log = folder / "output.log"
        self._people: list[SynapsePerson] = []
        certificate = authority.certify(LOCAL)
        listeners = [
            _listener(self._port, "federation", tls=True),
            _listener(self._client_port, "client", tls=False),
        ]
        config = {
            **_CONFIG,
            "server_name": self.name,
            "listeners": listeners,
            "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
            "log_config": str(folder / "log.json"),
            "media_store_path": str(folder / "media"),
            "signing_key_path": str(folder / "signing.key"),
            "pid_file": str(folder / "synapse.pid"),
            "tls_certificate_path": str(certificate.certificate),
            "tls_private_key_path": str(certificate.key),
            "federation_custom_ca_list": [str(authority.file)],
        }
        self._config = folder / "homeserver.json"
        self._config.write_text(json.dumps(config))
        (folder / "log.json").write_text(json.dumps(_LOGGING))
        self._run("--generate-keys")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _run(self, *arguments: str) -> None:
        command = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(self._config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    def start(self) -> None:
        """Start it, for the first time or again."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(self._config)],
                stdout=output,
                stderr=output,
                cwd=self.folder,
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/health", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise TimeoutError("Synapse did not start")

    def stop(self) -> None:
        """Stop it; its data stay."""
        for person in self._people:
            person.http.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_S)
            self._process = None

    def register(self, name: str) -> SynapsePerson:
        """Register somebody."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as http:
            nonce = http.get("/_synapse/admin/v1/register").json()["nonce"]
            said = b"\0".join([nonce.encode(), name.encode(), PASSWORD.encode(), b"notadmin"])
            mac = hmac.new(SHARED_SECRET.encode(), said, hashlib.sha1).hexdigest()
            body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac}
            who = answered(http.post("/_synapse/admin/v1/register", json=body))
        person = SynapsePerson(self.url, who["user_id"], who["device_id"], who["access_token"])
        self._people.append(person)
        return person


def _listener(port: int, resource: str, *, tls: bool) -> dict[str, Any]:
    return {
        "port": port,
        "type": "http",
        "tls": tls,
        "bind_addresses": [LOCAL],
        "resources": [{"names": [resource]}],
    }


_CONFIG: dict[str, Any] = {
    "report_stats": False,
    "macaroon_secret_key": "of the tests only",
    "form_secret": "of the tests only",
    "registration_shared_secret": SHARED_SECRET,
    "trusted_key_servers": [],
    "bcrypt_rounds": 4,
    "caches": {"sync_response_cache_duration": "0s"},
    "allow_public_rooms_over_federation": True,
    "room_list_publication_rules": [{"action": "allow"}],
    "ip_range_blacklist": [],
    "federation_ip_range_blacklist": [],
    "presence": {"enabled": True},
    "experimental_features": {},
    "federation_rr_transactions_per_room_per_second": 1000,
    # It would wait up to a minute within a request, and ten before the next one, for a server that was away.
    "federation": {"max_long_retry_delay": "1s", "destination_min_retry_interval": "1s",
                   "destination_retry_multiplier": 1, "destination_max_retry_interval": "2s"},
    "rc_federation": {"window_size": 1000, "sleep_limit": 10_000, "sleep_delay": 1, "reject_limit": 10_000,
                      "concurrent": 100},
    "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _UNLIMITED),
    "rc_joins": dict.fromkeys(("local", "remote"), _UNLIMITED),
    "rc_joins_per_room": _UNLIMITED,
    "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _UNLIMITED),
    **{f"rc_{name}": _UNLIMITED for name in ("message", "registration", "room_creation", "media_create")},
}  # fmt: skip


@contextmanager
def synapse(land: Any) -> Iterator[Synapse]:
    """Run a Synapse in a country (`tests.federation.country.Land`)."""
    server = Synapse(land.folder / "synapse", land.authority)
    try:
        yield server
    finally:
        server.stop()
