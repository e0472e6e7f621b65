from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hamrasan.http.rate_limit import USER_RATES
from hamrasan.http.route import RateClass
from tests.running import Person, Running, refused, running


def of(person: Person) -> str:
    """Return the path of a person's presence."""
    return f"/presence/{quote(person.user_id)}/status"


def test_presence_and_status_are_set_and_read(server: Running) -> None:
    alice = server.register()
    assert alice.get(of(alice)) == {"presence": "offline"}
    assert alice.put(of(alice), {"presence": "unavailable", "status_msg": "در جلسه"}) == {}
    shown = alice.get(of(alice))
    assert shown.pop("last_active_ago") >= 0
    assert shown == {"presence": "unavailable", "status_msg": "در جلسه"}


def test_presence_is_shown_to_those_who_share_a_room(server: Running) -> None:
    alice, bob, eve = server.register(), server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    alice.put(of(alice), {"presence": "online"})

    assert bob.get(of(alice))["presence"] == "online"
    refused(eve.request("GET", of(alice)), 403, "M_FORBIDDEN")
    bob.post(f"/rooms/{quote(room_id)}/leave")
    refused(bob.request("GET", of(alice)), 403, "M_FORBIDDEN")


def test_nobody_sets_the_presence_of_others(server: Running) -> None:
    alice, eve = server.register(), server.register()
    refused(eve.request("PUT", of(alice), {"presence": "online"}), 403, "M_FORBIDDEN")
    assert alice.get(of(alice)) == {"presence": "offline"}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"presence": "busy"}, "M_BAD_JSON"),
        ({"presence": 1}, "M_BAD_JSON"),
        ({"presence": "online", "status_msg": 5}, "M_BAD_JSON"),
        ({"presence": "online", "status_msg": "x" * 1_001}, "M_BAD_JSON"),
    ],
)
def test_a_bad_presence_is_refused_and_changes_nothing(server: Running, body: Any, errcode: str) -> None:
    alice = server.register()
    refused(alice.request("PUT", of(alice), body), 400, errcode)
    assert alice.get(of(alice)) == {"presence": "offline"}


def test_who_is_suspended_tells_nobody_anything(server: Running) -> None:
    alice = server.register()
    server.run(server.server.services.accounts.set_suspended(alice.user_id, True))
    body = {"presence": "online", "status_msg": "buy this"}
    refused(alice.request("PUT", of(alice), body), 403, "M_USER_SUSPENDED")
    assert alice.put(of(alice), {"presence": "online"}) == {}


def test_changes_of_presence_are_few(tmp_path: Path) -> None:
    with running(tmp_path, rate_limits=True) as server:
        alice = server.register()
        burst = USER_RATES[RateClass.PRESENCE].burst
        states = [("online", "unavailable")[number % 2] for number in range(burst + 5)]
        answers = [alice.request("PUT", of(alice), {"presence": state}) for state in states]
        assert [answer.status_code for answer in answers[:burst]] == [200] * burst
        refused(answers[-1], 429, "M_LIMIT_EXCEEDED")


def test_the_presence_of_what_is_no_user_is_refused(server: Running) -> None:
    alice = server.register()
    refused(alice.request("GET", "/presence/nobody/status"), 400, "M_INVALID_PARAM")
