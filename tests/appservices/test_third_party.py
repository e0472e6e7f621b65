"""What services tell of other networks reaches people, and what is wrong with it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from tests.application_services import Bridge, Says, Told, bridge
from tests.running import Person, Running, refused, running

PROTOCOL: dict[str, Any] = {
    "user_fields": ["network", "nickname"],
    "location_fields": ["network", "channel"],
    "icon": "mxc://example.org/icon",
    "field_types": {"nickname": {"regexp": "[^ ]+", "placeholder": "name"}},
    "instances": [{"network_id": "libera", "desc": "Libera", "fields": {"network": "libera.chat"}}],
}
USER = {"userid": "@_irc_anna:hamrasan.test", "protocol": "irc", "fields": {"nickname": "anna"}}
LOCATION = {"alias": "#_irc_python:hamrasan.test", "protocol": "irc", "fields": {"channel": "#python"}}
PATH = "/_matrix/app/v1/thirdparty"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def irc(data_dir: Path) -> Iterator[Bridge]:
    with bridge(data_dir, "irc", protocols=["irc"]) as service:
        service.answer = knows_irc
        yield service


@pytest.fixture
def served(data_dir: Path, irc: Bridge) -> Iterator[Running]:
    with running(data_dir) as server:
        yield server


@pytest.fixture
def anna(served: Running) -> Person:
    return served.register("anna")


def knows_irc(told: Told) -> Says:
    path = told.path.partition("?")[0].removeprefix(PATH)
    known: dict[str, Any] = {
        "/protocol/irc": PROTOCOL,
        "/user/irc": [USER],
        "/user": [USER],
        "/location/irc": [LOCATION],
        "/location": [LOCATION],
    }
    return Says(200, orjson.dumps(known[path])) if path in known else Says(404)


def test_protocols_come_with_ids_for_their_instances(anna: Person) -> None:
    instance = {**PROTOCOL["instances"][0], "instance_id": "irc|libera"}
    described = {**PROTOCOL, "instances": [instance]}
    assert anna.get("/thirdparty/protocols") == {"irc": described}
    assert anna.get("/thirdparty/protocol/irc") == described
    refused(anna.request("GET", "/thirdparty/protocol/xmpp"), 404, "M_NOT_FOUND")


def test_users_and_locations(anna: Person, irc: Bridge) -> None:
    assert anna.get("/thirdparty/user/irc", network="libera.chat", nickname="anna") == [USER]
    assert parse_qs(urlsplit(irc.told[-1].path).query) == {"network": ["libera.chat"], "nickname": ["anna"]}
    assert anna.get("/thirdparty/location/irc", channel="#python") == [LOCATION]
    assert anna.get("/thirdparty/user", userid=USER["userid"]) == [USER]
    assert anna.get("/thirdparty/location", alias=LOCATION["alias"]) == [LOCATION]
    for path in ("user/xmpp", "location/xmpp"):
        refused(anna.request("GET", f"/thirdparty/{path}"), 404, "M_NOT_FOUND")


def test_a_token_in_the_query_is_not_passed_on(served: Running, anna: Person, irc: Bridge) -> None:
    with served.anonymous() as http:
        query = {"access_token": anna.token, "nickname": "anna"}
        http.get("/_matrix/client/v3/thirdparty/user/irc", params=query)
    assert anna.token not in irc.told[-1].path


def test_only_so_many_fields(anna: Person) -> None:
    fields = {f"field{number}": "x" for number in range(21)}
    refused(anna.request("GET", "/thirdparty/user/irc", **fields), 400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    "says",
    [
        Says(500),
        Says(200, b"no JSON"),
        Says(200, b"[]"),
        Says(200, b"{}"),
        Says(200, b'{"user_fields":1,"location_fields":[],"icon":"","field_types":{}}'),
        Says(200, b"[" * 100_000),
        Says(200, b" " * 1024 * 1024),
    ],
)
def test_a_service_that_answers_nonsense_is_passed_over(anna: Person, irc: Bridge, says: Says) -> None:
    irc.answer = lambda told: says
    assert anna.get("/thirdparty/protocols") == {}
    refused(anna.request("GET", "/thirdparty/user/irc"), 404, "M_NOT_FOUND")
    refused(anna.request("GET", "/thirdparty/location", alias=LOCATION["alias"]), 404, "M_NOT_FOUND")


def test_two_services_of_a_network_are_one_to_people(data_dir: Path, irc: Bridge) -> None:
    with bridge(data_dir, "other", protocols=["irc"]) as other, running(data_dir) as server:
        instance = {"network_id": "oftc", "desc": "OFTC", "fields": {}, "wrong": 1}
        protocol = {**PROTOCOL, "instances": [instance, {"network_id": 3}, "nonsense"]}
        other.answer = lambda told: Says(200, orjson.dumps(protocol))
        told = server.register("anna").get("/thirdparty/protocol/irc")
        assert [item["instance_id"] for item in told["instances"]] == ["irc|libera", "other|oftc"]
        other.answer = lambda told: Says(503)
        told = server.register("anna").get("/thirdparty/protocol/irc")
        assert [item["instance_id"] for item in told["instances"]] == ["irc|libera"]
