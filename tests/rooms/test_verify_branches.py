"""What was changed behind the server's back in a room that other servers are in is found."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hamrasan.rooms.reception import Outcome
from hamrasan.rooms.verify import Verified, verify_rooms
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.rooms.signed_worlds import CAROL, DAN, Receiver, on_receiver, public


def verified(data_dir: Path) -> Verified:
    inspection = Inspection(data_dir)
    try:
        return asyncio.run(
            verify_rooms(inspection.rooms, inspection.events, inspection.state, inspection.federated_rooms)
        )
    finally:
        inspection.close()


def fill(data_dir: Path) -> None:
    """Have a room with two branches and an event that was refused."""

    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN, levels={CAROL: 50, DAN: 50})
        room = await receiver.join(world)
        left, right = world.fork(), world.fork()
        events = [left.sets_topic(CAROL, "یک"), right.sets_topic(DAN, "دو"), right.says(DAN, "سه")]
        assert await receiver.add(room, *events) == [Outcome.ACCEPTED] * 3
        refused = right.make(DAN, "m.room.power_levels", {"users": {DAN: 100}}, "")
        assert await receiver.add(room, refused) == [Outcome.REJECTED]

    on_receiver(data_dir, scenario)


def test_a_sound_room_is_sound(tmp_path: Path) -> None:
    fill(tmp_path)
    found = verified(tmp_path)
    assert (found.rooms, found.problems) == (1, [])
    assert found.events > 8


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE events SET content = CAST('{}' AS BLOB) WHERE type = 'm.room.topic'", "found.content"),
        ("UPDATE events SET sender = '@eve:else.example' WHERE type = 'm.room.join_rules'", "found.id"),
        ("UPDATE side_events SET pdu = CAST(replace(pdu, '100', '50') AS BLOB)", "found.beside"),
        ("UPDATE side_events SET kind = 'soft_failed'", "found.beside"),
        (
            """INSERT INTO branch_states SELECT event_id, room, position,
            CAST('[["m.room.topic","",null]]' AS BLOB) FROM events WHERE type = 'm.room.topic'""",
            "found.branch",
        ),
        ("UPDATE memberships SET membership = 'ban' WHERE user_id LIKE '@dan%'", "found.member"),
        ("DELETE FROM memberships WHERE user_id LIKE '@dan%'", "found.member"),
        (
            "INSERT INTO memberships SELECT room, '@x:y', membership, 1, '$x', '@x:y', 1, 0 FROM memberships LIMIT 1",
            "found.stray_member",
        ),
        ("UPDATE state_versions SET event_position = 0 WHERE type = 'm.room.topic'", "found.branch"),
        (
            "DELETE FROM forward_extremities WHERE depth = (SELECT max(depth) FROM forward_extremities)",
            "found.state",
        ),
    ],
)
def test_what_was_changed_is_found(tmp_path: Path, change: str, what: str) -> None:
    fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection, connection:
        assert connection.execute(change).rowcount > 0
    assert what in {problem.what for problem in verified(tmp_path).problems}
