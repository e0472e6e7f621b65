"""`hamrasan serve` as a process: it starts, says where, stops when asked, and explains why it cannot start."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hamrasan.cli.main import EXIT_FAILED, EXIT_USAGE
from tests.cli.running_process import RunningProcess

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
