"""A server whose disk is full: it refuses what it cannot keep, goes on answering, keeps what it had, and takes new
messages as soon as there is room again, without a restart.
"""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.durability.folders import sound
from tests.durability.load import Attempt, Load, Sender
from tests.processes import ServerProcess, server_process
from tests.running import Person, answered, refused

SEED = 7
FILL_ATTEMPTS = 5_000
SIZE_MB = 24
ROOM_LEFT = 200_000
"""Bytes of the disk that are left when the filler is written: some messages still fit."""
TIDES = 8
"""How often the disk gets full and free again while many send."""
SENDERS = 6
ROOMS = 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes. Only who may mount gets one; the other tests of this file need no right."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user may not mount a file system: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=20)


class World:
    """Two people in a room."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.reader = server.register("reader", checked=False)
        writer = server.register("writer", checked=False)
        self.room_id = self.reader.create_room(preset="public_chat")
        writer.join(self.room_id)
        self.sender = Sender(writer, [self.room_id], 7)
        self.since: str = self.reader.sync()["next_batch"]

    @property
    def writer(self) -> Person:
        return self.sender.person

    def send(self, count: int) -> None:
        """Send some messages, all of which must be taken."""
        for _ in range(count):
            answered(self.sender.attempt().send())

    def send_until_refused(self) -> Attempt:
        """Send until the disk is full; return the first message that was refused."""
        for _ in range(FILL_ATTEMPTS):
            attempt = self.sender.attempt()
            answer = attempt.send()
            if answer.status_code != 200:
                refused(answer, 503, "M_UNKNOWN")
                return attempt
        raise AssertionError("the disk does not get full")

    def check_full(self, first_refused: Attempt) -> None:
        """Check that writes of every kind are refused, and that reading goes on."""
        refused(first_refused.send(), 503, "M_UNKNOWN")
        big = "جا نیست " * 1_500
        content = {"msgtype": "m.text", "body": big}
        room = f"/rooms/{self.room_id}"
        for method, path, body in (
            ("PUT", f"{room}/send/m.room.message/too-big", content),
            ("PUT", f"{room}/state/m.room.topic", {"topic": big}),
            ("POST", "/createRoom", {"topic": big}),
            ("PUT", f"/user/{self.reader.user_id}/account_data/org.example.notes", {"notes": big}),
        ):
            refused(self.reader.request(method, path, body), 503, "M_UNKNOWN")
        for person in (self.reader, self.writer):
            assert person.get("/account/whoami")["user_id"] == person.user_id
        self.check_messages()

    def check_messages(self) -> None:
        """Check that exactly the answered messages are there, in order, however they are read."""
        expected = [attempt.event_id for attempt in self.sender.attempts if attempt.event_id is not None]
        assert messages_in(self.reader, self.room_id) == expected
        whole = '{"room":{"timeline":{"limit":1000,"types":["m.room.message"]}}}'
        synced = self.reader.sync(self.since, filter=whole)["rooms"]["join"][self.room_id]["timeline"]
        assert [event["event_id"] for event in synced["events"]] == expected[-1_000:]

    def check_room_again(self, first_refused: Attempt) -> None:
        """Check that all is well once there is room: what was refused can be sent again, and everything else too."""
        answered(first_refused.send())
        assert self.sender.unanswered == []
        self.send(20)
        self.reader.put(f"/rooms/{self.room_id}/state/m.room.topic", {"topic": "جا هست"})
        self.reader.create_room(name="تازه")
        self.server.register("newcomer").join(self.room_id)
        self.check_messages()


def messages_in(reader: Person, room_id: str) -> list[str]:
    """Return the ids of a room's messages, the first one first."""
    found: list[str] = []
    query = {"dir": "f", "limit": "400", "filter": '{"types":["m.room.message"]}'}
    while True:
        page = reader.get(f"/rooms/{room_id}/messages", **query)
        found += [event["event_id"] for event in page["chunk"]]
        if "end" not in page:
            return found
        query["from"] = page["end"]


def live_through(world: World, fill: Callable[[], Any], make_room: Callable[[], Any], *, kill: bool) -> None:
    """Fill the disk, look, make room, look, and compare with what the folder holds in the end."""
    world.send(10)
    fill()
    first_refused = world.send_until_refused()
    world.check_full(first_refused)
    if kill:
        world.server.kill()
    make_room()
    if kill:
        world.server.start()
    world.check_room_again(first_refused)
    world.server.stop()
    assert sound(world.server.data_dir) > len(world.sender.attempts)
    assert all("commit_failed" in line for line in world.server.complaints), world.server.complaints


def log_size(data_dir: Path) -> int:
    """Return the size of the largest file of the folder."""
    return max(file.stat().st_size for file in data_dir.iterdir())


def test_a_server_that_may_not_grow_its_files_refuses_and_recovers(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        world = World(server)
        live_through(
            world,
            lambda: server.limit_files(log_size(server.data_dir) + 300_000),
            server.unlimit_files,
            kill=False,
        )


def test_a_server_that_dies_while_it_may_not_grow_its_files_has_lost_nothing(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        world = World(server)
        live_through(
            world,
            lambda: server.limit_files(log_size(server.data_dir) + 100_000),
            lambda: None,  # the limit was the process's own
            kill=True,
        )


@pytest.mark.timeout(120)
def test_what_is_refused_among_many_at_once_was_not_kept_and_the_rest_was(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    with server_process(tmp_path / "data") as server:
        reader = server.register("reader", checked=False)
        rooms = [reader.create_room(preset="public_chat") for _ in range(ROOMS)]
        senders = [Sender(server.register("sender", checked=False), rooms, seed) for seed in range(SENDERS)]
        for sender, room_id in itertools.product(senders, rooms):
            sender.person.join(room_id)
        load = Load(senders)
        with load.working():
            for _ in range(TIDES):
                load.wait_until_taken(generator.randint(1, 60))
                server.limit_files(log_size(server.data_dir) + generator.randint(0, 60_000))
                load.wait_until_refused(generator.randint(1, 60))
                server.unlimit_files()
        attempts = [attempt for sender in senders for attempt in sender.attempts]
        refused_ones = [attempt for attempt in attempts if attempt.event_id is None]
        assert len(refused_ones) >= TIDES
        for room_id in rooms:
            kept = [
                attempt.event_id for attempt in attempts if attempt.room_id == room_id and attempt.event_id
            ]
            assert sorted(messages_in(reader, room_id)) == sorted(kept)
        for attempt in refused_ones:
            answered(attempt.send())
        found = [event_id for room_id in rooms for event_id in messages_in(reader, room_id)]
        assert sorted(found) == sorted(attempt.event_id or "" for attempt in attempts)
        server.stop()
        assert sound(server.data_dir) > len(attempts)


@pytest.mark.parametrize("kill", [False, True], ids=["goes-on", "is-killed"])
def test_a_server_on_a_full_disk_refuses_and_recovers(small_disk: Path, kill: bool) -> None:
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb") as file:
            file.truncate(0)
            free = shutil.disk_usage(small_disk).free - ROOM_LEFT
            file.write(bytes(free))

    with server_process(small_disk / "data") as server:
        live_through(World(server), fill, filler.unlink, kill=kill)
