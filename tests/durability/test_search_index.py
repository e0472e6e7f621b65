"""The search index of a server that is killed or restored, or that lost it: nothing is missing or there twice."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from hamrasan.storage.sqlite.search_index import INDEX_FILE
from tests.durability.load import Attempt, Load
from tests.processes import ServerProcess, server_process
from tests.running import Person, answered
from tests.searching import find, ids, search, until

SEED = 1394
KILLS = 6
TELLERS = 4
ROOMS = 3
WORD = "durable"


class Teller:
    """Somebody who always has something more to say that can be found."""

    def __init__(self, person: Person, rooms: Sequence[str]) -> None:
        self.attempts: list[Attempt] = []
        self._person = person
        self._rooms = rooms

    def attempt(self) -> Attempt:
        number = len(self.attempts)
        room_id = self._rooms[number % len(self._rooms)]
        attempt = Attempt(self._person, room_id, f"txn-{number}", f"{WORD} {number}")
        self.attempts.append(attempt)
        return attempt


def all_found(person: Person, term: str) -> list[str]:
    """Return every event that a term finds, page by page."""
    found: list[str] = []
    token: str | None = None
    while True:
        answer = search(person, term, token, order_by="recent", filter={"limit": 50})
        found += ids(answer)
        token = answer.get("next_batch")
        if token is None:
            return found


def remove_index(data_dir: Path) -> None:
    for file in data_dir.glob(f"{INDEX_FILE}*"):
        file.unlink()


def documents(data_dir: Path) -> int:
    """Return how many documents the index of a stopped server holds, after looking whether it is whole."""
    with closing(sqlite3.connect(data_dir / INDEX_FILE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count, counted = connection.execute(
            "SELECT (SELECT count(*) FROM documents), (SELECT documents FROM progress)"
        ).fetchone()
        assert count == counted
        return int(count)


def tellers(server: ServerProcess, reader: Person) -> list[Teller]:
    """Return people in rooms that the reader is in, too."""
    rooms = [reader.create_room(preset="public_chat") for _ in range(ROOMS)]
    found = []
    for _ in range(TELLERS):
        person = server.register("teller", checked=False)
        for room_id in rooms:
            person.join(room_id)
        found.append(Teller(person, rooms))
    return found


def kept(people: Sequence[Teller]) -> set[str]:
    """Return every message that is there; what was not answered is sent again, and then it is."""
    attempts = [attempt for person in people for attempt in person.attempts]
    for attempt in attempts:
        if attempt.event_id is None:
            answered(attempt.send())
    return {attempt.event_id for attempt in attempts if attempt.event_id is not None}


def is_complete(reader: Person, expected: set[str]) -> None:
    """Wait until a search finds all that is expected, each once."""
    found = until(lambda: all_found(reader, WORD), lambda found: len(found) >= len(expected))
    assert sorted(found) == sorted(expected)


@pytest.mark.timeout(180)
def test_every_message_is_found_once_however_often_the_server_is_killed(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    with server_process(tmp_path / "data") as server:
        reader = server.register("reader")
        people = tellers(server, reader)
        load = Load(people)
        for number in range(KILLS):
            load.run(generator.randint(20, 120), server.kill)
            if number == KILLS // 2:
                remove_index(server.data_dir)
            server.start()
        expected = kept(people)
        is_complete(reader, expected)
        server.stop()
        assert documents(server.data_dir) == len(expected)
        assert server.complaints == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("damage", ["deleted", "garbage", "truncated", "another version"])
def test_a_lost_index_is_made_anew_while_the_server_serves(tmp_path: Path, damage: str) -> None:
    with server_process(tmp_path / "data") as server:
        reader = server.register("reader")
        people = tellers(server, reader)
        for number in range(200):
            answered(people[number % len(people)].attempt().send())
        expected = kept(people)
        is_complete(reader, expected)
        server.stop()
        file = server.data_dir / INDEX_FILE
        size = file.stat().st_size
        if damage == "another version":
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA user_version = 999")
        else:
            remove_index(server.data_dir)
        if damage == "garbage":
            file.write_bytes(b"this is no database" * 1000)
        if damage == "truncated":
            file.write_bytes(b"SQLite format 3\0" + bytes(size // 2))
        server.start()
        search(reader, WORD)
        later = people[0].attempt()
        answered(later.send())
        is_complete(reader, expected | {str(later.event_id)})
        server.stop()
        assert documents(server.data_dir) == len(expected) + 1
        assert server.complaints == []


@pytest.mark.timeout(180)
def test_an_index_of_other_data_is_made_anew(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        reader = server.register("reader")
        people = tellers(server, reader)
        answered(people[0].attempt().send())
        first = kept(people)
        is_complete(reader, first)
        server.stop()
        backup = tmp_path / "backup"
        shutil.copytree(server.data_dir, backup)
        server.start()
        for _ in range(20):
            answered(people[0].attempt().send())
        is_complete(reader, kept(people))
        server.stop()
        # The operator restores a backup of the store, but the index stays as it is.
        for file in server.data_dir.glob("hamrasan.db*"):
            file.unlink()
        for file in backup.glob("hamrasan.db*"):
            shutil.copy(file, server.data_dir)
        server.start()
        after = [people[1].attempt() for _ in range(30)]
        for attempt in after:
            answered(attempt.send())
        is_complete(reader, first | {str(attempt.event_id) for attempt in after})
        server.stop()
        assert documents(server.data_dir) == len(first) + len(after)


def test_a_search_answers_while_the_index_is_made(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        reader = server.register("reader")
        room_id = reader.create_room()
        event_id = reader.send(room_id, WORD)
        find(reader, WORD, event_id)
        server.kill()
        remove_index(server.data_dir)
        server.start()
        assert set(ids(search(reader, WORD))) <= {event_id}
        find(reader, WORD, event_id)
