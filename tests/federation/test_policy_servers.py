"""Rooms that have their events judged by a policy server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.room_versions import room_version
from hamrasan.protocol.signing import SigningKey, sign_event
from hamrasan.rooms.policy_servers import KEY_ID
from tests.federation.country import Member, country
from tests.federation.strangers import Asked, json_answer
from tests.federation.visitors import Visitor
from tests.reading import room_path
from tests.running import Person, answered, refused

SIGN = "/_matrix/policy/v1/sign"
KEY = SigningKey(KEY_ID, b"p" * 32)
OTHER_KEY = SigningKey(KEY_ID, b"o" * 32)
VERSION = room_version("12")


class Judge:
    """A policy server that a test plays: it refuses what says "spam", and signs the rest."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.key = KEY
        self.judged: list[str] = []
        self.answer()

    def answer(self) -> None:
        """Answer from now on, to a server that may have given it up."""
        self.visitor.stranger.answers[SIGN] = self._judge
        self.visitor.host.forgive(self.visitor.stranger)

    async def _judge(self, asked: Asked) -> AsyncIterator[bytes]:
        pdu = json.loads(asked.body)
        self.judged.append(pdu["content"].get("body", pdu["type"]))
        if "spam" in str(pdu["content"]):
            answer = json_answer({"errcode": "M_FORBIDDEN", "error": "This looks like spam."}, 400)
        else:
            signed = sign_event({**pdu, "signatures": {}}, VERSION, self.visitor.name, self.key)
            answer = json_answer(signed["signatures"])
        async for piece in answer(asked):
            yield piece


@pytest.fixture(scope="module")
def here() -> Iterator[Member]:
    with country("here") as (member,):
        yield member


@pytest.fixture
def alice(here: Member) -> Person:
    return here.register("alice")


@pytest.fixture(scope="module")
def judge(here: Member) -> Judge:
    return Judge(Visitor(here.land.stranger("judge"), here))


@pytest.fixture(scope="module")
def there(here: Member) -> Visitor:
    return Visitor(here.land.stranger("there"), here)


def policy(person: Person, room_id: str, server: str, key: SigningKey = KEY) -> None:
    keys = {"ed25519": encode_base64(key.public_key)}
    person.put(room_path(room_id, "state", "m.room.policy", ""), {"via": server, "public_keys": keys})


@pytest.fixture
def room_id(alice: Person, judge: Judge) -> str:
    """A room in which the policy server has a user."""
    room_id = alice.create_room(preset="public_chat")
    judge.visitor.join(room_id, judge.visitor.user("bot"))
    policy(alice, room_id, judge.visitor.name)
    judge.key = KEY
    judge.judged.clear()
    return room_id


def pdu_of(visitor: Visitor, event_id: str) -> dict[str, Any]:
    pdu: dict[str, Any] = visitor.get(f"/event/{event_id}")["pdus"][0]
    return pdu


def post(person: Person, room_id: str, body: str, txn: str = "") -> Any:
    path = room_path(room_id, "send", "m.room.message", txn or f"txn-{body}")
    return person.request("PUT", path, {"msgtype": "m.text", "body": body})


def test_what_is_sent_goes_out_with_the_signature(alice: Person, room_id: str, judge: Judge) -> None:
    event_id = answered(post(alice, room_id, "hello"))["event_id"]
    assert judge.judged == ["hello"]
    pdu = pdu_of(judge.visitor, event_id)
    assert set(pdu["signatures"]) == {"here.test", "judge.test"}
    assert set(pdu["signatures"]["judge.test"]) == {KEY_ID}
    assert judge.visitor.event_id(pdu, "12") == event_id
    alice.put(room_path(room_id, "state", "m.room.name", ""), {"name": "داوری"})
    assert judge.judged == ["hello", "m.room.name"]


def test_what_is_refused_is_not_sent(alice: Person, room_id: str) -> None:
    answer = refused(post(alice, room_id, "spam!"), 400, "M_FORBIDDEN")
    assert answer["error"] == "This looks like spam."
    chunk = alice.get(room_path(room_id, "messages"), dir="b")["chunk"]
    assert "spam!" not in [event["content"].get("body") for event in chunk]


