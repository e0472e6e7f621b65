"""Pushes reach their gateway once, in order, whatever fails; and the number of unread messages is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from hamrasan.push import gateways
from hamrasan.push.delivery import MAX_ONE_BY_ONE
from tests.gateways import Answer, Gateway, Received, accept, gateway
from tests.http.edges import until
from tests.push.pushing import last_event, mention, push_to
from tests.reading import room_path
from tests.running import Person, Running


@pytest.fixture(name="room_id")
def _room(alice: Person, bob: Person) -> str:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return room_id


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(gateways, "FIRST_DELAY_S", 0.01)


@pytest.fixture(name="other_gateway")
def _other() -> Iterator[Gateway]:
    with gateway(private=True) as own:
        yield own


def fail_times(count: int, answer: Answer) -> Callable[[Received], Answer]:
    """Return what fails so often and then accepts."""
    left = [count]

    def fail(received: Received) -> Answer:
        left[0] -= 1
        return answer if left[0] >= 0 else accept(received)

    return fail


def always(answer: Answer, _: Received) -> Answer:
    return answer


@pytest.mark.parametrize(
    "failure",
    [
        Answer(500, b"oops"),
        Answer(404, b"{}"),
        Answer(429, b"{}", (("Retry-After", "0"),)),
        Answer(302, b"", (("Location", "/elsewhere"),)),
        Answer(200, b"x" * 100_000),
    ],
)
def test_what_fails_is_tried_again_until_it_succeeds_in_order(
    alice: Person, bob: Person, room_id: str, gateway: Gateway, failure: Answer
) -> None:
    gateway.answer = fail_times(5, failure)
    key = push_to(bob, gateway)
    said = [alice.send(room_id, f"{number}") for number in range(4)]
    gateway.wait(lambda: said[-1] in gateway.events(key))
    assert list(dict.fromkeys(gateway.events(key))) == said


def test_an_answer_that_is_no_json_is_taken_for_success(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    key = push_to(bob, gateway)
    for number, body in enumerate((b"fine", b"[]", b'{"rejected":7}', b"", b'{"rejected":["another"]}')):
        gateway.answer = partial(always, Answer(200, body))
        said = alice.send(room_id, f"{number}")
        last_event(gateway, said)
    assert len(gateway.events(key)) == 5
    assert bob.get("/pushers")["pushers"]


def test_a_rejected_pusher_is_deleted_and_others_stay(
    pushing: Running, alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    def reject(received: Received) -> Answer:
        return Answer(200, b'{"rejected":["phone"]}') if received.pushkey == "phone" else Answer()

    gateway.answer = reject
    push_to(bob, gateway, "phone")
    push_to(bob, gateway, "tablet")
    first = alice.send(room_id, "first")
    gateway.wait(lambda: gateway.events("phone") and gateway.events("tablet"))
    second = alice.send(room_id, "second")
    gateway.wait(lambda: len(gateway.events("tablet")) == 2)
    assert gateway.events("phone") == [first]
    assert gateway.events("tablet") == [first, second]
    assert [pusher["pushkey"] for pusher in bob.get("/pushers")["pushers"]] == ["tablet"]


def test_a_dead_gateway_holds_up_no_other(
    alice: Person, bob: Person, room_id: str, gateway: Gateway, other_gateway: Gateway
) -> None:
    gateway.answer = lambda received: Answer(503)
    push_to(bob, gateway, "dead")
    push_to(bob, other_gateway, "alive")
    said = [alice.send(room_id, f"{number}") for number in range(5)]
    other_gateway.wait(lambda: len(other_gateway.events("alive")) == 5)
    assert other_gateway.events("alive") == said
    assert gateway.events() == []
    gateway.answer = accept
    gateway.wait(lambda: len(gateway.events("dead")) >= 5)
    assert gateway.events("dead") == said


def test_of_a_backlog_the_last_of_each_room_and_the_mentions_are_sent(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    other = alice.create_room(preset="public_chat")
    bob.join(other)
    may_go_on = threading.Event()

    def hold(received: Received) -> Answer:
        may_go_on.wait(30)
        return Answer()

    gateway.answer = hold
    key = push_to(bob, gateway)
    first = alice.send(room_id, "first")
    gateway.wait(lambda: gateway.received)
    mentioned = mention(alice, room_id, {"user_ids": [bob.user_id]})
    lasts = [
        [alice.send(room, f"{number}") for number in range(MAX_ONE_BY_ONE + 1)][-1]
        for room in (other, room_id)
    ]
    may_go_on.set()
    told = last_event(gateway, lasts[1])
    assert gateway.events(key)[:2] == [first, mentioned]
    assert lasts[0] in gateway.events(key)
    assert len(gateway.events(key)) <= 3 + MAX_ONE_BY_ONE
    assert told["counts"] == {"unread": 2 * (MAX_ONE_BY_ONE + 1) + 2}


def test_reading_tells_the_new_number_also_zero(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    push_to(bob, gateway)
    ids = [alice.send(room_id, f"{number}") for number in range(3)]
    assert last_event(gateway, ids[2])["counts"] == {"unread": 3}
    bob.post(room_path(room_id, "receipt", "m.read", ids[0]), {})
    told = gateway.first(4)[3].notification
    assert told["counts"] == {"unread": 2}
    assert told["prio"] == "low"
    assert {"event_id", "room_id", "content"} & told.keys() == set()
    bob.send(room_id, "an answer reads everything")
    assert gateway.first(5)[4].notification["counts"] == {"unread": 0}


def test_unread_messages_of_all_rooms_are_counted(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    alice.send(room_id, "before there was a pusher")
    other = alice.create_room(preset="public_chat")
    bob.join(other)
    push_to(bob, gateway)
    said = alice.send(other, "hi")
    assert last_event(gateway, said)["counts"] == {"unread": 2}


def test_a_pusher_that_is_deleted_or_moved_is_not_told_any_more(
    alice: Person, bob: Person, room_id: str, gateway: Gateway, other_gateway: Gateway
) -> None:
    key = push_to(bob, gateway)
    last_event(gateway, alice.send(room_id, "one"))
    push_to(bob, other_gateway, key)
    last_event(other_gateway, alice.send(room_id, "two"))
    bob.post("/pushers/set", {"pushkey": key, "app_id": "org.example.app", "kind": None})
    push_to(alice, other_gateway)
    alice.send(room_id, "three")
    last_event(other_gateway, bob.send(room_id, "four"))
    assert (len(gateway.events(key)), len(other_gateway.events(key))) == (1, 1)


def test_nothing_is_kept_once_everybody_was_told(
    pushing: Running, alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    push_to(bob, gateway, "phone")
    push_to(bob, gateway, "tablet")
    for number in range(5):
        alice.send(room_id, f"{number}")
    gateway.first(10)
    store, delivery = pushing.server.store, pushing.server.services.push_delivery

    pushing.run(until(lambda: delivery.waiting == 0))
    assert pushing.run(store.push.waiting(bob.user_id, 0, 100)) == []
