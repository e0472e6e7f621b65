"""A server that came into a room later passes on what it got from others, as far as the next one may see it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.federation.across import texts
from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.running import Person, answered, refused

_thirds = itertools.count()


@pytest.fixture
def third(pair: tuple[Member, Member]) -> Visitor:
    """A server that a test plays, and that asks the second server of the pair."""
    return Visitor(pair[1].land.stranger(f"third-{next(_thirds)}"), pair[1])


def history(visitor: Visitor, room_id: str, event_id: str) -> list[dict[str, Any]]:
    pdus: list[dict[str, Any]] = visitor.get(f"/backfill/{room_id}", v=[event_id], limit=100)["pdus"]
    return pdus


def bodies(pdus: list[dict[str, Any]]) -> list[Any]:
    return [pdu["content"].get("body") for pdu in pdus if pdu["type"] == "m.room.message"]


def test_history_from_before_its_own_join_is_passed_on(ali: Person, bahar: Person, third: Visitor) -> None:
    room_id = ali.create_room(preset="public_chat")
    said = [ali.send(room_id, str(number)) for number in range(5)]
    bahar.post(f"/join/{room_id}", server_name="a.test")
    assert texts(bahar, room_id) == ["0", "1", "2", "3", "4"]  # from now on its server has them
    latest = bahar.send(room_id, "5")
    third.join(room_id, third.user("newcomer"))
    pdus = history(third, room_id, latest)
    assert bodies(pdus) == ["5", "4", "3", "2", "1", "0"]
    assert pdus[-1]["type"] == "m.room.create"
    for pdu in pdus:
        assert set(pdu["signatures"]) <= {"a.test", "b.test", third.name}
    missing = answered(
        third.request(
            "POST",
            f"/get_missing_events/{room_id}",
            {"latest_events": [said[3]], "earliest_events": [said[0]]},
        )
    )["events"]
    assert bodies(missing) == ["1", "2"]
    # The state then is not known to a server that was not there.
    refused(third.request("GET", f"/state/{room_id}", event_id=said[2]), 404, "M_NOT_FOUND")
    assert third.get(f"/state/{room_id}", event_id=latest)["pdus"]


def test_what_was_for_members_only_stays_so(ali: Person, bahar: Person, third: Visitor) -> None:
    hidden = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = ali.create_room(preset="public_chat", initial_state=[hidden])
    ali.send(room_id, "among us")
    bahar.post(f"/join/{room_id}", server_name="a.test")
    latest = bahar.send(room_id, "among the two of us")
    third.join(room_id, third.user("curious"))
    assert bodies(history(third, room_id, latest)) in ([None], [None, None])
    seen = bahar.send(room_id, "welcome")
    assert bodies(history(third, room_id, seen))[0] == "welcome"
