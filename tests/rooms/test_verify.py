"""Looking at everything that a server has stored of rooms."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from hamrasan.rooms.verify import Verified, verify_rooms
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.running import running


def verified(data_dir: Path) -> Verified:
    inspection = Inspection(data_dir)
    try:
        return asyncio.run(
            verify_rooms(inspection.rooms, inspection.events, inspection.state, inspection.federated_rooms)
        )
    finally:
        inspection.close()


def fill(data_dir: Path) -> None:
    """Have a room that somebody joined because they were in another one."""
    with running(data_dir) as server:
        alice, bob = server.register("alice"), server.register("bob")
        club = alice.create_room(preset="public_chat")
        allow = [{"type": "m.room_membership", "room_id": club}]
        rule = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
        room_id = alice.create_room(preset="private_chat", initial_state=[rule])
        bob.join(club)
        bob.join(room_id)
        bob.send(room_id, "hello")


def test_a_restricted_join_is_sound_though_it_is_not_signed_before_it_leaves(tmp_path: Path) -> None:
    fill(tmp_path)
    found = verified(tmp_path)
    assert (found.rooms, found.problems) == (2, [])


def test_what_was_changed_behind_the_servers_back_is_found(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection, connection:
        connection.execute("UPDATE recent_events SET content = ?", (b"{}",))
    assert [problem.what for problem in verified(tmp_path).problems] == ["found.content"]
