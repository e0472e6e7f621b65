"""Application services list rooms for their networks, and people find them there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.registrations import registration, write_registration
from tests.running import Person, Running, answered, client, refused, running

IRC = registration("irc", protocols=["irc"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("listing")
    write_registration(folder, IRC)
    with running(folder) as server:
        yield server


@pytest.fixture
def irc(served: Running) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {IRC['as_token']}"}
    with client(served.url + "/_matrix/client/v3", headers=headers) as http:
        yield http


@pytest.fixture
def anna(served: Running) -> Person:
    return served.register("anna")


def path(network: str, room_id: str) -> str:
    return f"/directory/list/appservice/{quote(network, safe='')}/{room_id}"


def room(irc: httpx.Client, name: str, **options: Any) -> str:
    room_id: str = answered(irc.post("/createRoom", json={"name": name, **options}))["room_id"]
    return room_id


def put(irc: httpx.Client, network: str, room_id: str, visibility: str = "public") -> None:
    assert answered(irc.put(path(network, room_id), json={"visibility": visibility})) == {}


def names(person: Person, **query: Any) -> list[str]:
    return [found["name"] for found in person.post("/publicRooms", query)["chunk"]]


def test_rooms_are_found_by_the_instance_of_their_network(irc: httpx.Client, anna: Person) -> None:
    put(irc, "libera", room(irc, "#python"))
    put(irc, "oftc", room(irc, "#debian"))
    assert names(anna, third_party_instance_id="irc|libera") == ["#python"]
    assert names(anna, third_party_instance_id="irc|oftc") == ["#debian"]
    assert "#python" not in names(anna)
    assert names(anna, third_party_instance_id="irc|nothing") == []
    assert names(anna, third_party_instance_id="nonsense") == []
    search = {"generic_search_term": "pyth"}
    assert names(anna, third_party_instance_id="irc|libera", filter=search) == ["#python"]
    assert names(anna, third_party_instance_id="irc|oftc", filter=search) == []


def test_a_listing_follows_what_is_put_in_and_taken_out(irc: httpx.Client, anna: Person) -> None:
    first, second = room(irc, "first"), room(irc, "second")
    put(irc, "follows", first)
    assert names(anna, third_party_instance_id="irc|follows") == ["first"]
    put(irc, "follows", second)
    put(irc, "follows", second)
    assert sorted(names(anna, third_party_instance_id="irc|follows")) == ["first", "second"]
    put(irc, "follows", first, "private")
    assert names(anna, third_party_instance_id="irc|follows") == ["second"]
    answered(irc.put(f"/rooms/{second}/state/m.room.name", json={"name": "renamed"}))
    assert names(anna, third_party_instance_id="irc|follows") == ["renamed"]


def test_all_networks_together(irc: httpx.Client, anna: Person) -> None:
    both, hidden = room(irc, "listed twice", visibility="public"), room(irc, "of a network")
    put(irc, "together", both)
    put(irc, "together", hidden)
    anna.create_room(name="plain", visibility="public")
    found = names(anna, include_all_networks=True, limit=500)
    assert {"listed twice", "of a network", "plain"} <= set(found)
    assert found.count("listed twice") == 1
    put(irc, "together", both, "private")
    put(irc, "together", hidden, "private")
    found = names(anna, include_all_networks=True, limit=500)
    assert "listed twice" in found
    assert "of a network" not in found


def test_pages(irc: httpx.Client, anna: Person) -> None:
    for number in range(3):
        put(irc, "paged", room(irc, f"room {number}"))
    page = anna.post("/publicRooms", {"third_party_instance_id": "irc|paged", "limit": 2})
    rest = anna.post(
        "/publicRooms", {"third_party_instance_id": "irc|paged", "since": page["next_batch"], "limit": 2}
    )
    assert len({found["name"] for found in (*page["chunk"], *rest["chunk"])}) == 3
    assert page["total_room_count_estimate"] == 3


def test_what_is_refused(irc: httpx.Client, anna: Person) -> None:
    theirs = anna.create_room(name="a diary")
    refused(irc.put(path("libera", theirs), json={"visibility": "public"}), 403, "M_FORBIDDEN")
    refused(irc.put(path("libera", "!none:hamrasan.test"), json={"visibility": "public"}), 403, "M_FORBIDDEN")
    own = room(irc, "own")
    refused(irc.put(path("libera", own), json={"visibility": "open"}), 400, "M_BAD_JSON")
    refused(irc.put(path("libera", own), json={}), 400, "M_MISSING_PARAM")
    refused(irc.put(path("x" * 256, own), json={"visibility": "public"}), 400, "M_INVALID_PARAM")
    refused(anna.request("PUT", path("libera", theirs), {"visibility": "public"}), 403, "M_FORBIDDEN")
    assert "a diary" not in names(anna, include_all_networks=True, limit=500)


def test_listings_outlive_the_server(tmp_path: Path) -> None:
    write_registration(tmp_path, IRC)
    for expected in ("first", "second"):
        with running(tmp_path) as server:
            headers = {"Authorization": f"Bearer {IRC['as_token']}"}
            with client(server.url + "/_matrix/client/v3", headers=headers) as http:
                if expected == "first":
                    put(http, "libera", room(http, "#python"))
            anna = server.register("anna")
            assert names(anna, third_party_instance_id="irc|libera") == ["#python"]
