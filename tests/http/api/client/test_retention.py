"""Messages that expire ("m.room.retention")."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hamrasan.rooms.verify import verify_rooms
from hamrasan.runtime.settings import Duration
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.search_index import INDEX_FILE
from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.reading import V1, bodies, redact, relate, reply_in_thread, room_path, set_state, walk
from tests.running import Person, Running, refused, running
from tests.searching import find, search

SECRET = "quicksilver"
EVER: dict[str, Any] = {"max_lifetime": 10**12}
AT_ONCE: dict[str, Any] = {"max_lifetime": 1}


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[Running]:
    """A server whose operator lets messages be as short-lived as rooms want."""
    with running(tmp_path, shortest_message_lifetime=Duration(0)) as server:
        yield server


def expire(server: Running, who: Person, room_id: str) -> None:
    """Let what was written up to now expire."""
    set_state(who, room_id, "m.room.retention", AT_ONCE)
    before = server.server.services.clock.now_ms()
    while server.server.services.clock.now_ms() <= before + 1:
        who.get("/account/whoami")
    server.run(server.server.services.retention.sweep())
    set_state(who, room_id, "m.room.retention", EVER)


def test_what_has_expired_is_gone_everywhere_and_what_came_later_is_not(
    brief: Running, tmp_path: Path
) -> None:
    alice, bob = brief.register("alice"), brief.register("bob")
    room_id = alice.create_room(preset="public_chat", name="stays")
    bob.join(room_id)
    first = alice.send(room_id, f"{SECRET} one")
    relate(alice, room_id, first, "m.reference", f"{SECRET} about it")
    reply_in_thread(bob, room_id, first, f"{SECRET} reply")
    redacted = alice.send(room_id, "regretted")
    redact(alice, room_id, redacted)
    find(alice, f"{SECRET} one", first)
    since = bob.sync()["next_batch"]
    alice.send(room_id, f"{SECRET} while away")
    expire(brief, alice, room_id)
    later = alice.send(room_id, "later")

    assert bodies(walk(alice, room_id, "b")) == bodies(walk(bob, room_id, "f")) == ["later"]
    refused(alice.request("GET", room_path(room_id, "event", first)), 404, "M_NOT_FOUND")
    refused(alice.request("GET", room_path(room_id, "context", first)), 404, "M_NOT_FOUND")
    refused(alice.request("GET", V1 + room_path(room_id, "relations", first)), 404, "M_NOT_FOUND")
    assert alice.get(V1 + room_path(room_id, "threads"))["chunk"] == []
    assert search(alice, SECRET)["count"] == 0
    for timeline in (
        bob.sync()["rooms"]["join"][room_id]["timeline"],
        bob.sync(since)["rooms"]["join"][room_id]["timeline"],
    ):
        assert bodies(timeline["events"]) == ["later"]
        assert timeline["limited"]
    assert alice.get(room_path(room_id, "state", "m.room.name")) == {"name": "stays"}
    assert bob.sync()["rooms"]["join"][room_id]["unread_notifications"]["notification_count"] == 1
    bob.post(room_path(room_id, "receipt", "m.read", later))
    carol = brief.register("carol")
    carol.join(room_id)
    assert bodies(walk(carol, room_id, "b")) == ["later"]


def test_nothing_of_it_is_left_on_the_disk_and_the_folder_is_sound(tmp_path: Path) -> None:
    with running(tmp_path, shortest_message_lifetime=Duration(0)) as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        sent = [alice.send(room_id, f"{SECRET} {number}") for number in range(230)]
        find(alice, f"{SECRET} 229", sent[-1])
        expire(server, alice, room_id)
        alice.send(room_id, "later")
        find(alice, "later", walk(alice, room_id)[0]["event_id"])
    assert SECRET.encode() not in (tmp_path / DATABASE_FILE).read_bytes(), "not in free space either"
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as database:
        dump = "\n".join(database.iterdump()).lower()
        assert SECRET not in dump
        assert SECRET.encode().hex() not in dump
        assert b"later".hex() in dump, "contents are found so"
    with closing(sqlite3.connect(tmp_path / INDEX_FILE)) as index:
        assert [words.split()[0] for (words,) in index.execute("SELECT words FROM documents")] == ["later"]
    with closing(Inspection(tmp_path)) as found:
        assert (found.damages(), found.misplaced()) == ([], [])
        assert (
            asyncio.run(verify_rooms(found.rooms, found.events, found.state, found.federated_rooms)).problems
            == []
        )
    with running(tmp_path, shortest_message_lifetime=Duration(0)) as server:
        again = Person(server.url, alice.user_id, alice.device_id, alice.token)
        assert bodies(walk(again, room_id)) == ["later"]
        again.http.close()


def test_without_a_rule_or_within_the_operators_limit_nothing_expires(server: Running, alice: Person) -> None:
    room_id = alice.create_room()
    alice.send(room_id, "stays")
    server.run(server.server.services.retention.sweep())
    set_state(alice, room_id, "m.room.retention", AT_ONCE)
    server.run(server.server.services.retention.sweep())
    assert bodies(walk(alice, room_id)) == ["stays"]


def test_the_operators_limit_holds_for_every_room(tmp_path: Path) -> None:
    with running(tmp_path, longest_message_lifetime=Duration(1)) as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        alice.send(room_id, "old")
        before = server.server.services.clock.now_ms()
        while server.server.services.clock.now_ms() <= before + 1:
            alice.get("/account/whoami")
        server.run(server.server.services.retention.sweep())
        assert bodies(walk(alice, room_id)) == []


def test_who_may_not_change_the_rule_does_not(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    refused(bob.request("PUT", room_path(room_id, "state", "m.room.retention"), AT_ONCE), 403, "M_FORBIDDEN")
