"""What came while a server was away and is not sent to it, it asks for; within bounds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from hamrasan.federation import sender
from hamrasan.flows import fill_gap
from tests.federation.country import Member, country
from tests.federation.strangers import Asked, json_answer
from tests.federation.talking import messages, share_room, texts, wait_until
from tests.federation.visitors import V1, Visitor
from tests.running import Person

_numbers = itertools.count(1)


@pytest.fixture
def two() -> Iterator[tuple[Member, Member]]:
    with country("a", "b") as (a, b):
        yield a, b


@contextmanager
def cut(a: Member, b: Member) -> Iterator[None]:
    """Let two servers not reach each other for a while, and `a` notice that."""
    a.cut_off(b)
    yield
    wait_until(lambda: a.services.sender.behind)
    a.reconnect(b)


def sent(person: Person, room_id: str, count: int) -> list[str]:
    found = [f"text {next(_numbers)}" for _ in range(count)]
    for text in found:
        person.send(room_id, text)
    return found


def test_what_is_between_is_asked_for(two: tuple[Member, Member], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "CATCH_UP_ALL", 20)
    a, b = two
    alice, bob = a.register("alice"), b.register("bob")
    room_id = share_room(a.name, alice, bob)
    expected = sent(alice, room_id, 1)
    texts(bob, room_id, 1)
    with cut(a, b):
        expected += sent(alice, room_id, 150)
        alice.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "while you were away"})
        expected += sent(alice, room_id, 150)
    assert texts(bob, room_id, 301) == expected
    assert bob.get(f"/rooms/{room_id}/state/m.room.topic")["topic"] == "while you were away"
    expected += sent(bob, room_id, 1)
    assert texts(alice, room_id, 302) == expected


def test_beyond_a_bound_the_state_is_taken_over(
    two: tuple[Member, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "CATCH_UP_ALL", 20)
    monkeypatch.setattr(fill_gap, "MAX_GAP", 60)
    a, b = two
    alice, bob, carol = a.register("alice"), b.register("bob"), a.register("carol")
    room_id = share_room(a.name, alice, bob)
    sent(alice, room_id, 1)
    texts(bob, room_id, 1)
    with cut(a, b):
        sent(alice, room_id, 50)
        alice.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "you missed this"})
        carol.post(f"/join/{room_id}")
        last = sent(alice, room_id, 300)[-50:]
    wait_until(lambda: texts(bob, room_id, 1)[-50:] == last)
    assert bob.get(f"/rooms/{room_id}/state/m.room.topic")["topic"] == "you missed this"
    assert carol.user_id in bob.get(f"/rooms/{room_id}/joined_members")["joined"]
    (text,) = sent(bob, room_id, 1)
    wait_until(lambda: texts(alice, room_id, 1)[-1] == text)
    (text,) = sent(carol, room_id, 1)
    wait_until(lambda: texts(bob, room_id, 1)[-1] == text)


class Evil:
    """Somebody whose server sends events with a past that it does not show, or shows wrongly."""

    def __init__(self, host: Member, room_id: str) -> None:
        self.visitor = Visitor(host.land.stranger("evil"), host)
        self.stranger = self.visitor.stranger
        self.user_id = self.visitor.user("eve")
        self.room_id = room_id
        self.visitor.join(room_id, self.user_id)
        self.version, self._template = self.visitor.template("leave", room_id, self.user_id)

    def event(self, prev_events: list[str] | None = None, **fields: Any) -> tuple[str, Any]:
        pdu = {key: value for key, value in self._template.items() if key not in ("state_key", "unsigned")}
        pdu |= {"type": "m.room.message", "content": {"body": f"evil {next(_numbers)}", "msgtype": "m.text"}}
        pdu["auth_events"] = self._template["auth_events"]
        if prev_events is not None:
            pdu["prev_events"] = prev_events
        return self.visitor.signed(pdu | fields, self.version)

    def push(self, *pdus: Any) -> Any:
        body = {"origin": self.visitor.name, "origin_server_ts": 1, "pdus": list(pdus)}
        answer = self.visitor.request("PUT", f"/send/evil-{next(_numbers)}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["pdus"]


@pytest.fixture
def besieged() -> Iterator[tuple[Member, Person, str, Evil]]:
    with country("a") as (a,):
        alice = a.register("alice")
        room_id = alice.create_room(preset="public_chat")
        yield a, alice, room_id, Evil(a, room_id)


def test_a_past_that_is_not_shown_holds_up_nobody(besieged: tuple[Member, Person, str, Evil]) -> None:
    a, alice, room_id, evil = besieged
    released = asyncio.Event()

    async def silent(_asked: Asked) -> AsyncIterator[bytes]:
        await released.wait()
        yield b""

    evil.stranger.answers_below[V1] = silent
    _, pdu = evil.event(["$" + "n" * 43])
    lane = a.services.inbound
    lane._answer_s = 0.2
    assert evil.push(pdu) == {}, "answered before its past is known"
    expected = sent(alice, room_id, 3)
    assert texts(alice, room_id, 3) == expected
    other = evil.visitor.host.land.stranger("honest")
    honest = Visitor(other, a)
    honest.join(room_id, honest.user("hana"))

    async def release() -> None:
        released.set()

    a.land.loop.run(release())
    wait_until(lambda: not lane.waiting)
    assert texts(alice, room_id, 3) == expected


def test_a_past_that_never_ends_is_given_up(
    besieged: tuple[Member, Person, str, Evil], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_gap, "MAX_GAP", 60)
    _, alice, room_id, evil = besieged
    asked: list[str] = []

    async def endless(request: Asked) -> AsyncIterator[bytes]:
        """Show one more event each time, whose past is unknown again."""
        asked.append(request.uri)
        wanted = (
            orjson.loads(request.body)["latest_events"]
            if request.body
            else [request.uri.rpartition("v=")[2].partition("&")[0]]
        )
        pdus = [
            chain[event_id.replace("%24", "$")]
            for event_id in wanted
            if event_id.replace("%24", "$") in chain
        ]
        key = "events" if request.body else "pdus"
        async for piece in json_answer({key: pdus})(request):
            yield piece

    chain: dict[str, Any] = {}
    event_id = "$" + "0" * 43
    for depth in range(200):
        new_id, pdu = evil.event([event_id], depth=depth)
        chain[new_id] = pdu
        event_id = new_id
    evil.stranger.answers_below[V1 + "/backfill"] = endless
    evil.stranger.answers_below[V1 + "/get_missing_events"] = endless
    last = chain[event_id]
    (result,) = evil.push(last).values()
    assert "error" in result
    assert len(asked) <= 70
    expected = sent(alice, room_id, 1)
    assert [event["content"]["body"] for event in messages(alice, room_id, 1)] == expected


def test_who_returns_says_so(besieged: tuple[Member, Person, str, Evil]) -> None:
    """An empty transaction after a start: so others send at once what was missed."""
    a, alice, room_id, evil = besieged
    evil.stranger.answers_below[V1 + "/send/"] = json_answer({"pdus": {}})
    sent(alice, room_id, 1)
    wait_until(lambda: any(asked.uri.startswith(V1 + "/send/") for asked in evil.stranger.asked))
    wait_until(lambda: not a.services.sender.waiting)
    evil.stranger.asked.clear()
    a.stop()
    a.start()
    wait_until(lambda: evil.stranger.asked)
    wait_until(lambda: not a.services.sender.waiting)
    (asked,) = evil.stranger.asked
    assert asked.uri.startswith(V1 + "/send/")
    body = orjson.loads(asked.body)
    assert (body["origin"], body["pdus"], body["edus"]) == ("a.test", [], [])


def test_what_does_not_lead_on_is_not_taken_along(besieged: tuple[Member, Person, str, Evil]) -> None:
    _, alice, room_id, evil = besieged
    beside_id, beside = evil.event()
    before_id, before = evil.event()
    _, pdu = evil.event([before_id])
    evil.stranger.answers_below[V1 + "/get_missing_events"] = json_answer({"events": [beside, before, 5, {}]})
    (result,) = evil.push(pdu).values()
    assert result == {}
    ids = {event["event_id"] for event in messages(alice, room_id, 2)}
    assert before_id in ids
    assert beside_id not in ids


@pytest.mark.parametrize(
    "said", [None, [], 5, {"pdus": 5}, {"pdus": [None]}, {"events": {}}, {"auth_chain": "x"}]
)
def test_answers_of_a_wrong_form(besieged: tuple[Member, Person, str, Evil], said: Any) -> None:
    _, alice, room_id, evil = besieged
    evil.stranger.answers_below[V1] = json_answer(said)
    for change in ({"prev_events": ["$" + "p" * 43]}, {"auth_events": ["$" + "q" * 43]}):
        event_id, pdu = evil.event(**change)
        assert "error" in evil.push(pdu)[event_id]
    expected = sent(alice, room_id, 1)
    assert texts(alice, room_id, 1) == expected
