"""`hamrasan demo`: what a newcomer sees of three providers whose people talk with each other."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hamrasan.cli.demo.command import PEOPLE
from hamrasan.cli.demo.providers import LABELS

WAIT_S = 200
"""Three servers start, one of them twice, on a machine that runs other tests as well."""
FIRST_PORTS = range(21_000, 31_000, 6)


def free_ports() -> int:
    """Return the first of six ports in a row that nobody listens at."""
    for first in FIRST_PORTS:
        try:
            for port in range(first, first + 2 * len(LABELS)):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise OSError("there are no six free ports in a row")


def demo(folder: Path, first_port: int, *options: str) -> subprocess.Popen[str]:
    """Run the command as a newcomer does."""
    command = [str(Path(sys.executable).with_name("hamrasan")), "demo", "--data-dir", str(folder)]
    return subprocess.Popen(
        [*command, "--first-port", str(first_port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"HAMRASAN_LANG": "en"},
    )


def nobody_listens(first_port: int) -> bool:
    ports = range(first_port, first_port + 2 * len(LABELS))
    with socket.socket() as asking:
        return all(asking.connect_ex(("127.0.0.1", port)) for port in ports)


@pytest.mark.timeout(2 * WAIT_S + 10)
def test_three_providers_talk_and_one_catches_up(tmp_path: Path) -> None:
    first_port = free_ports()
    with demo(tmp_path, first_port, "--once") as shown:
        output = shown.communicate(timeout=WAIT_S)[0]
    assert shown.returncode == 0, output
    assert len(re.findall(r"read by .* after \d+ ms", output)) == 6
    for person, label in zip(PEOPLE, LABELS, strict=True):
        assert f"@{person}:{label}.localhost:" in output
    assert re.search(r"has all 20 messages, in order, after \d+\.\d s", output)
    assert nobody_listens(first_port)

    # A second time on the same folder: the accounts and the room are there, and it goes on until it is interrupted.
    with demo(tmp_path, first_port) as again:
        assert again.stdout is not None
        lines = []
        for line in again.stdout:
            lines.append(line)
            if "until you press Ctrl-C" in line:
                again.send_signal(signal.SIGINT)
        again.wait(WAIT_S)
    assert again.returncode == 0, "".join(lines)
    assert "their data stay" in lines[-1]
    assert nobody_listens(first_port)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    first_port = free_ports()
    with socket.create_server(("127.0.0.1", first_port)), demo(tmp_path, first_port, "--once") as shown:
        output = shown.communicate(timeout=WAIT_S)[0]
    assert shown.returncode == 1
    assert f"{first_port}" in output
    assert nobody_listens(first_port)
