"""Files that the system sends: to clients that are quick, slow, gone, or stop reading."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from hamrasan.http import sending
from tests.running import Person, Running, answered
from tests.syncing import wait_for

CONTENT = os.urandom(12_000_000)
DOWNLOAD = "/_matrix/client/v1/media/download"


@pytest.fixture
def alice(fresh_server: Running) -> Person:
    return fresh_server.register("alice")


@pytest.fixture
def address(alice: Person) -> str:
    answer = alice.http.post("/_matrix/media/v3/upload", content=CONTENT)
    uri: str = answered(answer)["content_uri"]
    return uri.removeprefix("mxc://")


def blob(server: Running) -> Path:
    [file] = (server.data_dir / "media").glob("??/*")
    return file


def is_open(file: Path) -> bool:
    """Return whether the server, which runs in this process, has a file open."""
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") == str(file):
                return True
        except FileNotFoundError:
            continue
    return False


def ask(server: Running, who: Person, *addresses: str) -> socket.socket:
    """Ask for files over one connection that takes little at once."""
    port = httpx.URL(server.url).port or 0
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", port))
    for address in addresses:
        head = f"GET {DOWNLOAD}/{address} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who.token}\r\n\r\n"
        connection.sendall(head.encode())
    return connection


def read_answers(connection: socket.socket, count: int) -> list[bytes]:
    """Read answers with a length, a little at a time."""
    data, bodies = b"", []
    for _ in range(count):
        while b"\r\n\r\n" not in data:
            data += connection.recv(7_000)
        head, _, data = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None
        parts, left = [data], int(length[1]) - len(data)
        while left > 0:
            parts.append(connection.recv(min(left, 7_000)))
            left -= len(parts[-1])
        body = b"".join(parts)
        bodies.append(body[: int(length[1])])
        data = body[int(length[1]) :]
    return bodies


def read_to_the_end(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, in whatever way."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            received += data
    return received


def test_one_connection_gets_one_file_after_the_other(
    fresh_server: Running, alice: Person, address: str
) -> None:
    for _ in range(3):
        assert alice.http.get(f"{DOWNLOAD}/{address}").content == CONTENT
        assert alice.get("/account/whoami")["user_id"] == alice.user_id
    assert not is_open(blob(fresh_server))


def test_a_slow_client_gets_every_byte_in_its_place(
    fresh_server: Running, alice: Person, address: str
) -> None:
    with ask(fresh_server, alice, address, address) as connection:
        first, second = read_answers(connection, 2)
    assert hashlib.sha256(first).digest() == hashlib.sha256(CONTENT).digest()
    assert second == first
    wait_for(fresh_server, lambda: not is_open(blob(fresh_server)))


def test_a_client_that_leaves_leaves_nothing_open(fresh_server: Running, alice: Person, address: str) -> None:
    file = blob(fresh_server)
    for _ in range(5):
        connection = ask(fresh_server, alice, address)
        connection.recv(1_000)
        assert is_open(file)
        connection.close()
    wait_for(fresh_server, lambda: not is_open(file))
    assert alice.http.get(f"{DOWNLOAD}/{address}").content == CONTENT


def test_a_client_that_stops_reading_is_given_up(
    fresh_server: Running, alice: Person, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STALLED_WRITE_SECONDS", 0.1)
    with ask(fresh_server, alice, address) as connection:
        wait_for(fresh_server, lambda: is_open(blob(fresh_server)))
        wait_for(fresh_server, lambda: not is_open(blob(fresh_server)))
        assert len(read_to_the_end(connection)) < len(CONTENT)


def test_a_file_that_was_cut_off_ends_the_connection(
    fresh_server: Running, alice: Person, address: str
) -> None:
    os.truncate(blob(fresh_server), 5_000_000)
    with pytest.raises(httpx.RemoteProtocolError):
        alice.http.get(f"{DOWNLOAD}/{address}")
    assert alice.get("/account/whoami")["user_id"] == alice.user_id
    assert not is_open(blob(fresh_server))
