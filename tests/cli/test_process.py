"""The life of a server process, with a real process, real signals and a real listener."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running_process import WAIT_S, RunningProcess

_SERVER = """
import asyncio, os, sys
from pathlib import Path
from hamrasan.cli.process import run_process
from hamrasan.runtime.settings import load_settings


class Server:
    url = "http://localhost:1"

    def __init__(self, listener):
        self.listener = listener
        self.answering = set()

    def reload(self, settings):
        print("reloaded", settings.log_level, flush=True)

    async def close(self, drain_s):
        self.listener.close()
        done, pending = await asyncio.wait(self.answering, timeout=drain_s) if self.answering else ((), ())
        print("closed", len(pending), flush=True)


async def start(settings):
    async def answer(reader, writer):
        server.answering.add(asyncio.current_task())
        print("asked", flush=True)
        word = await reader.readline()
        writer.write(b"answer " + word)
        await writer.drain()
        writer.close()

    server = Server(await asyncio.start_server(answer, "127.0.0.1", 0))
    print("port", server.listener.sockets[0].getsockname()[1], flush=True)
    return server


run_process(
    start,
    lambda: load_settings({}, os.environ, Path(sys.argv[1])),
    lambda settings, url: print("ready", url, flush=True),
)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hamrasan.toml"
    file.write_text('log_level = "info"\n')
    return file


@pytest.fixture
def running(config: Path) -> Iterator[RunningProcess]:
    process = RunningProcess("-c", _SERVER, str(config))
    yield process
    process.close()


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_was_begun_is_answered_before_the_server_ends(
    running: RunningProcess, name: int
) -> None:
    port = int(running.wait_for("port").split(" ")[1])
    running.wait_for("ready")
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        running.wait_for("asked")
        running.process.send_signal(name)
        running.wait_for('"closing"')
        connection.sendall(b"please\n")
        assert connection.makefile().readline() == "answer please\n"
    assert running.wait_for("closed") == "closed 0"
    assert running.end() == 0


def test_a_second_signal_ends_the_server_at_once(running: RunningProcess) -> None:
    port = int(running.wait_for("port").split(" ")[1])
    running.wait_for("ready")
    with socket.create_connection(("127.0.0.1", port), WAIT_S):
        running.wait_for("asked")
        running.process.send_signal(signal.SIGTERM)
        running.wait_for('"closing"')
        running.process.send_signal(signal.SIGTERM)
        assert running.end() == -signal.SIGTERM


def test_a_reload_applies_what_can_change_and_says_what_cannot(running: RunningProcess, config: Path) -> None:
    running.wait_for("ready")
    config.write_text('log_level = "warning"\nserver_name = "other.org"\n')
    running.process.send_signal(signal.SIGHUP)
    assert "server_name" in running.wait_for("these settings change only with a restart")
    assert running.wait_for("reloaded") == "reloaded warning"
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0


def test_settings_that_cannot_be_used_leave_the_old_ones_in_force(
    running: RunningProcess, config: Path
) -> None:
    running.wait_for("ready")
    config.write_text('log_level = "loud"\n')
    running.process.send_signal(signal.SIGHUP)
    assert "loud" in running.wait_for("the settings were not reloaded")
    config.write_text('log_level = "info"\n')
    running.process.send_signal(signal.SIGHUP)
    assert running.wait_for("reloaded") == "reloaded info"
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
