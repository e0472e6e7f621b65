"""Application services are told what concerns them: each event once, in order, whatever they answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hamrasan.appservices.delivery import MAX_TRANSACTION_BYTES, MAX_WAITING
from hamrasan.appservices.interest import Interest
from hamrasan.rooms.followers import EVENTS_AT_ONCE
from hamrasan.rooms.room import Room
from tests.application_services import TRANSACTIONS, Bridge, Says, Told, bridge
from tests.registrations import registration, write_registration
from tests.running import Person, Running, answered, running


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def service(data_dir: Path) -> Iterator[Bridge]:
    with bridge(data_dir) as service:
        yield service


@pytest.fixture
def served(data_dir: Path, service: Bridge) -> Iterator[Running]:
    with running(data_dir) as server:
        yield server


@pytest.fixture
def anna(served: Running) -> Person:
    return served.register("anna")


def room_with_bot(anna: Person, service: Bridge, **options: Any) -> str:
    """Return a room of hers in which the service's own user is."""
    room_id = anna.create_room(preset="public_chat", **options)
    with service.http(anna.http.base_url.copy_with(path="/").__str__().rstrip("/")) as http:
        answered(http.post(f"/join/{room_id}", json={}))
    return room_id


# What concerns a service.


def test_a_service_hears_of_rooms_in_which_its_user_is(anna: Person, service: Bridge) -> None:
    before = anna.create_room(preset="public_chat")
    anna.send(before, "nobody of yours is here")
    room_id = room_with_bot(anna, service)
    event_id = anna.send(room_id, "hello")
    service.wait_for_text("hello")
    assert service.texts == ["hello"]
    event = service.events[-1]
    assert (event["event_id"], event["room_id"], event["sender"]) == (event_id, room_id, anna.user_id)
    assert (event["type"], event["content"]["body"]) == ("m.room.message", "hello")
    assert event["unsigned"]["age"] >= 0
    assert {event["room_id"] for event in service.events} == {room_id}


def test_requests_to_a_service_carry_its_token(anna: Person, service: Bridge) -> None:
    room_with_bot(anna, service)
    service.wait(lambda: service.events)
    told = service.told[0]
    assert (told.method, told.headers["authorization"]) == (
        "PUT",
        f"Bearer {service.registration['hs_token']}",
    )
    assert told.headers["content-type"] == "application/json"
    assert "access_token" not in told.path


def test_an_invitation_of_one_of_its_users_is_told(anna: Person, service: Bridge) -> None:
    room_id = anna.create_room()
    anna.post(f"/rooms/{room_id}/invite", {"user_id": service.bot})
    service.wait(lambda: service.events, "the invitation")
    (event,) = service.events
    assert (event["type"], event["state_key"], event["content"]["membership"]) == (
        "m.room.member",
        service.bot,
        "invite",
    )
    anna.send(room_id, "an invitation is not a membership")
    anna.post(f"/rooms/{room_id}/kick", {"user_id": service.bot})
    service.wait(lambda: len(service.events) == 2, "the end of the invitation")
    assert service.texts == []


def test_a_service_hears_no_more_when_its_last_user_has_left(
    served: Running, anna: Person, service: Bridge
) -> None:
    room_id = room_with_bot(anna, service)
    ghost = service.make_ghost(served.url)
    with service.http(served.url) as http:
        answered(http.post(f"/join/{room_id}", params={"user_id": ghost}, json={}))
        anna.send(room_id, "two of yours")
        answered(http.post(f"/rooms/{room_id}/leave", json={}))
        anna.send(room_id, "one of yours")
        answered(http.post(f"/rooms/{room_id}/leave", params={"user_id": ghost}, json={}))
    anna.send(room_id, "none of yours")
    other = room_with_bot(anna, service)
    anna.send(other, "the end")
    service.wait_for_text("the end")
    assert service.texts == ["two of yours", "one of yours", "the end"]


