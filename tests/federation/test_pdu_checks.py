"""Events of other servers, before the rules of a room see them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hamrasan.federation.pdu_checks import CheckedPdus
from hamrasan.protocol.event_format import build_pdu
from hamrasan.protocol.hashing import event_id_of
from hamrasan.protocol.redaction import redact
from hamrasan.protocol.room_versions import RoomVersion, room_version
from hamrasan.protocol.signing import SigningKey, sign_event
from tests.federation.country import Member, country
from tests.federation.strangers import KEYS, Stranger, text_answer

ROOM, HASH_ROOM = "!room:c.test", "!" + "r" * 43
DAY_MS = 24 * 3600 * 1000


def now_ms() -> int:
    return int(time.time() * 1000)


def event(stranger: Stranger, version: RoomVersion, **changes: Any) -> dict[str, Any]:
    pdu = build_pdu(
        version,
        room_id=HASH_ROOM if version.authorization.room_id_is_create_hash else ROOM,
        type="m.room.message",
        sender=f"@who:{stranger.name}",
        content={"body": "hello"},
        state_key=None,
        origin_server_ts=now_ms(),
        depth=3,
        prev_events=["$" + "p" * 43],
        auth_events=["$" + "a" * 43],
    )
    return stranger.sign({**pdu, **changes}, version)


def check(
    member: Member, pdus: Iterable[Any], version: str = "11", room_id: str | None = None
) -> CheckedPdus:
    checks = member.services.pdu_checks
    checked: CheckedPdus = member.run(checks.check_pdus(list(pdus), room_version(version), room_id=room_id))
    return checked


@pytest.mark.parametrize("version", ["3", "5", "10", "11", "12"])
def test_events_that_are_right_pass_in_order_and_once(version: str) -> None:
    rules = room_version(version)
    with country("a") as (a,):
        one, two = a.land.stranger("c"), a.land.stranger("d")
        pdus = [event(one, rules, depth=depth) for depth in range(150)]
        pdus += [event(two, rules), pdus[7]]
        checked = check(a, pdus, version, pdus[0]["room_id"])
        assert checked.refused == []
        assert [found.event_id for found in checked.events] == [event_id_of(pdu, rules) for pdu in pdus[:-1]]
        assert checked.events[3].pdu is pdus[3]
        assert (len(one.asked), len(two.asked)) == (1, 1)


def test_an_event_whose_content_was_changed_goes_on_redacted() -> None:
    rules = room_version("11")
    with country("a") as (a,):
        pdu = event(a.land.stranger("c"), rules)
        changed = {**pdu, "content": {"body": "changed on the way"}}
        (found,) = check(a, [changed]).events
        assert found.event_id == event_id_of(pdu, rules)
        assert found.content == {}
        assert found.pdu == redact(pdu, rules)


def test_a_create_event_of_a_new_version_makes_its_room_id() -> None:
    rules = room_version("12")
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        pdu = build_pdu(
            rules,
            room_id=None,
            type="m.room.create",
            sender="@who:c.test",
            content={"room_version": "12"},
            state_key="",
            origin_server_ts=now_ms(),
            depth=1,
            prev_events=[],
            auth_events=[],
        )
        (found,) = check(a, [stranger.sign(pdu, rules)], "12").events
        assert found.room_id == "!" + found.event_id[1:]


def resigned(pdu: dict[str, Any], server: str, key: SigningKey) -> dict[str, Any]:
    return sign_event({**pdu, "signatures": {}}, room_version("11"), server, key)


OTHER = SigningKey("ed25519:stranger", bytes(32))
WRONG: dict[str, Callable[[Stranger, dict[str, Any]], Any]] = {
    "no signature": lambda c, pdu: {**pdu, "signatures": {}},
    "a signature of another server": lambda c, pdu: resigned(pdu, "d.test", c.key),
    "a signature with another key": lambda c, pdu: resigned(pdu, c.name, OTHER),
    "a key that is not published": lambda c, pdu: resigned(
        pdu, c.name, SigningKey("ed25519:unknown", bytes(32))
    ),
    "a changed depth": lambda c, pdu: {**pdu, "depth": 4},
    "a changed sender": lambda c, pdu: {**pdu, "sender": "@other:c.test"},
    "a changed room": lambda c, pdu: {**pdu, "room_id": "!other:c.test"},
    "a changed state key": lambda c, pdu: {**pdu, "state_key": ""},
    "a changed time": lambda c, pdu: {**pdu, "origin_server_ts": 1},
    "changed ancestors": lambda c, pdu: {**pdu, "prev_events": ["$" + "x" * 43]},
    "a changed hash": lambda c, pdu: {**pdu, "hashes": {"sha256": "x" * 43}},
    "another room": lambda c, pdu: event(c, room_version("11"), room_id="!other:c.test"),
    "a sender of another server": lambda c, pdu: event(c, room_version("11"), sender="@who:a.test"),
    "a time long to come": lambda c, pdu: event(
        c, room_version("11"), origin_server_ts=now_ms() + 30 * DAY_MS
    ),
    "no object": lambda c, pdu: [pdu],
    "nothing": lambda c, pdu: None,
    "a fraction": lambda c, pdu: {**pdu, "content": {"x": 1.5}},
    "a large number": lambda c, pdu: {**pdu, "content": {"x": 2**53}},
    "no depth": lambda c, pdu: {key: part for key, part in pdu.items() if key != "depth"},
    "no type": lambda c, pdu: {key: part for key, part in pdu.items() if key != "type"},
    "a depth below nothing": lambda c, pdu: event(c, room_version("11"), depth=-1),
    "too many ancestors": lambda c, pdu: event(c, room_version("11"), prev_events=["$" + "x" * 43] * 21),
    "too many authorities": lambda c, pdu: event(c, room_version("11"), auth_events=["$" + "x" * 43] * 11),
    "too much": lambda c, pdu: event(c, room_version("11"), content={"x": "y" * 66_000}),
    "a join that nobody of another server let in": lambda c, pdu: event(
        c,
        room_version("11"),
        type="m.room.member",
        state_key="@who:c.test",
        content={"membership": "join", "join_authorised_via_users_server": "@x:d.test"},
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_event_that_is_wrong_is_left_out_and_disturbs_no_other(wrong: str) -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        right = event(stranger, room_version("11"))
        bad = WRONG[wrong](stranger, event(stranger, room_version("11")))
        checked = check(a, [bad, right, bad], room_id=ROOM)
        assert [found.pdu for found in checked.events] == [right]
        assert {refused.place for refused in checked.refused} <= {0, 2}
        assert checked.refused[0].place == 0
        assert checked.refused[0].reason.endswith(".")


def test_keys_must_have_been_valid_only_where_the_version_asks() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        to_come = now_ms() + 30 * DAY_MS
        for version, passes in (("4", True), ("5", False)):
            pdu = event(stranger, room_version(version), origin_server_ts=to_come)
            assert bool(check(a, [pdu], version).events) is passes


def test_an_event_of_a_server_that_is_gone_passes_if_its_key_is_known() -> None:
    with country("a") as (a,):
        stranger, gone = a.land.stranger("c"), a.land.stranger("d")
        pdu = event(stranger, room_version("11"))
        assert check(a, [pdu]).events
        stranger.answers[KEYS] = gone.answers[KEYS] = text_answer(b"", 503)
        pdus = [event(stranger, room_version("11"), depth=9), event(gone, room_version("11"))]
        checked = check(a, pdus)
        assert [found.depth for found in checked.events] == [9]
        assert "No key of d.test" in checked.refused[0].reason
