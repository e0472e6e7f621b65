from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from hamrasan.rooms.reports import MAX_REASON_CHARS
from tests.reading import leave, room_path
from tests.running import Person, Running, refused


def reports_of(server: Running, reporter: Person) -> list[tuple[Any, ...]]:
    """Return (room, event, user, reason, score) of what somebody has reported."""

    async def read() -> list[tuple[Any, ...]]:
        sql = (
            "SELECT room_id, event_id, user_id, reason, score FROM reports WHERE reporter = ? ORDER BY report"
        )
        return server.server.store.database.rows(sql, (reporter.user_id,))

    rows: list[tuple[Any, ...]] = server.run(read())
    return rows


def user_path(user_id: str) -> str:
    return f"/users/{quote(user_id, safe='')}/report"


def test_reports_reach_the_administrators(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = alice.send(room_id, "spam")
    event_path = room_path(room_id, "report", event_id)
    assert bob.post(event_path, {"reason": "spam", "score": -100}) == {}
    assert bob.post(event_path, {}) == {}
    assert bob.post(room_path(room_id, "report"), {"reason": ""}) == {}
    assert bob.post(user_path(alice.user_id), {"reason": "rude"}) == {}
    assert bob.post(user_path("@somebody:elsewhere.example"), {"reason": "rude"}) == {}
    assert reports_of(server, bob) == [
        (room_id, event_id, alice.user_id, "spam", -100),
        (room_id, event_id, alice.user_id, "", None),
        (room_id, None, None, "", None),
        (None, None, alice.user_id, "rude", None),
        (None, None, "@somebody:elsewhere.example", "rude", None),
    ]


def test_a_room_can_be_reported_from_outside(server: Running) -> None:
    alice, eve = server.register(), server.register()
    room_id = alice.create_room()
    assert eve.post(room_path(room_id, "report"), {"reason": "seen in the directory"}) == {}
    assert len(reports_of(server, eve)) == 1


def test_whether_a_user_exists_is_not_told(server: Running) -> None:
    alice = server.register()
    assert alice.post(user_path("@nobody:hamrasan.test"), {"reason": "?"}) == {}
    assert reports_of(server, alice) == []


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({"reason": 1}, 400, "M_BAD_JSON"),
        ({"reason": "x", "score": 1}, 400, "M_INVALID_PARAM"),
        ({"reason": "x", "score": -101}, 400, "M_INVALID_PARAM"),
        ({"reason": "x", "score": "bad"}, 400, "M_BAD_JSON"),
        ({"reason": "x" * (MAX_REASON_CHARS + 1)}, 413, "M_TOO_LARGE"),
    ],
)
def test_malformed_reports_are_refused(server: Running, body: Any, status: int, errcode: str) -> None:
    alice = server.register()
    room_id = alice.create_room()
    path = room_path(room_id, "report", alice.send(room_id, "spam"))
    refused(alice.request("POST", path, body), status, errcode)
    assert reports_of(server, alice) == []


def test_what_cannot_be_reported(server: Running) -> None:
    alice, bob, eve = server.register(), server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = alice.send(room_id, "spam")
    leave(bob, room_id)
    path = room_path(room_id, "report", event_id)
    for person in (bob, eve):
        refused(person.request("POST", path, {"reason": "x"}), 404, "M_NOT_FOUND")
    missing = room_path(room_id, "report", "$unknown")
    refused(alice.request("POST", missing, {"reason": "x"}), 404, "M_NOT_FOUND")
    unknown = room_path("!unknown:hamrasan.test", "report")
    refused(alice.request("POST", unknown, {"reason": "x"}), 404, "M_NOT_FOUND")
    refused(alice.request("POST", room_path(room_id, "report"), {}), 400, "M_MISSING_PARAM")
    refused(alice.request("POST", user_path("nobody"), {"reason": "x"}), 400, "M_INVALID_PARAM")
    for person in (alice, bob, eve):
        assert reports_of(server, person) == []
