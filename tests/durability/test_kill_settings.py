"""A server that is killed while people set, join, read and log in: what it answered last is what it knows then."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.durability.folders import sound
from tests.durability.load import Load
from tests.processes import ServerProcess, server_process
from tests.running import PASSWORD, Person, answered
from tests.threads import address, asked_to_subscribe, subscription

SEED = 1357
KILLS = 8
KEEPERS = 3
MAX_ANSWERS = 60
MESSAGES = 60

Write = Callable[["Keeper", int], httpx.Response]
Read = Callable[["Keeper"], int]


@dataclass(slots=True)
class Kept:
    """Something that is set to 1, 2, 3 and so on: how far the server has answered, and how far was tried."""

    write: Write
    read: Read
    answered: int = 0
    tried: int = 0


@dataclass(slots=True)
class Change:
    """One step of something kept."""

    keeper: Keeper
    kept: Kept

    def send(self) -> httpx.Response:
        """Take the next step."""
        self.kept.tried = self.kept.answered + 1
        answer = self.kept.write(self.keeper, self.kept.tried)
        if answer.status_code == 200:
            self.kept.answered = self.kept.tried
        return answer


@dataclass(slots=True)
class Keeper:
    """Somebody who changes everything that is theirs, a thing at a time."""

    person: Person
    room_id: str
    other_room: str
    messages: list[str]
    random: random.Random
    things: dict[str, Kept] = field(default_factory=dict)

    def attempt(self) -> Change:
        """Choose what to change next."""
        return Change(self, self.random.choice(list(self.things.values())))

    def check(self) -> None:
        """Check that everything is as it was answered, or as the one unanswered try would have it; then go on there."""
        for name, kept in self.things.items():
            found = kept.read(self)
            assert found in (kept.answered, kept.tried), (
                f"{name} is {found}, not {kept.answered} or {kept.tried}"
            )
            kept.answered = kept.tried = found


def _value(person: Person, path: str, name: str = "n") -> int:
    answer = person.request("GET", path)
    return 0 if answer.status_code == 404 else int(answered(answer).get(name, 0))


def _data(keeper: Keeper) -> str:
    return f"/user/{keeper.person.user_id}/account_data/org.example.n"


def _room_data(keeper: Keeper) -> str:
    return f"/user/{keeper.person.user_id}/rooms/{keeper.room_id}/account_data/org.example.n"


def _state(keeper: Keeper) -> str:
    return f"/rooms/{keeper.room_id}/state/org.example.n"


def _name(keeper: Keeper) -> str:
    return f"/profile/{keeper.person.user_id}/displayname"


def _tags(keeper: Keeper) -> str:
    return f"/user/{keeper.person.user_id}/rooms/{keeper.room_id}/tags"


def _read_tag(keeper: Keeper) -> int:
    tags: dict[str, Any] = keeper.person.get(_tags(keeper))["tags"]
    order: float = tags.get("u.n", {"order": 0.0})["order"]
    return round(order * 1_000)


def _log_in(keeper: Keeper, number: int) -> httpx.Response:
    wish = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": keeper.person.user_id},
        "password": PASSWORD,
        "device_id": f"DEVICE{number}",
    }
    return keeper.person.request("POST", "/login", wish)


def _read_devices(keeper: Keeper) -> int:
    devices = keeper.person.get("/devices")["devices"]
    numbers = {int(device["device_id"][6:]) for device in devices if device["device_id"].startswith("DEVICE")}
    assert numbers == set(range(1, len(numbers) + 1))
    return len(numbers)


def _change_membership(keeper: Keeper, number: int) -> httpx.Response:
    return keeper.person.request(
        "POST", f"/rooms/{keeper.other_room}/{'join' if number % 2 else 'leave'}", {}
    )


def _read_membership(keeper: Keeper) -> int:
    """Memberships have no number: return the one of the two that fits what is so."""
    kept = keeper.things["membership"]
    joined = keeper.other_room in keeper.person.get("/joined_rooms")["joined_rooms"]
    return next((n for n in (kept.answered, kept.tried) if bool(n % 2) == joined), -1)


def _change_subscription(keeper: Keeper, number: int) -> httpx.Response:
    if number % 2:
        return asked_to_subscribe(keeper.person, keeper.room_id, keeper.messages[0])
    return keeper.person.request("DELETE", address(keeper.room_id, keeper.messages[0]))


def _read_subscription(keeper: Keeper) -> int:
    """Subscriptions have no number either."""
    kept = keeper.things["thread subscription"]
    subscribed = subscription(keeper.person, keeper.room_id, keeper.messages[0]) is not None
    return next((n for n in (kept.answered, kept.tried) if bool(n % 2) == subscribed), -1)


def _send_receipt(keeper: Keeper, number: int) -> httpx.Response:
    event_id = keeper.messages[min(number, MESSAGES) - 1]
    return keeper.person.request("POST", f"/rooms/{keeper.room_id}/receipt/m.read/{event_id}", {})


def _read_receipt(keeper: Keeper) -> int:
    room = keeper.person.sync()["rooms"]["join"][keeper.room_id]
    for event in room["ephemeral"]["events"]:
        if event["type"] == "m.receipt":
            for event_id, receipts in event["content"].items():
                if keeper.person.user_id in receipts.get("m.read", {}):
                    return keeper.messages.index(event_id) + 1
    return 0


def things() -> dict[str, Kept]:
    """Return everything that a keeper changes, untouched."""
    return {
        "account data": Kept(
            lambda keeper, n: keeper.person.request("PUT", _data(keeper), {"n": n}),
            lambda keeper: _value(keeper.person, _data(keeper)),
        ),
        "account data of a room": Kept(
            lambda keeper, n: keeper.person.request("PUT", _room_data(keeper), {"n": n}),
            lambda keeper: _value(keeper.person, _room_data(keeper)),
        ),
        "state": Kept(
            lambda keeper, n: keeper.person.request("PUT", _state(keeper), {"n": n}),
            lambda keeper: _value(keeper.person, _state(keeper)),
        ),
        "display name": Kept(
            lambda keeper, n: keeper.person.request("PUT", _name(keeper), {"displayname": str(n)}),
            lambda keeper: _value(keeper.person, _name(keeper), "displayname"),
        ),
        "tag": Kept(
            lambda keeper, n: keeper.person.request("PUT", f"{_tags(keeper)}/u.n", {"order": n / 1_000}),
            _read_tag,
        ),
        "devices": Kept(_log_in, _read_devices),
        "membership": Kept(_change_membership, _read_membership),
        "thread subscription": Kept(_change_subscription, _read_subscription),
        "receipt": Kept(_send_receipt, _read_receipt),
    }


def keepers(server: ServerProcess, generator: random.Random) -> Iterator[Keeper]:
    """Yield people, each with a room full of messages by somebody else, and a room to go in and out of."""
    writer = server.register("writer", checked=False)
    square = writer.create_room(preset="public_chat")
    for _ in range(KEEPERS):
        person = server.register("keeper", checked=False)
        room_id = person.create_room(preset="public_chat")
        writer.join(room_id)
        messages = [writer.send(room_id, str(number)) for number in range(MESSAGES)]
        yield Keeper(person, room_id, square, messages, random.Random(generator.random()), things())


@pytest.mark.timeout(120)
def test_what_was_set_last_is_what_is_known_after_a_kill(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    with server_process(tmp_path / "data") as server:
        people = list(keepers(server, generator))
        for _ in range(KILLS):
            Load(people).run(generator.randint(0, MAX_ANSWERS), server.kill)
            sound(server.data_dir)
            server.start()
            for keeper in people:
                keeper.check()
        assert all(kept.answered for keeper in people for kept in keeper.things.values())
        assert server.complaints == []
