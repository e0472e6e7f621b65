"""`hamrasan serve` as a process: it starts, says where, stops when asked, and explains why it cannot start."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from hamrasan.cli.main import EXIT_FAILED, EXIT_USAGE
from hamrasan.cli.process import DRAIN_S
from hamrasan.http.rate_limit import ADDRESS_RATES
from hamrasan.http.route import RateClass
from tests.cli.running_process import RunningProcess
from tests.processes import server_process

Serve = Callable[..., RunningProcess]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts `hamrasan serve` with the given options, on the same folder each time."""
    started: list[RunningProcess] = []

    def start(*options: str, **environ: str) -> RunningProcess:
        environ = {"HAMRASAN_DATA_DIR": str(tmp_path / "data"), **environ}
        started.append(RunningProcess("-m", "hamrasan.cli", "serve", *options, environ=environ))
        return started[-1]

    yield start
    for process in started:
        process.close()


def url_of(server: RunningProcess) -> str:
    """Return where the server says that it is, once it does."""
    return server.wait_for("ready").rpartition(" ")[2]


def test_a_server_says_where_it_is_and_ends_when_asked(serve: Serve) -> None:
    server = serve(
        "--listen", "localhost:0", "--public-url", "http://chat.example.org", "--server-name", "example.org"
    )
    assert server.wait_for("ready") == "example.org is ready: open http://chat.example.org"
    server.process.send_signal(signal.SIGTERM)
    server.wait_for('"closing"')
    assert server.end() == 0


def test_a_folder_serves_one_server_at_a_time(serve: Serve) -> None:
    first = serve("--listen", "localhost:0")
    first.wait_for("ready")
    second = serve("--listen", "localhost:0")
    assert "Another server works with the folder" in second.wait_for("folder")
    assert second.end() == EXIT_FAILED
    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 0
    third = serve("--listen", "localhost:0")
    third.wait_for("ready")


def test_an_address_that_is_taken_is_told(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = serve("--listen", f"127.0.0.1:{port}")
        assert server.wait_for("listen").startswith(f"The server cannot listen at 127.0.0.1:{port}: ")
        assert server.end() == EXIT_FAILED


def test_a_folder_that_cannot_be_one_is_told(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    server = serve("--listen", "localhost:0", HAMRASAN_DATA_DIR=str(file))
    assert server.wait_for("cannot be used").startswith(f"{file} cannot be used: ")
    assert server.end() == EXIT_FAILED


def test_wrong_settings_stop_the_start_and_leave_no_folder(serve: Serve, tmp_path: Path) -> None:
    server = serve("--listen", "8008")
    assert server.wait_for("--listen") == "--listen: 'listen' cannot be '8008'."
    assert server.end() == EXIT_USAGE
    assert not (tmp_path / "data").exists()


def test_what_cannot_be_used_is_told_in_one_line(serve: Serve, tmp_path: Path) -> None:
    first = serve("--listen", "localhost:0", "--server-name", "one.example")
    first.wait_for("ready")
    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 0
    data = tmp_path / "data"

    key = (data / "signing.key").read_text()
    (data / "signing.key").write_text("ed25519 a_1 nonsense")
    server = serve("--listen", "localhost:0", "--server-name", "one.example")
    assert server.wait_for("").startswith(f"{data}/signing.key should hold the server's signing key")
    assert server.end() == EXIT_FAILED
    (data / "signing.key").write_text(key)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = serve("--listen", "localhost:0", "--server-name", "one.example", "--metrics-listen", address)
        assert server.wait_for("").startswith(f"The server cannot listen at {address}: ")
        assert server.end() == EXIT_FAILED

    (data / "hamrasan.db").write_bytes(b"no database at all" * 100)
    for file in ("hamrasan.db-wal", "hamrasan.db-shm"):
        (data / file).unlink(missing_ok=True)
    server = serve("--listen", "localhost:0", "--server-name", "one.example")
    assert server.wait_for("").startswith(f"The database in the folder {data} cannot be used: ")
    assert server.end() == EXIT_FAILED


def test_the_accounts_of_another_server_are_left_alone(serve: Serve, tmp_path: Path) -> None:
    with server_process(tmp_path / "data", server_name="one.example") as server:
        server.register("anna")
    other = serve("--listen", "localhost:0", "--server-name", "other.example")
    told = other.wait_for("")
    assert "belong to one.example, not to other.example" in told
    assert "--server-name one.example" in told
    assert other.end() == EXIT_FAILED


def test_a_server_with_waiting_syncs_ends_at_once_and_answers_them(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        anna = server.register("anna")
        since = anna.sync()["next_batch"]
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            target = f"/_matrix/client/v3/sync?timeout=60000&since={since}"
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna.token}\r\n\r\n"
            client.sendall(head.encode())
            anna.get("/account/whoami")  # comes after the sync, which therefore waits by now
            asked = time.monotonic()
            server.stop()
            assert time.monotonic() - asked < DRAIN_S
            assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"


def test_rate_limits_and_the_level_of_the_log_change_with_a_reload(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "hamrasan.toml"
    config.write_text('rate_limits = false\nlog_level = "info"\n')
    server = serve("--listen", "127.0.0.1:0", "--open-registration", "--config", str(config))
    with httpx.Client(base_url=url_of(server), trust_env=False) as http:
        path = "/_matrix/client/v3/register/available?username=anna"
        many = ADDRESS_RATES[RateClass.REGISTRATION].burst + 50
        assert {http.get(path).status_code for _ in range(many)} == {200}
        config.write_text('rate_limits = true\nlog_level = "debug"\n')
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("the settings were reloaded")
        assert {http.get(path).status_code for _ in range(many)} == {200, 429}
        while not server.has_said('"operation":"checkUsernameAvailability"'):
            http.get(path)
        config.write_text("rate_limits = false\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("the settings were reloaded")
        assert http.get(path).status_code == 200


@pytest.mark.parametrize(
    ("options", "environ", "status"),
    [
        ((), {}, 403),
        (("--open-registration",), {}, 401),
        ((), {"HAMRASAN_OPEN_REGISTRATION": "true"}, 401),
        ((), {"HAMRASAN_REGISTRATION": "token"}, 401),
    ],
)
def test_who_may_register(
    options: tuple[str, ...], environ: dict[str, str], status: int, serve: Serve
) -> None:
    url = url_of(serve("--listen", "127.0.0.1:0", *options, **environ))
    answer = httpx.post(
        f"{url}/_matrix/client/v3/register",
        json={"username": "anna", "password": "correct horse battery"},
        trust_env=False,
    )
    assert answer.status_code == status
