"""A service asks whether the server reaches it, and learns exactly why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.application_services import TRANSACTIONS, Bridge, Says, bridge
from tests.registrations import registration, write_registration
from tests.running import Running, answered, client, refused, running

PING = "/_matrix/client/v1/appservice/{}/ping"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pinged")


@pytest.fixture(scope="module")
def service(data_dir: Path) -> Iterator[Bridge]:
    with bridge(data_dir) as service:
        yield service


@pytest.fixture(scope="module")
def served(data_dir: Path, service: Bridge) -> Iterator[Running]:
    write_registration(data_dir, registration("silent", url=None))
    write_registration(data_dir, registration("away", url="http://127.0.0.1:9"))
    with running(data_dir) as server:
        yield server


def ping(server: Running, id: str, token_of: str | None = None, **body: Any) -> httpx.Response:
    token = registration(token_of or id)["as_token"]
    with client(server.url, headers={"Authorization": f"Bearer {token}"}) as http:
        return http.post(PING.format(id), json=body)


def test_a_service_that_is_reached(served: Running, service: Bridge) -> None:
    service.answer = lambda told: Says()
    duration = answered(ping(served, "bridge", transaction_id="meow"))["duration_ms"]
    assert 0 <= duration < 20_000
    told = service.told[-1]
    assert (told.method, told.path, told.json) == ("POST", "/_matrix/app/v1/ping", {"transaction_id": "meow"})
    assert told.headers["authorization"] == f"Bearer {service.registration['hs_token']}"
    answered(ping(served, "bridge"))
    assert service.told[-1].json == {}


@pytest.mark.parametrize("status", [201, 302, 401, 403, 500])
def test_a_service_that_answers_otherwise(served: Running, service: Bridge, status: int) -> None:
    service.answer = lambda told: Says(status, b'{"errcode":"M_SOMETHING"}')
    told = refused(ping(served, "bridge"), 502, "M_BAD_STATUS")
    assert (told["status"], told["body"]) == (status, '{"errcode":"M_SOMETHING"}')


def test_a_service_whose_answer_has_no_end(served: Running, service: Bridge) -> None:
    service.answer = lambda told: Says(200, b"x" * 1024 * 1024)
    refused(ping(served, "bridge"), 502, "M_CONNECTION_FAILED")


def test_a_service_that_is_not_there(served: Running) -> None:
    refused(ping(served, "away"), 502, "M_CONNECTION_FAILED")


def test_a_service_without_url(served: Running) -> None:
    refused(ping(served, "silent"), 400, "M_URL_NOT_SET")


def test_only_the_service_itself_may_ask(served: Running) -> None:
    refused(ping(served, "bridge", "silent"), 403, "M_FORBIDDEN")
    refused(ping(served, "unknown", "silent"), 403, "M_FORBIDDEN")
    anna = served.register("anna")
    refused(anna.request("POST", PING.format("bridge"), {}), 403, "M_FORBIDDEN")
    with served.anonymous() as http:
        refused(http.post(PING.format("bridge"), json={}), 401, "M_MISSING_TOKEN")


def test_what_waits_is_sent_once_a_service_is_back(served: Running, service: Bridge) -> None:
    service.answer = lambda told: Says(503)
    anna = served.register("anna")
    room_id = anna.create_room(preset="public_chat")
    with service.http(served.url) as http:
        answered(http.post(f"/join/{room_id}", json={}))
    service.wait(lambda: any(told.path.startswith(TRANSACTIONS) for told in service.told))
    anna.send(room_id, "are you there?")
    service.answer = lambda told: Says()
    answered(ping(served, "bridge"))
    service.wait_for_text("are you there?")
