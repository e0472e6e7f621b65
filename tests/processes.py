"""A real server process for tests: `hamrasan serve` on a port and a data folder of its own, started, ended, killed.

with server_process(tmp_path / "data") as server:
    anna = server.register("anna")
    server.kill()      # SIGKILL, as a power cut would end it
    server.start()     # the same folder, the same URL: clients go on
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.running import PASSWORD, SHARED_SECRET, Person, answered

SERVER_NAME = "hamrasan.test"
START_S = 30
"""A start takes under a second; a busy machine may need a good deal more."""
STOP_S = 20
PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections, so that a server finds its port free after a restart."""
PORT_ATTEMPTS = 20
KEPT_LINES = 400
"""Lines of output that are kept to be shown when a test fails."""
_READY = " is ready: "


class ServerProcess:
    """A server process. It keeps its URL and its folder when it is started again."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        """`settings` are texts by the names of the settings; they are given as environment variables."""
        self.data_dir = data_dir
        self.port = free_port()
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._settled = threading.Event()
        self._ready = False
        self._output: deque[str] = deque(maxlen=KEPT_LINES)
        self._printed = threading.Condition()
        self._people: list[Person] = []
        self._names = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return once it answers."""
        assert self._process is None, "end the server before it is started again"
        self._settled.clear()
        self._ready = False
        command = [str(Path(sys.executable).with_name("hamrasan")), "serve"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._settled.wait(START_S) or not self._ready:
            self.kill()
            raise AssertionError(f"the server did not start:\n{self.log}")
        with self.anonymous() as http:
            answered(http.get("/_matrix/client/versions"))

    def _environment(self) -> dict[str, str]:
        """The server gets these settings and no other, whatever the environment of the tests says."""
        settings = {
            "server_name": SERVER_NAME,
            "data_dir": str(self.data_dir),
            "listen": f"127.0.0.1:{self.port}",
            "registration": "open",
            "registration_shared_secret": SHARED_SECRET,
            "rate_limits": "false",
            "log_format": "json",
            **self._settings,
        }
        ours = {f"HAMRASAN_{name.upper()}": value for name, value in settings.items()}
        others = {name: value for name, value in os.environ.items() if not name.startswith("HAMRASAN_")}
        return {**others, **ours, "HAMRASAN_LANG": "en"}

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._printed:
                self._output.append(line)
                self._printed.notify_all()
            if _READY in line:
                self._ready = True
                self._settled.set()
        self._settled.set()  # it ended: nobody has to wait any longer

    @property
    def log(self) -> str:
        """The last lines that the server printed and logged, of every run."""
        return "".join(self._output)

    @property
    def complaints(self) -> list[str]:
        """The lines in which the server logged an error, or what is not a log line at all, such as a traceback."""
        return [line for line in self._output if _is_complaint(line)]

    def stop(self) -> None:
        """End the server as an operator does and wait until it has closed its files."""
        assert self.running, f"the server ended by itself:\n{self.log}"
        self._signal(signal.SIGTERM)
        assert self._ended() == 0, self.log

    def kill(self) -> None:
        """End the server at once, with no chance to finish anything."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._ended()

    def restart(self) -> None:
        """Stop the server and start it again on the same folder and URL."""
        self.stop()
        self.start()

    def limit_files(self, size: int) -> None:
        """Let no file of the running server grow beyond `size` bytes: for it, the disk is full there."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, hard))

    def unlimit_files(self) -> None:
        """Take the limit of `limit_files` away again."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def wait_for_log(self, text: str) -> None:
        """Wait until the server printed or logged a line with `text` in it."""
        with self._printed:
            assert self._printed.wait_for(lambda: text in self.log, STOP_S), self.log

    def reload(self) -> None:
        """Let the server read its settings and registrations anew."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _ended(self) -> int:
        process, reader = self._process, self._reader
        assert process is not None
        assert reader is not None
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
            raise AssertionError(f"the server did not end:\n{self.log}") from None
        finally:
            reader.join(STOP_S)
            assert process.stdout is not None
            process.stdout.close()
            self._process = self._reader = None
        return status

    def close(self) -> None:
        """Leave nothing running and no connection open."""
        for person in self._people:
            person.http.close()
        self.kill()

    # Those who use it.

    def anonymous(self) -> httpx.Client:
        """Return a client without a token."""
        return httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    def register(self, name: str = "user", *, checked: bool = True) -> Person:
        """Register somebody under a name that nobody has yet; the password is `PASSWORD`.

        The form of the answers they get is only `checked` where that neither slows down a load nor forbids the 503 of
        a full disk, which the specification does not list.
        """
        self._names += 1
        wish = {
            "username": f"{name}-{self._names}",
            "password": PASSWORD,
            "auth": {"type": "m.login.dummy"},
            "initial_device_display_name": "test",
        }
        with self.anonymous() as http:
            session: Any = answered(http.post("/_matrix/client/v3/register", json=wish))
        person = Person(self.url, session["user_id"], session["device_id"], session["access_token"])
        if not checked:
            person.http.event_hooks = {}
        self._people.append(person)
        return person


def free_port() -> int:
    """Return a port that nobody uses; chance of its own, since tests that run at once share their seed."""
    for _ in range(PORT_ATTEMPTS):
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def _is_complaint(line: str) -> bool:
    if _READY in line:
        return False
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return True
    return entry.get("level") in ("error", "critical")


@contextmanager
def server_process(data_dir: Path, **settings: str) -> Iterator[ServerProcess]:
    """Run a server on `data_dir` that anybody may register on, without rate limits unless `settings` says so.

    What it printed is written to the standard output at the end, where pytest shows it if the test failed.
    """
    server = ServerProcess(data_dir, **settings)
    try:
        server.start()
        yield server
    finally:
        server.close()
        sys.stdout.write(server.log)