def test_a_change_of_a_name_is_no_second_membership(served: Running, anna: Person, service: Bridge) -> None:
    room_id = room_with_bot(anna, service)
    with service.http(served.url) as http:
        for name in ("Bot", "Better bot"):
            answered(http.put(f"/profile/{service.bot}/displayname", json={"displayname": name}))
        anna.send(room_id, "here")
        answered(http.post(f"/rooms/{room_id}/leave", json={}))
    anna.send(room_id, "gone")
    other = room_with_bot(anna, service)
    anna.send(other, "the end")
    service.wait_for_text("the end")
    assert service.texts == ["here", "the end"]
    renamed = [event for event in service.events if event["content"].get("displayname") == "Better bot"]
    assert renamed[0]["unsigned"]["prev_content"]["displayname"] == "Bot"


def test_rooms_by_alias_and_by_id(data_dir: Path) -> None:
    with running(data_dir) as server:
        watched = server.register("anna").create_room(preset="public_chat")
    namespaces = {
        "users": [],
        "aliases": [{"regex": "#watched.*", "exclusive": False}],
        "rooms": [{"regex": watched, "exclusive": False}],
    }
    with bridge(data_dir, namespaces=namespaces) as service, running(data_dir) as server:
        anna = server.register("anna")
        anna.join(watched)
        anna.send(watched, "by id")
        service.wait_for_text("by id")
        by_alias = anna.create_room(room_alias_name="watched-from-the-start")
        anna.send(by_alias, "by alias")
        service.wait_for_text("by alias")
        later = anna.create_room()
        anna.send(later, "before it had the alias")
        alias = "/directory/room/" + quote("#watched-later:hamrasan.test", safe="")
        anna.put(alias, {"room_id": later})
        anna.send(later, "with the alias")
        service.wait_for_text("with the alias")
        anna.delete(alias)
        anna.send(later, "without the alias")
        anna.send(watched, "the end")
        service.wait_for_text("the end")
        assert service.texts == ["by id", "by alias", "with the alias", "the end"]
        assert {e["type"] for e in service.events if e["room_id"] == by_alias} >= {"m.room.create"}


def test_a_service_without_url_is_told_nothing(data_dir: Path) -> None:
    write_registration(data_dir, registration("silent", url=None))
    with running(data_dir) as server:
        anna = server.register("anna")
        room_id = anna.create_room()
        anna.post(f"/rooms/{room_id}/invite", {"user_id": "@_silent_bot:hamrasan.test"})
        anna.send(room_id, "hello")


# Order, and what a service answers.


