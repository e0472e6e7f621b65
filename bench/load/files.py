"""Whole files over one connection, up and down, without keeping them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.procfs import cpu_seconds, process_tree

_READ_BYTES = 2**20
_CHUNK = os.urandom(2**20)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_START_SECONDS = 10.0
TIMEOUT_SECONDS = 300.0

_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Downloads:
    """What fetching a file over and over gave."""

    bytes_per_second: float
    cpu_seconds_per_gb: float


def upload(port: int, token: str, size_mb: int, look: Callable[[], None] = lambda: None) -> str | None:
    """Upload random bytes and return the address of the file; None if the server takes no file of this size.

    `look` is called after each megabyte that was handed to the socket.
    """
    head = (
        f"POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: video/mp4\r\nContent-Length: {size_mb * len(_CHUNK)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(head.encode())
            for number in range(size_mb):
                connection.sendall(b"%08d" % number + _CHUNK[8:])
                look()
        except OSError:
            return None
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            data = connection.recv(_READ_BYTES)
            if not data:
                return None
            answer += data
    if answer[9:12] == b"413":
        return None
    if answer[9:12] != b"200":
        raise BenchError(f"an upload was answered with {answer[:300]!r}")
    uri: str = json.loads(answer.partition(b"\r\n\r\n")[2])["content_uri"]
    return uri.removeprefix("mxc://")


def download(port: int, target: str, token: str | None, pids: tuple[int, ...], seconds: float) -> Downloads:
    """Fetch a file over one connection, again and again, for at least so many seconds."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode()
    buffer = bytearray(_READ_BYTES)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        _fetch(connection, request, buffer)  # the first one fills the system's memory
        received = 0
        cpu, started = cpu_seconds(pids), time.perf_counter()
        while time.perf_counter() - started < seconds:
            received += _fetch(connection, request, buffer)
        elapsed = time.perf_counter() - started
        return Downloads(received / elapsed, (cpu_seconds(pids) - cpu) / (received / 1e9))


def _fetch(connection: socket.socket, request: bytes, buffer: bytearray) -> int:
    connection.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(_READ_BYTES)
    length = _LENGTH.search(head)
    if head[9:12] != b"200" or length is None:
        raise BenchError(f"a download was answered with {head[:300]!r}")
    size = int(length[1])
    left = size - (len(head) - head.index(b"\r\n\r\n") - 4)
    while left > 0:
        count = connection.recv_into(buffer, min(left, len(buffer)))
        if not count:
            raise BenchError("a download ended early")
        left -= count
    return size


def has_nginx() -> bool:
    """Return whether there is an nginx to compare with."""
    return shutil.which("nginx") is not None


@contextmanager
def nginx(folder: Path, port: int, core: int) -> Iterator[tuple[int, ...]]:
    """Have nginx hand out the files of a folder on one core; yields its processes."""
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
    command = ["taskset", "-c", str(core), "nginx", "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port) or len(process_tree(process.pid)) < 2:  # the worker comes a little later
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("nginx did not start")
            time.sleep(0.05)
        yield process_tree(process.pid)
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
