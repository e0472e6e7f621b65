"""Health, as a load balancer asks for it, of a real process whose disk fills up."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from tests.processes import server_process
from tests.running import Running

WAIT_S = 20


def _until(http: httpx.Client, status: int) -> httpx.Response:
    """Return the first answer with this status; an answer holds for a second."""
    deadline = time.monotonic() + WAIT_S
    while (answer := http.get("/health")).status_code != status:
        assert time.monotonic() < deadline, answer.text
    return answer


def test_a_server_that_can_store_is_well(server: Running) -> None:
    with server.anonymous() as http:
        answer = http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_full_disk_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server, server.anonymous() as http:
        assert http.get("/health").status_code == 200
        server.limit_files(0)
        refused = _until(http, 503)
        assert refused.json() == {"status": "cannot write"}
        assert refused.headers["retry-after"]
        assert http.get("/_matrix/client/versions").status_code == 200
        server.unlimit_files()
        _until(http, 200)
