"""Keys of other servers: fetched, kept, renewed, and no lies (server-server API, "Retrieving server keys")."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.signing import SigningKey, sign_json
from tests.federation.country import Member, country
from tests.federation.strangers import (
    DAY_MS,
    KEYS,
    Behaviour,
    Stranger,
    endless,
    json_answer,
    raw_answer,
    text_answer,
)
from tests.running import Running, refused

WEEK_MS = 7 * 24 * 3600 * 1000
OTHER = SigningKey("ed25519:other", bytes(32))


def now_ms() -> int:
    return int(time.time() * 1000)


def keys_of(member: Member, stranger: Stranger, key_id: str | None = None, at_ms: int | None = None) -> Any:
    wanted = [key_id or stranger.key.key_id]
    return member.run(member.services.key_ring.keys(stranger.name, wanted, at_ms or now_ms()))


def test_keys_are_asked_for_once_and_survive_a_restart() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        expected = {stranger.key.key_id: stranger.key.public_key}
        assert keys_of(a, stranger) == expected
        assert keys_of(a, stranger) == expected
        assert [asked.uri for asked in stranger.asked] == [KEYS]
        assert "authorization" not in stranger.asked[0].headers
        a.stop()
        a.start()
        stranger.answers[KEYS] = text_answer(b"", 500)
        assert keys_of(a, stranger) == expected
        assert len(stranger.asked) == 1


def test_who_comes_while_keys_are_asked_for_waits_for_them() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        ring = a.services.key_ring

        async def both() -> list[Any]:
            asking = asyncio.ensure_future(ring.keys(stranger.name, [stranger.key.key_id], now_ms()))
            for _ in range(10):  # time enough to begin, far too little to end
                await asyncio.sleep(0)
            return [await ring.keys(stranger.name, [stranger.key.key_id], now_ms()), await asking]

        assert a.run(both()) == [{stranger.key.key_id: stranger.key.public_key}] * 2
        assert len(stranger.asked) == 1


def test_a_key_that_nobody_has_is_not_asked_for_again_and_again() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        for number in range(5):
            assert keys_of(a, stranger, f"ed25519:made_up_{number}") == {}
        assert len(stranger.asked) == 1


def test_a_key_counts_until_its_end_and_at_most_for_a_week() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers[KEYS] = json_answer(stranger.say_keys(valid_until_ts=now_ms() + 5 * WEEK_MS))
        assert keys_of(a, stranger, at_ms=now_ms() + WEEK_MS - 60_000) != {}
        assert keys_of(a, stranger, at_ms=now_ms() + WEEK_MS + 60_000) == {}
        other = a.land.stranger("d")
        other.answers[KEYS] = json_answer(other.say_keys(valid_until_ts=now_ms() - 1_000))
        assert keys_of(a, other) == {}
        assert keys_of(a, other, at_ms=now_ms() - 10_000) != {}


def test_an_old_key_counts_for_what_it_signed_before_its_end() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        old = {OTHER.key_id: {"key": encode_base64(OTHER.public_key), "expired_ts": 1_000_000}}
        stranger.answers[KEYS] = json_answer(stranger.say_keys(old_verify_keys=old))
        assert keys_of(a, stranger, OTHER.key_id, at_ms=1_000_000) == {OTHER.key_id: OTHER.public_key}
        assert keys_of(a, stranger, OTHER.key_id, at_ms=1_000_001) == {}


def unsigned(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "signatures": {}}


def old_keys(count: int, **said: Any) -> dict[str, Any]:
    return {f"ed25519:{n}": {"key": encode_base64(OTHER.public_key), **said} for n in range(count)}


def other_name(c: Stranger) -> Any:
    return sign_json({**unsigned(c.say_keys()), "server_name": "evil.test"}, "evil.test", c.key)


LIES: dict[str, Callable[[Stranger], Any]] = {
    "of another server": lambda c: c.say_keys(server_name="a.test"),
    "in another server's name": other_name,
    "not signed": lambda c: unsigned(c.say_keys()),
    "signed with a key that is not said": lambda c: sign_json(unsigned(c.say_keys()), c.name, OTHER),
    "changed after it was signed": lambda c: {**c.say_keys(), "valid_until_ts": now_ms() + WEEK_MS},
    "without an end": lambda c: c.say_keys(valid_until_ts=None),
    "an end that is no number": lambda c: c.say_keys(valid_until_ts=True),
    "a key of no length": lambda c: c.say_keys(verify_keys={c.key.key_id: {"key": ""}}),
    "a key that is no text": lambda c: c.say_keys(verify_keys={c.key.key_id: {"key": 7}}),
    "keys that are a list": lambda c: c.say_keys(verify_keys=[]),
    "old keys that never ended": lambda c: c.say_keys(old_verify_keys=old_keys(1)),
    "a thousand keys": lambda c: c.say_keys(old_verify_keys=old_keys(1000, expired_ts=1)),
    "a list": lambda c: [c.say_keys()],
}
BEHAVIOUR: dict[str, Behaviour] = {
    "no JSON": text_answer(b"<html>"),
    "nothing": text_answer(b""),
    "a redirect": text_answer(b"", 302, Location="/elsewhere"),
    "without end": endless(),
    "half a head": raw_answer(b"HTTP/1.1 200 OK\r\nContent-"),
    "another language": raw_answer(b"220 mail.example.org ESMTP\r\n"),
    "a head without end": raw_answer(b"HTTP/1.1 200 OK\r\n", *[b"X: %b\r\n" % (b"y" * 8000)] * 40),
}


@pytest.mark.parametrize("lie", [*LIES, *BEHAVIOUR])
def test_a_lie_about_keys_never_gets_in(lie: str) -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers[KEYS] = BEHAVIOUR.get(lie) or json_answer(LIES[lie](stranger))
        stranger.answers["/elsewhere"] = json_answer(stranger.say_keys())
        assert keys_of(a, stranger) == {}
        assert a.services.key_ring.rows(stranger.name) == {}
        # Where a connection ends without an answer, a GET is tried a second time.
        assert {asked.uri for asked in stranger.asked} == {KEYS}
        assert len(stranger.asked) <= 2


def test_an_unreachable_server_is_known_through_a_notary() -> None:
    with country("a", "b", federation_notaries=("b.test",)) as (a, b):
        stranger = a.land.stranger("c")
        assert keys_of(b, stranger) != {}
        stranger.answers[KEYS] = text_answer(b"", 503)
        assert keys_of(a, stranger) == {stranger.key.key_id: stranger.key.public_key}
        answer = a.run(a.services.notary.answers({stranger.name: None}))
        signers = parse_json(answer[0])["signatures"].keys()
        assert signers == {"c.test", "b.test", "a.test"}


def test_a_notary_cannot_lie_and_cannot_replace_a_key() -> None:
    with country("a", federation_notaries=("n.test",)) as (a,):
        stranger, notary = a.land.stranger("c"), a.land.stranger("n")
        path = f"/_matrix/key/v2/query/{stranger.name}"
        stranger.answers[KEYS] = text_answer(b"", 503)
        said = stranger.say_keys()
        made_up = {"ed25519:stranger": {"key": encode_base64(OTHER.public_key)}}
        lie = sign_json({**unsigned(said), "verify_keys": made_up}, stranger.name, OTHER)
        notary.answers[path] = json_answer({"server_keys": [said]})  # which the notary did not sign
        assert keys_of(a, stranger) == {}
        a.forgive(stranger)
        notary.answers[path] = json_answer({"server_keys": [sign_json(lie, notary.name, notary.key)]})
        assert keys_of(a, stranger) == {}
        a.stop()
        a.start()
        a.forgive(stranger)
        notary.answers[path] = json_answer({"server_keys": [sign_json(said, notary.name, notary.key)]})
        assert keys_of(a, stranger) == {stranger.key.key_id: stranger.key.public_key}
        key = SigningKey(stranger.key.key_id, b"x" * 32)
        made_up = {key.key_id: {"key": encode_base64(key.public_key)}}
        lie = sign_json({**unsigned(said), "verify_keys": made_up}, stranger.name, key)
        a.stop()
        a.start()
        a.forgive(stranger)
        notary.answers[path] = json_answer({"server_keys": [sign_json(lie, notary.name, notary.key)]})
        assert keys_of(a, stranger, at_ms=now_ms() + 6 * DAY_MS) == {}
        assert keys_of(a, stranger) == {stranger.key.key_id: stranger.key.public_key}


def test_a_notary_answers_for_others_and_for_itself() -> None:
    with country("a") as (a,), a.anonymous() as http:
        stranger = a.land.stranger("c")
        answer = http.get(f"/_matrix/key/v2/query/{stranger.name}").json()["server_keys"]
        assert [keys["server_name"] for keys in answer] == ["c.test"]
        assert answer[0]["signatures"].keys() == {"c.test", "a.test"}
        own = http.get("/_matrix/key/v2/query/a.test").json()["server_keys"]
        assert own == [http.get("/_matrix/key/v2/server").json()]
        wanted: dict[str, Any] = {"c.test": {}, "a.test": {"ed25519:x": {}}, "nobody.test": {}}
        several = http.post("/_matrix/key/v2/query", json={"server_keys": wanted}).json()["server_keys"]
        assert sorted(keys["server_name"] for keys in several) == ["a.test", "c.test"]
        assert http.post("/_matrix/key/v2/query", json={"server_keys": {}}).json() == {"server_keys": []}
        assert len(stranger.asked) == 1


@pytest.mark.parametrize(
    ("wanted", "errcode"),
    [
        (None, "M_BAD_JSON"),
        ([], "M_BAD_JSON"),
        ({"not a name": {}}, "M_INVALID_PARAM"),
        ({"c.test": []}, "M_BAD_JSON"),
        ({"c.test": {"ed25519:a": 1}}, "M_BAD_JSON"),
        ({"c.test": {"ed25519:a": {"minimum_valid_until_ts": "soon"}}}, "M_BAD_JSON"),
        ({f"s{number}.test": {} for number in range(101)}, "M_INVALID_PARAM"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(server: Running, wanted: Any, errcode: str) -> None:
    with server.anonymous() as http:
        refused(http.post("/_matrix/key/v2/query", json={"server_keys": wanted}), 400, errcode)
