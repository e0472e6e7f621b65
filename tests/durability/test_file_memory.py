"""Files pass through a server: what it holds of them in memory does not grow with their size."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import ServerProcess, server_process
from tests.running import Person, answered

MEGABYTE = 2**20
FILE_MB = 160
MOST_MB = 40
"""More memory than this no file may take; the whole of `FILE_MB` would be four times as much."""
TO_READ = 5 * MEGABYTE
"""Of a download whose client then stops reading."""


def memory_mb(server: ServerProcess) -> float:
    """Return the most memory that the server has had since `forget_peak`."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def forget_peak(server: ServerProcess) -> float:
    """Begin a new measurement, and return the memory at its beginning."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    return memory_mb(server)


def pieces() -> Iterator[bytes]:
    for number in range(FILE_MB):
        yield b"%08d" % number * (MEGABYTE // 8)


def upload(who: Person) -> str:
    answer = who.http.post(
        "/_matrix/media/v3/upload", content=pieces(), headers={"Content-Type": "video/mp4"}
    )
    uri: str = answered(answer)["content_uri"]
    return uri.removeprefix("mxc://")


def begin_download(server: ServerProcess, who: Person, address: str) -> socket.socket:
    """Ask for a file and read a little of it."""
    port = httpx.URL(server.url).port or 0
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(
        f"GET /_matrix/client/v1/media/download/{address} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {who.token}\r\n\r\n".encode()
    )
    left = TO_READ
    while left > 0:
        left -= len(connection.recv(min(left, MEGABYTE)))
    return connection


@pytest.mark.timeout(180)
def test_files_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", max_upload_size="1G") as server:
        alice = server.register("alice")
        before = forget_peak(server)
        address = upload(alice)
        assert memory_mb(server) - before < MOST_MB
        before = forget_peak(server)
        stalled = [begin_download(server, alice, address) for _ in range(10)]
        url = f"{server.url}/_matrix/client/v1/media/download/{address}"
        headers = {"Authorization": f"Bearer {alice.token}"}
        with httpx.stream("GET", url, headers=headers, timeout=60, trust_env=False) as answer:
            size = sum(len(chunk) for chunk in answer.iter_raw())
        assert size == FILE_MB * MEGABYTE
        assert memory_mb(server) - before < MOST_MB
        for connection in stalled:
            connection.close()
        assert server.complaints == []
