"""A server that is killed while people create rooms: every room is there with all that it began with, or not at all."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.durability.folders import sound
from tests.durability.load import Load
from tests.processes import ServerProcess, server_process
from tests.running import Person, answered, refused

SEED = 57
KILLS = 6
CREATORS = 3
INVITED = 12
MAX_ANSWERS = 12
_TOPIC = "همه چیز یا هیچ چیز"


@dataclass(slots=True)
class Creation:
    """A room that somebody wanted; `room_id` is None until the server has answered."""

    creator: Person
    alias: str
    body: dict[str, Any]
    room_id: str | None = None

    def send(self) -> httpx.Response:
        """Ask for the room; asking a second time for one that is there is refused, for its alias is taken."""
        answer = self.creator.request("POST", "/createRoom", self.body)
        if answer.status_code == 200:
            self.room_id = answer.json()["room_id"]
        return answer

    def found(self, reader: Person) -> str | None:
        """Return the room's id if the server has the room."""
        answer = reader.request("GET", f"/directory/room/{quote(self.alias, safe='')}")
        if answer.status_code == 404:
            return None
        room_id: str = answered(answer)["room_id"]
        return room_id


class Creator:
    """Somebody who creates one room after the other; each invites the same people and has the same first state."""

    _numbers = itertools.count(1)

    def __init__(self, person: Person, invited: list[str]) -> None:
        self.person = person
        self.attempts: list[Creation] = []
        self._invited = invited

    def attempt(self) -> Creation:
        """Wish for the next room."""
        name = f"room-{next(self._numbers)}"
        body = {
            "room_alias_name": name,
            "name": name,
            "topic": _TOPIC,
            "invite": self._invited,
            "visibility": "public",
            "initial_state": [
                {"type": "org.example.shelf", "state_key": str(number), "content": {"number": number}}
                for number in range(10)
            ],
        }
        creation = Creation(self.person, f"#{name}:hamrasan.test", body)
        self.attempts.append(creation)
        return creation


def check_whole(creation: Creation, room_id: str, joined: set[str], listed: set[str]) -> None:
    """Check that a room has everything that it was to begin with."""
    state = creation.creator.get(f"/rooms/{room_id}/state")
    found = {(event["type"], event["state_key"]): event["content"] for event in state}
    assert found["m.room.name", ""] == {"name": creation.body["name"]}
    assert found["m.room.topic", ""]["topic"] == _TOPIC
    assert found["m.room.canonical_alias", ""] == {"alias": creation.alias}
    assert {number for type_, number in found if type_ == "org.example.shelf"} == {str(n) for n in range(10)}
    invited = {
        user_id
        for (type_, user_id), content in found.items()
        if type_ == "m.room.member" and content["membership"] == "invite"
    }
    assert invited == set(creation.body["invite"])
    assert room_id in joined
    assert room_id in listed


def public_rooms(reader: Person) -> Iterator[str]:
    """Yield the ids of all rooms in the directory."""
    query: dict[str, str] = {}
    while True:
        page = reader.get("/publicRooms", **query)
        yield from (room["room_id"] for room in page["chunk"])
        if "next_batch" not in page:
            return
        query = {"since": page["next_batch"]}


def check_all(creators: list[Creator], invited: Person) -> None:
    """Check that the server has the answered rooms, and of the others all or nothing; send the missing ones again."""
    listed = set(public_rooms(invited))
    invitations = set(invited.sync().get("rooms", {}).get("invite", {}))
    known: set[str] = set()
    for creator in creators:
        joined = set(creator.person.get("/joined_rooms")["joined_rooms"])
        for creation in creator.attempts:
            room_id = creation.found(invited)
            assert creation.room_id in (None, room_id)
            if room_id is not None:
                check_whole(creation, room_id, joined, listed)
                known.add(room_id)
                joined.discard(room_id)
        assert not joined
    assert listed == known
    assert invitations == known


def create_again(creators: list[Creator], invited: Person) -> None:
    """Ask again for the rooms that nobody heard of; those that are there must be refused to be made twice."""
    for creator in creators:
        for creation in creator.attempts:
            if creation.room_id is None:
                there = creation.found(invited)
                if there is None:
                    answered(creation.send())
                else:
                    refused(creation.send(), 400, "M_ROOM_IN_USE")
                    creation.room_id = there


def start_world(server: ServerProcess) -> tuple[list[Creator], Person]:
    """Return the creators, and one of those whom they invite."""
    invited = [server.register("invited") for _ in range(INVITED)]
    user_ids = [person.user_id for person in invited]
    return [Creator(server.register("creator", checked=False), user_ids) for _ in range(CREATORS)], invited[0]


@pytest.mark.timeout(120)
def test_a_room_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    with server_process(tmp_path / "data") as server:
        creators, invited = start_world(server)
        for _ in range(KILLS):
            Load(creators).run(generator.randint(0, MAX_ANSWERS), server.kill)
            sound(server.data_dir)
            server.start()
            check_all(creators, invited)
            create_again(creators, invited)
        check_all(creators, invited)
        assert server.complaints == []
