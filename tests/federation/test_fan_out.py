"""One event for many servers: each gets it, and nobody here waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest

from hamrasan.http.services import Services
from hamrasan.protocol.event import event_from_pdu
from hamrasan.protocol.hashing import seal
from tests.federation.country import Member, country
from tests.federation.strangers import Asked, Stranger, json_answer
from tests.federation.talking import wait_until
from tests.federation.wires import LOCAL

SERVERS = 200
SEND = "/_matrix/federation/v1/send/"


@pytest.fixture
def home() -> Iterator[Member]:
    with country("home") as (home,):
        yield home


def crowd(home: Member, count: int) -> tuple[Stranger, list[str]]:
    """Return what stands for many servers, and their names; everything they are sent is taken."""
    stranger: Stranger = home.land.stranger("crowd", hosts=("*.crowd.test",))
    stranger.answers_below[SEND] = json_answer({"pdus": {}})
    names = [f"s{number}.crowd.test" for number in range(count)]
    for name in names:
        home.name_server.addresses[name] = LOCAL
        home.name_server.services[f"_matrix-fed._tcp.{name}"] = [(10, 10, stranger.port, name)]
    return stranger, names


async def let_in(services: Services, room_id: str, names: list[str]) -> None:
    """Let somebody of each of these servers into a room, as if they had come by a handshake."""
    room = await services.registry.get(room_id)
    for name in names:
        user_id = f"@guest:{name}"
        pdu = await services.federated_events.template(
            room, "m.room.member", user_id, user_id, {"membership": "join"}
        )
        event_id = seal(pdu, room.version)
        await services.reception.add(room, event_from_pdu({**pdu, "signatures": {}}, event_id, room_id))


def told(stranger: Stranger, room_id: str) -> dict[str, list[str]]:
    """Return the texts of the messages that each server was sent, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for asked in stranger.asked:
        if asked.uri.startswith(SEND):
            pdus = orjson.loads(asked.body)["pdus"]
            texts = [p["content"]["body"] for p in pdus if p["room_id"] == room_id and "body" in p["content"]]
            found.setdefault(asked.headers["host"], []).extend(texts)
    return found


def test_every_server_is_told_once_and_in_order(home: Member) -> None:
    alice = home.register("alice")
    room_id = alice.create_room(preset="public_chat")
    stranger, names = crowd(home, SERVERS)
    alice.send(room_id, "before they came")
    home.run(let_in(home.services, room_id, names))
    sent = [f"message {number}" for number in range(5)]
    for text in sent:
        alice.send(room_id, text)
    wait_until(lambda: sum(map(len, told(stranger, room_id).values())) >= SERVERS * len(sent))
    wait_until(lambda: not home.services.sender.waiting)
    assert told(stranger, room_id) == dict.fromkeys(names, sent)


def test_servers_that_say_nothing_hold_up_nobody(home: Member) -> None:
    alice = home.register("alice")
    room_id = alice.create_room(preset="public_chat")
    stranger, names = crowd(home, 60)
    mute: Stranger = home.land.stranger("mute", hosts=("*.mute.test",))
    released = asyncio.Event()

    async def silent(_asked: Asked) -> AsyncIterator[bytes]:
        await released.wait()
        yield b""

    mute.answers_below[SEND] = silent
    mutes = [f"s{number}.mute.test" for number in range(60)]
    for name in mutes:
        home.name_server.addresses[name] = LOCAL
        home.name_server.services[f"_matrix-fed._tcp.{name}"] = [(10, 10, mute.port, name)]
    home.run(let_in(home.services, room_id, mutes + names))
    sent = [f"message {number}" for number in range(3)]
    for text in sent:
        alice.send(room_id, text)
    wait_until(lambda: told(stranger, room_id) == dict.fromkeys(names, sent))
    wait_until(lambda: home.services.sender.waiting == len(mutes))

    async def release() -> None:
        released.set()

    home.land.loop.run(release())
    wait_until(lambda: home.services.sender.behind == len(mutes))


def test_one_that_left_gets_nothing_that_comes_after(home: Member) -> None:
    alice = home.register("alice")
    room_id = alice.create_room(preset="public_chat")
    stranger, (one, other) = crowd(home, 2)
    home.run(let_in(home.services, room_id, [one, other]))
    alice.send(room_id, "for both")
    alice.post(f"/rooms/{room_id}/kick", {"user_id": f"@guest:{one}"})
    alice.send(room_id, "for one")
    wait_until(lambda: "for one" in told(stranger, room_id).get(other, ()))
    wait_until(lambda: not home.services.sender.waiting)
    assert told(stranger, room_id) == {one: ["for both"], other: ["for both", "for one"]}
    kicked = [orjson.loads(a.body)["pdus"] for a in stranger.asked if a.headers["host"] == one]
    assert any(p["type"] == "m.room.member" and p["sender"] == alice.user_id for ps in kicked for p in ps)