def test_everything_arrives_once_and_in_order_from_many_senders(
    served: Running, anna: Person, service: Bridge
) -> None:
    room_id = room_with_bot(anna, service)
    people = [served.register("many") for _ in range(4)]
    for person in people:
        person.join(room_id)
    count = EVENTS_AT_ONCE

    def send(person: Person) -> None:
        for number in range(count):
            person.send(room_id, f"{person.localpart} {number}")

    threads = [threading.Thread(target=send, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    service.wait(lambda: len(service.texts) == 4 * count, "every message")
    for person in people:
        own = [text for text in service.texts if text.startswith(f"{person.localpart} ")]
        assert own == [f"{person.localpart} {number}" for number in range(count)]
    timeline: list[str] = []
    since = None
    while True:
        page = anna.get(
            f"/rooms/{room_id}/messages", dir="f", limit=100, **({"from": since} if since else {})
        )
        timeline += [event["event_id"] for event in page["chunk"] if event["type"] == "m.room.message"]
        since = page.get("end")
        if since is None:
            break
    assert [e["event_id"] for e in service.events if e["type"] == "m.room.message"] == timeline
    assert len({txn_id for txn_id, _ in service.transactions}) == len(service.transactions)


def retried(service: Bridge, server: Running) -> None:
    """Do not wait for the pause after a failure."""

    async def retry() -> None:
        server.server.services.service_dispatcher.retry_now(service.registration["id"])

    server.run(retry())


def test_what_is_not_taken_is_sent_again_the_same(served: Running, anna: Person, service: Bridge) -> None:
    room_id = room_with_bot(anna, service)
    service.wait(lambda: service.events)
    failures = iter([Says(500), Says(403, b'{"errcode":"M_FORBIDDEN"}'), Says(302), Says(200)])

    def fail(told: Told) -> Says:
        return next(failures, Says())

    service.answer = fail
    already = len(service.told)
    anna.send(room_id, "first")
    for number in range(1, 4):
        wanted = already + number
        service.wait(lambda: len(service.told) >= wanted)  # noqa: B023 - waited for before the next one
        anna.send(room_id, f"later {number}")
        retried(service, served)
    service.wait_for_text("later 3")
    tries = [(told.path, told.body) for told in service.told[already : already + 4]]
    assert len(set(tries)) == 1, "a transaction changed between two tries"
    assert service.texts == ["first", "later 1", "later 2", "later 3"]


def test_a_service_that_answers_nothing_holds_up_nobody_else(data_dir: Path, tmp_path: Path) -> None:
    """One service never answers, another one does, and people send as ever."""
    answers = threading.Event()

    def never(told: Told) -> Says:
        answers.wait(60)
        return Says()

    with (
        bridge(data_dir, "silent") as silent,
        bridge(data_dir, "quick") as quick,
        running(data_dir) as server,
    ):
        silent.answer = never
        anna = server.register("anna")
        room_id = room_with_bot(anna, silent)
        with quick.http(server.url) as http:
            answered(http.post(f"/join/{room_id}", json={}))
        silent.wait(lambda: silent.told)
        texts = [f"message {number}" for number in range(30)]
        for text in texts:
            anna.send(room_id, text)
        quick.wait_for_text(texts[-1])
        assert quick.texts == texts
        assert silent.texts == []
        answers.set()
        silent.wait_for_text(texts[-1])
        assert silent.texts == texts


def test_an_answer_without_end_is_given_up(served: Running, anna: Person, service: Bridge) -> None:
    endless = b"x" * (1024 * 1024)
    service.answer = lambda told: Says(200, endless)
    room_id = anna.create_room(preset="public_chat")
    with service.http(served.url) as http:
        answered(http.post(f"/join/{room_id}", json={}))
    service.wait(lambda: len(service.told) >= 1)
    anna.send(room_id, "while it talks")
    service.answer = lambda told: Says()
    retried(service, served)
    service.wait_for_text("while it talks")


def test_a_backlog_waits_where_it_is(served: Running, anna: Person, service: Bridge) -> None:
    """Of a service that is away only a few transactions are kept ready, and nothing is lost."""
    service.answer = lambda told: Says(503)
    room_id = room_with_bot(anna, service)
    count = (MAX_WAITING + 4) * 4
    for number in range(count):
        anna.send(room_id, f"message {number}")

    async def waiting() -> int:
        return len(await served.server.store.application_services.waiting("bridge"))

    assert served.run(waiting()) <= MAX_WAITING + 1
    service.answer = lambda told: Says()
    retried(service, served)
    service.wait_for_text(f"message {count - 1}")
    assert service.texts == [f"message {number}" for number in range(count)]
    service.wait(lambda: served.run(waiting()) == 0)


def test_large_events_are_spread_over_transactions(served: Running, anna: Person, service: Bridge) -> None:
    room_id = room_with_bot(anna, service)
    service.wait(lambda: service.events)
    service.answer = lambda told: Says(503)
    count = 3 * MAX_TRANSACTION_BYTES // 50_000
    for number in range(count):
        anna.send(room_id, f"{number} " + "x" * 50_000)
    service.answer = lambda told: Says()
    retried(service, served)
    service.wait(lambda: len(service.texts) == count)
    assert [int(text.split()[0]) for text in service.texts] == list(range(count))
    assert max(len(body) for _, body in service.transactions) < MAX_TRANSACTION_BYTES + 60_000


def test_services_as_old_as_bridges_get(served: Running, anna: Person, service: Bridge) -> None:
    """The first drafts had another address, and the token in the query."""
    known: list[str] = []

    def old(told: Told) -> Says:
        if told.path.startswith(TRANSACTIONS):
            return Says(404, b'{"errcode":"M_UNRECOGNIZED"}')
        known.append(told.path)
        return Says()

    service.answer = old
    room_with_bot(anna, service)
    service.wait(lambda: known)
    assert known[0].startswith("/transactions/")
    assert known[0].endswith(f"?access_token={service.registration['hs_token']}")


def test_a_service_goes_on_where_it_was_when_the_server_starts_again(data_dir: Path, service: Bridge) -> None:
    with running(data_dir) as server:
        anna = server.register("anna")
        room_id = room_with_bot(anna, service)
        anna.send(room_id, "taken")
        service.wait_for_text("taken")
        service.answer = lambda told: Says(503)
        for number in range(20):
            anna.send(room_id, f"not taken {number}")
    service.answer = lambda told: Says()
    with running(data_dir) as server:
        service.wait_for_text("not taken 19")
        assert service.texts == ["taken", *(f"not taken {number}" for number in range(20))]


def test_a_new_service_begins_with_what_happens_from_now_on(data_dir: Path) -> None:
    with running(data_dir) as server:
        anna = server.register("anna")
        room_id = anna.create_room(preset="public_chat")
        anna.send(room_id, "long ago")
        with bridge(
            data_dir, "watcher", namespaces={"rooms": [{"regex": ".*", "exclusive": False}]}
        ) as service:
            server.reload()
            server.run(server.server.services.service_dispatcher.update())
            other = server.register("ben")
            other.join(room_id)
            other.send(room_id, "now")
            service.wait_for_text("now")
            assert service.texts == ["now"]
            (data_dir / "appservices" / "watcher.yaml").unlink()
            server.reload()
            server.run(server.server.services.service_dispatcher.update())
            other.send(room_id, "not for a service that is gone")
        assert service.texts == ["now"]


def test_members_are_looked_at_once_for_each_room(
    served: Running, anna: Person, service: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an event costs does not grow with the room: memberships are carried on from event to event."""
    counted: list[str] = []
    usual = Interest._members

    async def counting(interest: Interest, room: Room) -> int:
        counted.append(room.id)
        return await usual(interest, room)

    monkeypatch.setattr(Interest, "_members", counting)
    with_bot, without = room_with_bot(anna, service), anna.create_room(preset="public_chat")
    ghost = service.make_ghost(served.url)
    for number in range(5):
        person = served.register("guest")
        for room_id in (with_bot, without):
            person.join(room_id)
            person.send(room_id, f"{number}")
    with service.http(served.url) as http:
        for room_id in (with_bot, without):
            answered(http.post(f"/join/{room_id}", params={"user_id": ghost}, json={}))
            anna.send(room_id, "with a ghost")
            answered(http.post(f"/rooms/{room_id}/leave", params={"user_id": ghost}, json={}))
    anna.send(without, "nobody of yours")
    anna.send(with_bot, "the end")
    service.wait_for_text("the end")
    assert service.texts == [*map(str, range(5)), "with a ghost", "with a ghost", "the end"]
    assert sorted(counted) == sorted([with_bot, without])


def test_a_reload_that_changes_nothing_disturbs_no_delivery(
    served: Running, anna: Person, service: Bridge
) -> None:
    dispatcher = served.server.services.service_dispatcher
    before = dict(dispatcher._deliveries)
    served.reload()
    served.run(dispatcher.update())
    assert dispatcher._deliveries == before
    room_id = room_with_bot(anna, service)
    anna.send(room_id, "hello")
    service.wait_for_text("hello")


def test_a_backlog_is_judged_as_of_its_time(data_dir: Path, service: Bridge) -> None:
    """What was said while the service's user was in the room is told, even if they had left before it came back."""
    with running(data_dir) as server:
        anna = server.register("anna")
        room_id = room_with_bot(anna, service)
        other = anna.create_room(preset="public_chat")
        service.wait(lambda: service.events)
        service.answer = lambda told: Says(503)
        during = [f"during {number}" for number in range(3 * MAX_WAITING)]
        for text in during:
            anna.send(room_id, text)
            anna.send(other, "nobody of yours is here yet")
        with service.http(server.url) as http:
            answered(http.post(f"/rooms/{room_id}/leave", json={}))
            anna.send(room_id, "after the leaving")
            answered(http.post(f"/join/{other}", json={}))
        anna.send(other, "the end")
    service.answer = lambda told: Says()
    with running(data_dir):
        service.wait_for_text("the end")
    assert service.texts == [*during, "the end"]
