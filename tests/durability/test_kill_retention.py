"""A server that is killed while messages expire: what was said to be gone is gone, and nothing else is."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import httpx
import orjson
import pytest

from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.durability.folders import sound
from tests.processes import ServerProcess, server_process
from tests.reading import V1, bodies, room_path, set_state, walk
from tests.registrations import registration, write_registration
from tests.running import Person, answered
from tests.searching import search, until

SEED = 1404
SECRET = "quicksilver"
FUTURE_MS = 4_000_000_000_000
"""A time that no test lives to see: what is of then does not expire."""
BRIEF_ROOMS = 3
MESSAGES = 1_500
"""In each room of which they expire: together 45 steps, each a commit."""
KEPT = 60
SENDERS = 6
KILLS = 3
ASKED = 60
"""Messages that are asked for after each kill."""
EXPIRED = "SELECT count(*) FROM all_events WHERE redacted_by = 'expired'"


@dataclass(slots=True)
class Place:
    """A room, with what was said in it by event id."""

    room_id: str
    expiring: dict[str, str]
    staying: dict[str, str]


class World:
    """Rooms in which messages are too old, messages that are not, and a room in which they never are."""

    def __init__(self, server: ServerProcess, token: str) -> None:
        self.server = server
        self.anna = server.register("anna", checked=False)
        people = [server.register("sender", checked=False) for _ in range(SENDERS)]
        service = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30.0, trust_env=False
        )
        with service, ThreadPoolExecutor(SENDERS) as threads:
            self.brief = [self._room(people, service, threads, MESSAGES) for _ in range(BRIEF_ROOMS)]
            self.lasting = self._room(people, service, threads, 0)
        for place in self.brief:
            set_state(self.anna, place.room_id, "m.room.retention", {"max_lifetime": 1})

    def _room(
        self, people: list[Person], service: httpx.Client, threads: ThreadPoolExecutor, expiring: int
    ) -> Place:
        room_id = self.anna.create_room(preset="public_chat", name="stays")
        for person in people:
            person.join(room_id)
        answered(service.post(f"/_matrix/client/v3/join/{room_id}", json={}))

        def say(number: int) -> tuple[str, str]:
            body = f"{SECRET} {number}"
            return people[number % SENDERS].send(room_id, body), body

        def say_in_the_future(number: int) -> tuple[str, str]:
            body = f"later {number}"
            path = f"/_matrix/client/v3/rooms/{room_id}/send/m.room.message/{number}"
            content = {"msgtype": "m.text", "body": body}
            answer = answered(service.put(path, params={"ts": FUTURE_MS + number}, json=content))
            return answer["event_id"], body

        old = dict(threads.map(say, range(expiring)))
        young = dict(threads.map(say_in_the_future, range(KEPT)))
        return Place(room_id, old, young)

    @property
    def expiring(self) -> int:
        return sum(len(place.expiring) for place in self.brief)

    def watched(self, gone: set[str]) -> Iterator[None]:
        """Ask for messages, from the oldest on, and take down which ones the server says are gone."""
        headers = {"Authorization": f"Bearer {self.anna.token}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=30.0, trust_env=False) as http:
            for place in self.brief:
                for event_id in place.expiring:
                    path = "/_matrix/client/v3" + room_path(place.room_id, "event", event_id)
                    while (status := http.get(path).status_code) != 404:
                        assert status == 200
                        yield
                    gone.add(event_id)
                    yield


def count_expired(data_dir: Path) -> int:
    """Return how many messages have lost their content, by what is durable now."""
    with closing(sqlite3.connect(f"file:{data_dir / DATABASE_FILE}?mode=ro", uri=True)) as database:
        return int(database.execute(EXPIRED).fetchone()[0])


def kill_when(server: ServerProcess, world: World, count: int) -> set[str]:
    """Kill the server when so many messages have expired; return those that it had said are gone by then."""
    gone: set[str] = set()
    killed = threading.Event()

    def watch() -> None:
        try:
            for _ in world.watched(gone):
                if killed.is_set():
                    return
        except httpx.TransportError:
            pass  # it was killed

    with ThreadPoolExecutor(1) as threads:
        watching = threads.submit(watch)
        while count_expired(server.data_dir) < count:
            assert server.running
        server.kill()
        killed.set()
        watching.result(60)
    return gone


def check_disk(data_dir: Path, world: World, gone: set[str]) -> set[str]:
    """Check a copy of the folder: up to its floor a room has no message left, and from there on every one.

    Return which have expired.
    """
    with tempfile.TemporaryDirectory() as copy:
        for file in data_dir.glob(f"{DATABASE_FILE}*"):
            shutil.copy(file, copy)
        with closing(sqlite3.connect(Path(copy) / DATABASE_FILE)) as database:
            floors = dict(database.execute("SELECT room, position FROM history_floors"))
            found = database.execute("SELECT event_id, room, position, content, redacted_by FROM all_events")
            events = {event_id: rest for event_id, *rest in found}
    expired: set[str] = set()
    for place in (*world.brief, world.lasting):
        for event_id, body in place.expiring.items():
            room, position, content, redacted_by = events[event_id]
            shown = orjson.loads(content).get("body")
            if position <= floors.get(room, 0):
                assert (shown, redacted_by) == (None, "expired")
                expired.add(event_id)
            else:
                assert (shown, redacted_by) == (body, None)
                assert event_id not in gone, "it was said to be gone"
        for event_id, body in place.staying.items():
            _, _, content, redacted_by = events[event_id]
            assert (orjson.loads(content)["body"], redacted_by) == (body, None)
    return expired


def check_gone(world: World, gone: set[str], generator: random.Random) -> set[str]:
    """Check that nothing of what is gone comes back; return what was asked for."""
    asked = set(generator.sample(sorted(gone), min(len(gone), ASKED)))
    for place in world.brief:
        for event_id in asked & place.expiring.keys():
            answer = world.anna.request("GET", room_path(place.room_id, "event", event_id))
            assert answer.status_code == 404, answer.text
    return asked


@pytest.mark.timeout(180)
def test_what_was_said_to_be_gone_is_gone_after_a_kill_and_nothing_else_is(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    values = registration()
    write_registration(data_dir, values)
    with server_process(data_dir, shortest_message_lifetime="0s") as server:
        world = World(server, values["as_token"])
        assert count_expired(data_dir) == 0
        server.kill()
        gone: set[str] = set()
        on_disk: set[str] = set()
        counts = [0]
        for _ in range(KILLS):
            server.start()
            gone |= check_gone(world, on_disk, generator)
            rest = world.expiring - counts[-1]
            gone |= kill_when(server, world, counts[-1] + generator.randrange(1, rest // 3))
            on_disk = check_disk(data_dir, world, gone)
            counts.append(len(on_disk))
            sound(data_dir)
        assert gone, "somebody was told so"
        assert any(0 < count < world.expiring for count in counts), "a kill came in the middle"
        assert counts == sorted(counts), "nothing comes back"
        server.start()
        until(lambda: count_expired(data_dir), lambda count: count == world.expiring)
        check_gone(world, gone, generator)
        check_rooms(world)
        server.stop()
        assert len(check_disk(data_dir, world, gone)) == world.expiring
        sound(data_dir)
        assert server.complaints == []


def check_rooms(world: World) -> None:
    """Check what people see in the end: what stays, and of the rest nothing, nowhere."""
    anna = world.anna
    for place in (*world.brief, world.lasting):
        events = walk(anna, place.room_id, limit=500)
        assert sorted(bodies(events)) == sorted(place.staying.values())
        assert anna.get(room_path(place.room_id, "state", "m.room.name"))["name"] == "stays"
        assert len(anna.get(room_path(place.room_id, "joined_members"))["joined"]) == SENDERS + 2
        oldest = next(chain(place.expiring, place.staying))
        path = V1 + room_path(place.room_id, "relations", oldest)
        assert anna.request("GET", path).status_code == (404 if place.expiring else 200)
    until(lambda: search(anna, SECRET)["count"], lambda count: count == 0)
    expected = KEPT * (BRIEF_ROOMS + 1)
    until(lambda: search(anna, "later")["count"], lambda count: count == expected)
