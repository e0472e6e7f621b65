"""The server process of the tests: it can be ended in every way, and keeps its folder and its URL."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.processes import server_process


def test_a_process_is_stopped_killed_and_started_again_where_it_was(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        url, someone = server.url, server.register("someone")
        room_id = someone.create_room()
        for end in (server.stop, server.kill):
            end()
            assert not server.running
            with pytest.raises(httpx.TransportError):
                someone.get("/account/whoami")
            server.start()
            assert server.url == url
            assert someone.get("/joined_rooms")["joined_rooms"] == [room_id]
        assert server.complaints == []
    assert not server.running


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    refused = pytest.raises(AssertionError, match="'registration' cannot be 'sometimes'")
    with refused, server_process(tmp_path / "data", registration="sometimes"):
        pass


def test_the_limit_of_files_holds_for_the_running_server_only(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        server.limit_files(1)
        (tmp_path / "mine").write_bytes(bytes(4096))
        server.unlimit_files()
        server.register("someone")