def test_a_wrong_signature_is_none(alice: Person, room_id: str, judge: Judge) -> None:
    judge.key = OTHER_KEY
    refused(post(alice, room_id, "hello"), 403, "M_FORBIDDEN")
    # The event that names the policy server is judged by nobody, so the room can get out of this.
    policy(alice, room_id, judge.visitor.name, OTHER_KEY)
    assert answered(post(alice, room_id, "hello again"))


def test_a_room_without_a_policy_server_asks_nobody(alice: Person, room_id: str, judge: Judge) -> None:
    alice.post(room_path(room_id, "kick"), {"user_id": judge.visitor.user("bot")})
    judge.judged.clear()
    assert answered(post(alice, room_id, "spam!"))  # nobody of the policy server is in the room any more
    other = alice.create_room(preset="public_chat")
    judge.visitor.join(other, judge.visitor.user("bot"))
    path = room_path(other, "state", "m.room.policy", "")
    for content in ({}, {"via": "judge.test"}, {"via": "judge.test", "public_keys": {"ed25519": "short"}}):
        alice.put(path, content)
        assert answered(post(alice, other, "spam!", txn=str(content)))
    assert judge.judged == []


def test_many_who_send_at_once_are_all_judged(here: Member, alice: Person, room_id: str) -> None:
    people = [alice, *(here.register(f"crowd-{number}") for number in range(7))]
    for person in people[1:]:
        person.join(room_id)
    with ThreadPoolExecutor(len(people)) as pool:
        answers = list(pool.map(lambda person: post(person, room_id, person.localpart), people))
    sent = {answered(answer)["event_id"] for answer in answers}
    assert len(sent) == len(people)


def test_a_repeated_request_sends_once(alice: Person, room_id: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(alice, room_id, "once", txn="same"), range(4)))
    assert len({answered(answer)["event_id"] for answer in answers}) == 1


def test_while_the_policy_server_is_away_nothing_is_sent(alice: Person, room_id: str, judge: Judge) -> None:
    judge.visitor.stranger.answers[SIGN] = json_answer({"errcode": "M_UNKNOWN", "error": "away"}, 502)
    try:
        answer = refused(post(alice, room_id, "hello"), 403, "M_FORBIDDEN")
        assert "cannot be reached" in answer["error"]
    finally:
        judge.answer()


def push(visitor: Visitor, room_id: str, sender: str, body: str, judge: Judge | None = None) -> str:
    """Send a message of another server's user into a room; return its id."""
    version, event = visitor.template("leave", room_id, sender)
    event = {**event, "type": "m.room.message", "content": {"msgtype": "m.text", "body": body}}
    del event["state_key"]
    event_id, pdu = visitor.signed(event, version)
    if judge is not None:
        pdu = sign_event(pdu, version, judge.visitor.name, judge.key)
    txn = {"origin": visitor.name, "origin_server_ts": 1, "pdus": [pdu]}
    assert answered(visitor.request("PUT", f"/send/{event_id[1:20]}", txn))["pdus"] == {event_id: {}}
    return event_id


def test_what_comes_is_shown_if_it_is_recommended(
    alice: Person, room_id: str, judge: Judge, there: Visitor
) -> None:
    zahra = there.user("zahra")
    there.join(room_id, zahra)
    judge.judged.clear()
    signed = push(there, room_id, zahra, "signed", judge)
    assert judge.judged == []
    asked = push(there, room_id, zahra, "asked for")
    assert judge.judged == ["asked for"]
    spam = push(there, room_id, zahra, "spam")
    shown = {event["event_id"] for event in alice.get(room_path(room_id, "messages"), dir="b")["chunk"]}
    assert {signed, asked} <= shown
    assert spam not in shown
    assert set(pdu_of(there, asked)["signatures"]) == {there.name, judge.visitor.name}
