"""A server's start and end: where it is, what it counts, and that nothing stays open when it cannot start."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import httpx
import pytest

from hamrasan.runtime.settings import Address, Settings
from hamrasan.server import CannotListen, SigningKeyDamaged, start_server
from hamrasan.server.folder import KEY_FILE
from tests.running import PASSWORD, Running, answered, running

ANY_PORT = Address("127.0.0.1", 0)


def _metrics(server: Running) -> dict[str, float]:
    """Return the figures that the metrics listener shows, by name with labels."""
    edge = server.server.metrics_edge
    assert edge is not None
    host, port = edge.addresses[0]
    answer = httpx.get(f"http://{host}:{port}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = re.findall(r"^(hamrasan\S+) (\S+)$", answer.text, re.MULTILINE)
    return {name: float(figure) for name, figure in found}


def test_what_happens_is_counted(tmp_path: Path) -> None:
    with running(tmp_path, metrics_listen=ANY_PORT) as server:
        anna = server.register("anna")
        room_id = anna.create_room()
        before = _metrics(server)
        for number in range(3):
            anna.send(room_id, f"message {number}")
        anna.request("GET", "/account/whoami", access_token="wrong")
        after = _metrics(server)
    assert after["hamrasan_events_committed_total"] == before["hamrasan_events_committed_total"] + 3
    sent = 'hamrasan_http_requests_total{operation="sendMessage",status="200"}'
    assert after[sent] == before.get(sent, 0) + 3
    assert after['hamrasan_http_request_seconds_count{operation="sendMessage"}'] == 3
    assert after["hamrasan_commit_seconds_count"] >= before["hamrasan_commit_seconds_count"] + 3
    assert after["hamrasan_commit_seconds_sum"] > before["hamrasan_commit_seconds_sum"]
    assert after["hamrasan_rooms_loaded"] == 1
    assert after["hamrasan_http_connections"] >= 1


def test_a_sync_that_waits_is_counted_while_it_waits(tmp_path: Path) -> None:
    with running(tmp_path, metrics_listen=ANY_PORT) as server:
        anna = server.register("anna")
        since = anna.sync()["next_batch"]
        assert _metrics(server)["hamrasan_sync_parked_polls"] == 0
        with socket.create_connection(server.server.edge.addresses[0]) as client:
            target = f"/_matrix/client/v3/sync?timeout=60000&since={since}"
            client.sendall(
                f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna.token}\r\n\r\n".encode()
            )
            while _metrics(server)["hamrasan_sync_parked_polls"] != 1:
                pass
        while _metrics(server)["hamrasan_sync_parked_polls"] != 0:
            pass


def test_metrics_are_not_shown_to_clients(server: Running) -> None:
    with server.anonymous() as http:
        assert http.get("/metrics").status_code == 404
    assert server.server.metrics_edge is None


@pytest.mark.parametrize(
    ("listen", "public_url", "url"),
    [
        (Address("127.0.0.1", 0), None, "http://127.0.0.1:{port}"),
        (Address("0.0.0.0", 0), None, "http://localhost:{port}"),
        (Address("127.0.0.1", 0), "https://chat.example.org", "https://chat.example.org"),
    ],
)
def test_it_knows_where_people_open_it(
    listen: Address, public_url: str | None, url: str, tmp_path: Path
) -> None:
    with running(tmp_path, listen=listen, public_url=public_url) as server:
        port = server.server.edge.addresses[0][1]
        assert server.server.url == url.format(port=port)


@pytest.mark.parametrize("which", ["listen", "metrics_listen"])
def test_an_address_that_is_taken_leaves_nothing_open(which: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Address("127.0.0.1", other.getsockname()[1])
        with pytest.raises(CannotListen) as caught, running(tmp_path, **{which: taken}):
            pass
    assert caught.value.address == taken
    with running(tmp_path):
        pass  # the folder is free again


def test_a_damaged_key_leaves_nothing_open(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    good = (tmp_path / KEY_FILE).read_text()
    (tmp_path / KEY_FILE).write_text("ed25519")
    with pytest.raises(SigningKeyDamaged):
        asyncio.run(start_server(Settings(data_dir=tmp_path, server_name="hamrasan.test", listen=ANY_PORT)))
    (tmp_path / KEY_FILE).write_text(good)
    with running(tmp_path) as server:
        assert server.server.services.signing_key.to_text() == good.strip()


@pytest.mark.parametrize(("proxies", "address"), [((), "10.0.0.5"), (("10.0.0.0/8",), "198.51.100.7")])
def test_only_trusted_proxies_are_believed(proxies: tuple[str, ...], address: str, tmp_path: Path) -> None:
    with running(tmp_path, trusted_proxies=proxies) as server:
        body = {"username": "anna", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        headers = {"X-Forwarded-For": "198.51.100.7, 10.0.0.5"}
        with server.anonymous() as http:
            session = answered(http.post("/_matrix/client/v3/register", json=body, headers=headers))
            asking = {"Authorization": f"Bearer {session['access_token']}", **headers}
            devices = answered(http.get("/_matrix/client/v3/devices", headers=asking))["devices"]
    assert [device["last_seen_ip"] for device in devices] == [address]
