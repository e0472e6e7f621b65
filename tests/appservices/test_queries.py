"""Users and aliases that nobody knows are asked for where they may be known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from hamrasan.appservices import queries
from hamrasan.appservices.client import MAX_QUESTIONS
from tests.application_services import Bridge, Says, Told, bridge
from tests.running import Person, Running, answered, refused, running

GHOST = "@_bridge_{}:hamrasan.test"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def service(data_dir: Path) -> Iterator[Bridge]:
    with bridge(data_dir) as service:
        yield service


@pytest.fixture(scope="module")
def served(data_dir: Path, service: Bridge) -> Iterator[Running]:
    with running(data_dir) as server:
        service.answer = lambda told: makes_what_is_asked_for(service, server, told)
        yield server


@pytest.fixture
def anna(served: Running) -> Person:
    return served.register("anna")


def makes_what_is_asked_for(service: Bridge, server: Running, told: Told) -> Says:
    """Make the user or the alias, as bridges do, unless its name says that there is none."""
    path = unquote(told.path)
    if "nobody" in path or not path.startswith(("/_matrix/app/v1/users/", "/_matrix/app/v1/rooms/")):
        return Says(404, b'{"errcode":"M_NOT_FOUND"}')
    localpart = path.rpartition("/")[2][1:].partition(":")[0]
    if "/users/" in path:
        service.make_ghost(server.url, localpart.removeprefix("_bridge_"))
    else:
        with service.http(server.url) as http:
            wish = {"room_alias_name": localpart, "preset": "public_chat"}
            answered(http.post("/createRoom", json=wish))
    return Says()


def asked(service: Bridge, name: str) -> list[str]:
    """Return the questions about something of this name."""
    return [told.path for told in service.told if name in told.path and told.method == "GET"]


def test_a_user_is_made_when_a_profile_is_asked_for(service: Bridge, anna: Person) -> None:
    user_id = GHOST.format("profile")
    assert anna.get(f"/profile/{user_id}") == {}
    assert list(map(unquote, asked(service, "profile"))) == [f"/_matrix/app/v1/users/{user_id}"]
    anna.get(f"/profile/{user_id}")
    assert len(asked(service, "profile")) == 1, "who is known is not asked for"


def test_a_user_is_made_to_be_invited(service: Bridge, anna: Person) -> None:
    room_id = anna.create_room()
    user_id = GHOST.format("invited")
    anna.post(f"/rooms/{room_id}/invite", {"user_id": user_id})
    assert anna.get(f"/rooms/{room_id}/state/m.room.member/{user_id}")["membership"] == "invite"
    anna.create_room(invite=[GHOST.format("invited_at_once")], is_direct=True)


def test_an_alias_is_made_when_it_is_looked_up_or_joined(service: Bridge, anna: Person) -> None:
    alias = "#_bridge_looked_up:hamrasan.test"
    room_id = anna.get("/directory/room/" + quote(alias, safe=""))["room_id"]
    assert anna.join(alias) == room_id
    assert len(asked(service, "looked_up")) == 1
    assert anna.join("#_bridge_joined:hamrasan.test")


def test_what_the_service_does_not_know_is_not_found(service: Bridge, anna: Person) -> None:
    user_id = GHOST.format("nobody")
    refused(anna.request("GET", f"/profile/{user_id}"), 404, "M_NOT_FOUND")
    room_id = anna.create_room()
    refused(anna.request("POST", f"/rooms/{room_id}/invite", {"user_id": user_id}), 404, "M_NOT_FOUND")
    alias = quote("#_bridge_nobody:hamrasan.test", safe="")
    refused(anna.request("GET", f"/directory/room/{alias}"), 404, "M_NOT_FOUND")


def test_nobody_is_asked_for_what_is_in_no_namespace(service: Bridge, anna: Person) -> None:
    before = len(asked(service, ""))
    refused(anna.request("GET", "/profile/@stranger:hamrasan.test"), 404, "M_NOT_FOUND")
    refused(anna.request("GET", "/profile/@_bridge_x:elsewhere.org"), 502, "M_CONNECTION_FAILED")
    alias = quote("#stranger:hamrasan.test", safe="")
    refused(anna.request("GET", f"/directory/room/{alias}"), 404, "M_NOT_FOUND")
    assert len(asked(service, "")) == before


def test_who_asks_for_the_same_at_once_shares_one_question(served: Running, service: Bridge) -> None:
    go_on, usual = threading.Event(), service.answer

    def wait(told: Told) -> Says:
        go_on.wait(20)
        return usual(told)

    service.answer = wait
    user_id = GHOST.format("popular")
    statuses: list[int] = []

    def ask(person: Person) -> None:
        statuses.append(person.request("GET", f"/profile/{user_id}").status_code)

    people = [served.register("curious") for _ in range(5)]
    threads = [threading.Thread(target=ask, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    service.wait(lambda: asked(service, "popular"))
    go_on.set()
    for thread in threads:
        thread.join()
    service.answer = usual
    assert statuses == [200] * 5
    assert len(asked(service, "popular")) == 1


def test_a_service_that_does_not_answer(
    service: Bridge, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "TIMEOUT_S", 0.05)
    usual, go_on = service.answer, threading.Event()

    def never(told: Told) -> Says:
        go_on.wait(20)
        return Says(404)

    service.answer = never
    user_id = GHOST.format("silence")
    refused(anna.request("GET", f"/profile/{user_id}"), 408, "M_CONNECTION_TIMEOUT")
    assert len(asked(service, "silence")) == queries.TRIES
    go_on.set()
    service.answer = usual


def test_questions_do_not_hold_up_transactions(served: Running, service: Bridge, anna: Person) -> None:
    """However many unknown users somebody asks for, and however long the service thinks about them."""
    usual, go_on = service.answer, threading.Event()

    def think(told: Told) -> Says:
        if told.method == "GET":
            go_on.wait(30)
            return Says(404)
        return Says()

    service.answer = think
    room_id = anna.create_room(preset="public_chat")
    with service.http(served.url) as http:
        answered(http.post(f"/join/{room_id}", json={}))

    def ask(person: Person, number: int) -> None:
        person.request("GET", f"/profile/{GHOST.format(f'flood{number}')}")

    people = [served.register("curious") for _ in range(24)]
    threads = [threading.Thread(target=ask, args=asker) for asker in zip(people, range(24), strict=True)]
    for thread in threads:
        thread.start()
    service.wait(lambda: len(asked(service, "flood")) == MAX_QUESTIONS)
    anna.send(room_id, "is anybody there?")
    service.wait_for_text("is anybody there?")
    assert len(asked(service, "flood")) == MAX_QUESTIONS
    go_on.set()
    for thread in threads:
        thread.join()
    service.answer = usual


def test_a_service_that_is_not_there_knows_nobody(data_dir: Path, tmp_path: Path) -> None:
    with bridge(tmp_path) as gone:
        pass
    with running(tmp_path) as server:
        anna = server.register("anna")
        refused(anna.request("GET", f"/profile/{GHOST.format('x')}"), 404, "M_NOT_FOUND")
    assert gone.told == []
