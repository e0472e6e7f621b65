"""Events that are sent later (MSC4140)."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from hamrasan.flows.delayed_events import MAX_DELAY_MS, MAX_SCHEDULED
from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.reading import bodies, leave, room_path, set_state, walk
from tests.running import Person, Running, refused, running

ALL = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
FAR = 3_600_000
SOON = 50


def send_later(who: Person, room_id: str, body: str, delay: int, txn: str | None = None) -> Any:
    path = room_path(room_id, "send", "m.room.message", txn or f"txn-{body}")
    return who.request(
        "PUT", path + f"?org.matrix.msc4140.delay={delay}", {"msgtype": "m.text", "body": body}
    )


def later(who: Person, room_id: str, body: str, delay: int = FAR, txn: str | None = None) -> str:
    answer = send_later(who, room_id, body, delay, txn)
    assert answer.status_code == 200, answer.text
    delay_id: str = answer.json()["delay_id"]
    return delay_id


def set_later(who: Person, room_id: str, type: str, key: str, content: Any, delay: int = FAR) -> str:
    path = room_path(room_id, "state", type, key) + f"?org.matrix.msc4140.delay={delay}"
    delay_id: str = who.put(path, content)["delay_id"]
    return delay_id


def said(who: Person, room_id: str) -> list[str]:
    return bodies(walk(who, room_id, "f"))


def test_an_event_is_sent_when_its_time_has_come(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    since = bob.sync()["next_batch"]
    delay_id = later(alice, room_id, "later", SOON)
    section, _ = bob.next_of_room(since, room_id)
    (event,) = section["timeline"]["events"]
    assert (event["content"]["body"], event["sender"]) == ("later", alice.user_id)
    alice.post(f"{ALL}/{delay_id}/send")  # waits for what is being done to the event, and finds it done
    shown = alice.get(f"{ALL}/{delay_id}")
    assert (shown["outcome"], shown["reason"], shown["event_id"]) == ("send", "delay", event["event_id"])


def test_what_is_put_off_waits_and_what_is_sent_is_sent_at_once(alice: Person) -> None:
    room_id = alice.create_room()
    delay_id = later(alice, room_id, "x")
    first = alice.get(ALL)["scheduled"]
    assert [event["delay_id"] for event in first] == [delay_id]
    assert first[0]["content"]["body"] == "x"
    assert first[0]["delay"] == FAR
    alice.post(f"{ALL}/{delay_id}/restart")
    assert alice.get(ALL)["scheduled"][0]["running_since"] >= first[0]["running_since"]
    assert said(alice, room_id) == []
    alice.post(f"{ALL}/{delay_id}/send")
    assert said(alice, room_id) == ["x"]
    assert alice.get(ALL, status="scheduled") == {"scheduled": []}
    assert [entry["outcome"] for entry in alice.get(ALL, status="finalised")["finalised"]] == ["send"]


def test_what_is_cancelled_is_never_sent(alice: Person) -> None:
    room_id = alice.create_room()
    delay_id = later(alice, room_id, "x")
    alice.post(f"{ALL}/{delay_id}", {"action": "cancel"})
    alice.post(f"{ALL}/{delay_id}/cancel")
    for action in ("restart", "send"):
        refused(alice.request("POST", f"{ALL}/{delay_id}/{action}", {}), 404, "M_NOT_FOUND")
    assert said(alice, room_id) == []
    (entry,) = alice.get(ALL, delay_id=delay_id)["finalised"]
    assert (entry["outcome"], entry["reason"]) == ("cancel", "action")


def test_who_knows_the_id_may_act_on_it_without_a_token(server: Running, alice: Person) -> None:
    room_id = alice.create_room()
    delay_id = later(alice, room_id, "x")
    with server.anonymous() as http:
        assert http.post(f"{ALL}/{delay_id}/send").status_code == 200
        refused(http.get(ALL), 401, "M_MISSING_TOKEN")
        refused(http.get(f"{ALL}/{delay_id}"), 401, "M_MISSING_TOKEN")
    assert said(alice, room_id) == ["x"]


def test_others_do_not_see_ones_events(alice: Person, bob: Person) -> None:
    delay_id = later(alice, alice.create_room(), "x")
    assert bob.get(ALL) == {"scheduled": [], "finalised": []}
    refused(bob.request("GET", f"{ALL}/{delay_id}"), 404, "M_NOT_FOUND")


def test_a_repeated_request_hands_in_nothing_new(alice: Person) -> None:
    room_id = alice.create_room()
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: later(alice, room_id, "x", txn="same"), range(8)))
    assert len(ids) == 1
    assert len(alice.get(ALL)["scheduled"]) == 1


def test_of_many_who_act_at_once_one_has_it_sent(alice: Person) -> None:
    room_id = alice.create_room()
    delay_id = later(alice, room_id, "x")
    with ThreadPoolExecutor(8) as pool:
        actions = ["send", "cancel"] * 8
        answers = list(pool.map(lambda name: alice.request("POST", f"{ALL}/{delay_id}/{name}", {}), actions))
    outcome = alice.get(f"{ALL}/{delay_id}")["outcome"]
    for name, answer in zip(actions, answers, strict=True):
        assert answer.status_code == (200 if name == outcome else 404)
    assert said(alice, room_id) == (["x"] if outcome == "send" else [])


def test_a_member_of_a_call_leaves_it_when_nobody_puts_that_off(alice: Person) -> None:
    room_id = alice.create_room()
    type = "org.matrix.msc3401.call.member"
    set_state(alice, room_id, type, {"application": "m.call"}, alice.user_id)
    since = alice.sync()["next_batch"]
    set_later(alice, room_id, type, alice.user_id, {}, SOON)
    section, _ = alice.next_of_room(since, room_id)
    (event,) = section["timeline"]["events"]
    assert (event["type"], event["state_key"], event["content"]) == (type, alice.user_id, {})


def test_state_that_somebody_else_has_set_meanwhile_stays(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="trusted_private_chat", invite=[bob.user_id])
    bob.join(room_id)
    delay_id = set_later(alice, room_id, "m.room.topic", "", {"topic": "mine"})
    own = set_later(bob, room_id, "m.room.topic", "", {"topic": "bob's, later"})
    set_state(bob, room_id, "m.room.topic", {"topic": "bob's"})
    refused(alice.request("POST", f"{ALL}/{delay_id}/send", {}), 409, "M_CANCELLED_BY_STATE_UPDATE")
    shown = alice.get(f"{ALL}/{delay_id}")
    assert (shown["outcome"], shown["error"]["errcode"]) == ("cancel", "M_CANCELLED_BY_STATE_UPDATE")
    bob.post(f"{ALL}/{own}/send")
    assert alice.get(room_path(room_id, "state", "m.room.topic")) == {"topic": "bob's, later"}


def test_memberships_and_redactions_can_wait_too(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = bob.send(room_id, "regretted")
    path = room_path(room_id, "send", "m.room.redaction", "r") + f"?org.matrix.msc4140.delay={FAR}"
    bob.post(f"{ALL}/{bob.put(path, {'redacts': event_id})['delay_id']}/send")
    assert alice.get(room_path(room_id, "event", event_id))["content"] == {}
    bob.post(f"{ALL}/{set_later(bob, room_id, 'm.room.member', bob.user_id, {'membership': 'leave'})}/send")
    assert bob.get("/joined_rooms")["joined_rooms"] == []


def test_what_may_not_be_sent_when_its_time_has_come_is_not(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    delay_id = later(bob, room_id, "too late")
    leave(bob, room_id)
    refused(bob.request("POST", f"{ALL}/{delay_id}/send", {}), 403, "M_FORBIDDEN")
    shown = bob.get(f"{ALL}/{delay_id}")
    assert (shown["outcome"], shown["reason"], shown["error"]["errcode"]) == (
        "cancel",
        "error",
        "M_FORBIDDEN",
    )
    refused(send_later(bob, room_id, "outside", FAR), 403, "M_FORBIDDEN")
    assert said(alice, room_id) == []


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("delay=0", "M_INVALID_PARAM"),
        ("delay=-1", "M_INVALID_PARAM"),
        ("delay=soon", "M_INVALID_PARAM"),
        ("parent_delay_id=x", "M_INVALID_PARAM"),
        ("delay=1&org.matrix.msc4140.parent_delay_id=x", "M_INVALID_PARAM"),
        (f"delay={MAX_DELAY_MS + 1}", "M_UNKNOWN"),
    ],
)
def test_a_bad_delay_is_refused_and_nothing_is_sent(alice: Person, query: str, errcode: str) -> None:
    room_id = alice.create_room()
    path = room_path(room_id, "send", "m.room.message", "t") + f"?org.matrix.msc4140.{query}"
    error = refused(alice.request("PUT", path, {"body": "x"}), 400, errcode)
    if errcode == "M_UNKNOWN":
        assert error["org.matrix.msc4140.errcode"] == "M_MAX_DELAY_EXCEEDED"
        assert error["org.matrix.msc4140.max_delay"] == MAX_DELAY_MS
    assert alice.get(ALL) == {"scheduled": [], "finalised": []}
    assert walk(alice, room_id, "f")[-1]["type"] != "m.room.message"


def test_nobody_has_more_than_so_many(alice: Person) -> None:
    room_id = alice.create_room()
    ids = [later(alice, room_id, str(number)) for number in range(MAX_SCHEDULED)]
    error = refused(send_later(alice, room_id, "more", FAR), 400, "M_UNKNOWN")
    assert error["org.matrix.msc4140.errcode"] == "M_MAX_DELAYED_EVENTS_EXCEEDED"
    alice.post(f"{ALL}/{ids[0]}/cancel")
    later(alice, room_id, "more")
    assert len(alice.get(ALL)["scheduled"]) == MAX_SCHEDULED


def test_what_cannot_be_done_with_an_event(alice: Person) -> None:
    delay_id = later(alice, alice.create_room(), "x")
    refused(alice.request("POST", f"{ALL}/{delay_id}/forget", {}), 404, "M_UNRECOGNIZED")
    refused(alice.request("POST", f"{ALL}/{delay_id}", {"action": "forget"}), 400, "M_INVALID_PARAM")
    refused(alice.request("POST", f"{ALL}/{delay_id}", {}), 400, "M_MISSING_PARAM")
    refused(alice.request("POST", f"{ALL}/unknown/send", {}), 404, "M_NOT_FOUND")
    assert len(alice.get(ALL)["scheduled"]) == 1


def test_what_should_have_been_sent_while_the_server_was_down_comes_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        ids = [later(alice, room_id, str(number), 60_000 * number) for number in (3, 1, 2)]
        stays = later(alice, room_id, "stays")
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as database, database:
        database.execute("UPDATE delayed_events SET running_since = running_since - 300000")
    with running(tmp_path) as server:
        again = Person(server.url, alice.user_id, alice.device_id, alice.token)
        since = again.sync()["next_batch"]
        while len(found := said(again, room_id)) < 3:
            since = again.sync(since, timeout=20_000)["next_batch"]
        assert found == ["1", "2", "3"]
        for delay_id in ids:
            again.post(f"{ALL}/{delay_id}/send")
        assert [event["delay_id"] for event in again.get(ALL)["scheduled"]] == [stays]
        again.http.close()


def test_an_event_that_was_sent_but_not_noted_is_not_sent_again(tmp_path: Path) -> None:
    """As after a power cut between the two commits."""
    with running(tmp_path) as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        delay_id = later(alice, room_id, "once")
        alice.post(f"{ALL}/{delay_id}/send")
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as database, database:
        database.execute("UPDATE delayed_events SET outcome = NULL, reason = NULL, running_since = 1")
    with running(tmp_path) as server:
        again = Person(server.url, alice.user_id, alice.device_id, alice.token)
        since = again.sync()["next_batch"]
        while again.get(ALL)["scheduled"]:
            since = again.sync(since, timeout=100)["next_batch"]
        assert said(again, room_id) == ["once"]
        again.http.close()


@pytest.mark.parametrize(("locked", "errcode"), [(True, "M_USER_LOCKED"), (False, "M_USER_SUSPENDED")])
def test_who_is_locked_or_suspended_says_nothing_later_either(
    server: Running, alice: Person, locked: bool, errcode: str
) -> None:
    bob = server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    asked, waiting = later(bob, room_id, "x"), later(bob, room_id, "y", SOON)
    accounts = server.server.services.accounts
    server.run((accounts.set_locked if locked else accounts.set_suspended)(bob.user_id, True))
    with server.anonymous() as http:
        refused(http.post(f"{ALL}/{asked}/send"), 401 if locked else 403, errcode)
        refused(http.post(f"{ALL}/{waiting}/send"), 401 if locked else 403, errcode)
    assert said(alice, room_id) == []


def test_the_events_of_an_account_that_ended_are_gone(server: Running, alice: Person) -> None:
    bob = server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    delay_id = later(bob, room_id, "x")
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": bob.user_id}}
    bob.post("/account/deactivate", {"auth": {**auth, "password": "correct horse battery staple"}})
    with server.anonymous() as http:
        answer: httpx.Response = http.post(f"{ALL}/{delay_id}/send")
        assert answer.status_code in (403, 404)
    assert said(alice, room_id) == []
