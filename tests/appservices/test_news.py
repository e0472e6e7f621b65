"""Besides events, services are told of typing, receipts, presence, and of what their users' devices need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.application_services import Bridge, Says, bridge
from tests.running import Person, Running, answered, running

DEVICE_LISTS = "org.matrix.msc3202.device_lists"
COUNTS = "org.matrix.msc3202.device_one_time_keys_count"
FALLBACK = "org.matrix.msc3202.device_unused_fallback_key_types"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def service(data_dir: Path) -> Iterator[Bridge]:
    wants = {"de.sorunome.msc2409.push_ephemeral": True, "org.matrix.msc3202": True}
    with bridge(data_dir, "bridge", receive_ephemeral=True, **wants) as service:
        yield service


@pytest.fixture
def served(data_dir: Path, service: Bridge) -> Iterator[Running]:
    with running(data_dir) as server:
        yield server


@pytest.fixture
def anna(served: Running) -> Person:
    return served.register("anna")


@pytest.fixture
def room_id(served: Running, anna: Person, service: Bridge) -> str:
    """A room with the service's own user."""
    room_id = anna.create_room(preset="public_chat")
    join(served, service, room_id)
    return room_id


def join(server: Running, service: Bridge, room_id: str, user_id: str | None = None) -> None:
    with service.http(server.url) as http:
        answered(http.post(f"/join/{room_id}", params={"user_id": user_id or service.bot}, json={}))


def typing(person: Person, room_id: str, types: bool = True) -> None:
    person.put(f"/rooms/{room_id}/typing/{person.user_id}", {"typing": types, "timeout": 30_000})


def read(person: Person, room_id: str, event_id: str, kind: str = "m.read", **body: Any) -> None:
    person.post(f"/rooms/{room_id}/receipt/{kind}/{quote(event_id)}", body)


def of_type(service: Bridge, event_type: str) -> list[Any]:
    return [event for event in service.ephemeral if event["type"] == event_type]


def test_typing_in_rooms_of_interest(anna: Person, service: Bridge, room_id: str) -> None:
    elsewhere = anna.create_room()
    typing(anna, elsewhere)
    typing(anna, room_id)
    service.wait(lambda: of_type(service, "m.typing"))
    typing(anna, room_id, False)
    service.wait(lambda: of_type(service, "m.typing")[-1]["content"]["user_ids"] == [])
    told = of_type(service, "m.typing")
    assert told[0] == {"type": "m.typing", "room_id": room_id, "content": {"user_ids": [anna.user_id]}}
    assert {event["room_id"] for event in told} == {room_id}
    assert service.extra("de.sorunome.msc2409.ephemeral") == service.extra("ephemeral")


def test_receipts_in_rooms_of_interest(anna: Person, service: Bridge, room_id: str) -> None:
    first, second = anna.send(room_id, "one"), anna.send(room_id, "two")
    elsewhere = anna.create_room()
    read(anna, elsewhere, anna.send(elsewhere, "elsewhere"))
    read(anna, room_id, first, "m.read.private")
    read(anna, room_id, second)
    service.wait(lambda: of_type(service, "m.receipt"))
    (told,) = of_type(service, "m.receipt")
    assert (told["room_id"], list(told["content"])) == (room_id, [second])
    mark = told["content"][second]["m.read"][anna.user_id]
    assert set(mark) == {"ts"}


def test_threaded_receipts_and_private_ones_of_its_own_users(
    served: Running, anna: Person, service: Bridge, room_id: str
) -> None:
    event_id = anna.send(room_id, "one")
    read(anna, room_id, event_id, thread_id="main")
    service.wait(lambda: of_type(service, "m.receipt"))
    mark = of_type(service, "m.receipt")[0]["content"][event_id]["m.read"][anna.user_id]
    assert mark["thread_id"] == "main"
    with service.http(served.url) as http:
        answered(http.post(f"/rooms/{room_id}/receipt/m.read.private/{quote(event_id)}", json={}))
    service.wait(lambda: len(of_type(service, "m.receipt")) == 2)
    assert set(of_type(service, "m.receipt")[1]["content"][event_id]) == {"m.read.private"}


def test_presence_of_those_who_share_a_room(
    served: Running, anna: Person, service: Bridge, room_id: str
) -> None:
    stranger = served.register("stranger")
    stranger.create_room()
    for person in (stranger, anna):
        person.put(f"/presence/{person.user_id}/status", {"presence": "online", "status_msg": "at the sea"})
    service.wait(lambda: of_type(service, "m.presence"))
    told = of_type(service, "m.presence")[-1]
    assert (told["sender"], told["content"]["status_msg"]) == (anna.user_id, "at the sea")
    assert {event["sender"] for event in of_type(service, "m.presence")} == {anna.user_id}


def test_who_did_not_ask_for_it_is_told_nothing_of_it(data_dir: Path, tmp_path: Path) -> None:
    with bridge(data_dir) as plain, running(data_dir) as server:
        anna = server.register("anna")
        room_id = anna.create_room(preset="public_chat")
        join(server, plain, room_id)
        typing(anna, room_id)
        read(anna, room_id, anna.send(room_id, "one"))
        with plain.http(server.url) as http:
            http.put("/devices/BRIDGE", json={})
        anna.put("/sendToDevice/m.test/1", {"messages": {plain.bot: {"BRIDGE": {"a": 1}}}})
        anna.send(room_id, "the end")
        plain.wait_for_text("the end")
        assert {name for body in plain.bodies for name in body} == {"events"}


# What encryption needs.


def device(server: Running, service: Bridge, user_id: str | None = None, id: str = "BRIDGE") -> None:
    """Make a device of one of the service's users."""
    with service.http(server.url) as http:
        user = {"user_id": user_id or service.bot}
        assert http.put(f"/devices/{id}", params=user, json={}).status_code == 201


def test_messages_to_devices_of_its_users(served: Running, anna: Person, service: Bridge) -> None:
    ghost = service.make_ghost(served.url)
    device(served, service)
    device(served, service, ghost, "ONE")
    device(served, service, ghost, "TWO")
    messages = {service.bot: {"BRIDGE": {"n": 1}}, ghost: {"*": {"n": 2}}, anna.user_id: {"*": {"n": 3}}}
    anna.put("/sendToDevice/m.test/1", {"messages": messages})
    service.wait(lambda: len(service.to_device) == 3)
    told = {(m["to_user_id"], m["to_device_id"]): m for m in service.to_device}
    assert set(told) == {(service.bot, "BRIDGE"), (ghost, "ONE"), (ghost, "TWO")}
    assert told[ghost, "ONE"] == {
        "type": "m.test",
        "sender": anna.user_id,
        "content": {"n": 2},
        "to_user_id": ghost,
        "to_device_id": "ONE",
    }
    with service.http(served.url) as http:
        synced = answered(http.get("/sync", params={"user_id": ghost, "device_id": "ONE"}))
    assert "to_device" not in synced, "what is told in a transaction is not told again"
    assert anna.sync()["to_device"]["events"][0]["content"] == {"n": 3}


def test_messages_arrive_with_or_before_the_event_that_follows(
    served: Running, anna: Person, service: Bridge, room_id: str
) -> None:
    """Keys of a room come before what is sealed with them, also to a service that was away."""
    device(served, service)
    service.answer = lambda told: Says(503)
    for number in range(30):
        messages = {service.bot: {"BRIDGE": {"n": number}}}
        anna.put(f"/sendToDevice/m.room_key/{number}", {"messages": messages})
        anna.send(room_id, str(number))
    service.answer = lambda told: Says()

    async def retry() -> None:
        served.server.services.service_dispatcher.retry_now("bridge")

    served.run(retry())
    service.wait_for_text("29")
    known: set[int] = set()
    for body in service.bodies:
        known |= {message["content"]["n"] for message in body.get("de.sorunome.msc2409.to_device", ())}
        texts = [int(event["content"]["body"]) for event in body["events"] if "body" in event["content"]]
        assert set(texts) <= known
    assert [message["content"]["n"] for message in service.to_device] == list(range(30))


def test_many_large_messages_are_spread_over_transactions(
    served: Running, anna: Person, service: Bridge
) -> None:
    device(served, service)
    service.answer = lambda told: Says(503)
    text = "x" * 30_000
    for number in range(20):
        messages = {service.bot: {"BRIDGE": {"n": number, "text": text}}}
        anna.put(f"/sendToDevice/m.test/{number}", {"messages": messages})
    service.answer = lambda told: Says()

    async def retry() -> None:
        served.server.services.service_dispatcher.retry_now("bridge")

    served.run(retry())
    service.wait(lambda: len(service.to_device) == 20)
    assert [message["content"]["n"] for message in service.to_device] == list(range(20))
    assert max(len(body) for _, body in service.transactions) < 300_000


def test_messages_of_people_are_left_to_them(data_dir: Path) -> None:
    """A service that is interested in everybody does not take people's keys away from them."""
    everybody = {"users": [{"regex": "@.*", "exclusive": False}], "aliases": [], "rooms": []}
    with (
        bridge(data_dir, "watcher", namespaces=everybody, **{"org.matrix.msc3202": True}) as service,
        running(data_dir) as server,
    ):
        anna, ben = server.register("anna"), server.register("ben")
        anna.put("/sendToDevice/m.test/1", {"messages": {ben.user_id: {"*": {"n": 1}}}})
        room_id = anna.create_room()
        anna.send(room_id, "the end")
        service.wait_for_text("the end")
        assert service.to_device == []
        assert ben.sync()["to_device"]["events"][0]["content"] == {"n": 1}


def upload(server: Running, service: Bridge, **keys: Any) -> None:
    with service.http(server.url) as http:
        answered(http.post("/keys/upload", params={"device_id": "BRIDGE"}, json=keys))


def test_counts_of_keys(served: Running, anna: Person, service: Bridge) -> None:
    device(served, service)
    one_time = {f"signed_curve25519:{n}": {"key": "x", "signatures": {}} for n in range(3)}
    fallback = {"signed_curve25519:F": {"key": "y", "fallback": True, "signatures": {}}}
    upload(served, service, one_time_keys=one_time, fallback_keys=fallback)
    service.wait(lambda: service.extra(COUNTS))
    assert service.extra(COUNTS)[-1] == {service.bot: {"BRIDGE": {"signed_curve25519": 3}}}
    assert service.extra(FALLBACK)[-1] == {service.bot: {"BRIDGE": ["signed_curve25519"]}}
    anna.post("/keys/claim", {"one_time_keys": {service.bot: {"BRIDGE": "signed_curve25519"}}})
    service.wait(lambda: service.extra(COUNTS)[-1] == {service.bot: {"BRIDGE": {"signed_curve25519": 2}}})


def test_device_lists_of_those_who_share_a_room(
    served: Running, data_dir: Path, anna: Person, service: Bridge, room_id: str
) -> None:
    stranger = served.register("stranger")
    for person in (stranger, anna):
        person.put(f"/devices/{person.device_id}", {"display_name": "Phone"})
    service.wait(lambda: service.extra(DEVICE_LISTS))
    assert service.extra(DEVICE_LISTS) == [{"changed": [anna.user_id], "left": []}]


def test_device_lists_of_those_who_come_and_go(
    served: Running, anna: Person, service: Bridge, room_id: str
) -> None:
    """Who comes into an encrypted room has devices that the service does not know; who leaves it has none any more."""
    anna.put(f"/rooms/{room_id}/state/m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    ben = served.register("ben")
    ben.join(room_id)
    service.wait(lambda: any(ben.user_id in lists["changed"] for lists in service.extra(DEVICE_LISTS)))
    ben.post(f"/rooms/{room_id}/leave")
    service.wait(lambda: service.extra(DEVICE_LISTS)[-1] == {"changed": [], "left": [ben.user_id]})
    before = len(service.extra(DEVICE_LISTS))
    ghost = service.make_ghost(served.url)
    join(served, service, room_id, ghost)
    service.wait(lambda: len(service.extra(DEVICE_LISTS)) > before)
    told = set(service.extra(DEVICE_LISTS)[-1]["changed"])
    assert anna.user_id in told
    assert ben.user_id not in told


def test_device_lists_that_change_while_a_service_is_not_registered(data_dir: Path, service: Bridge) -> None:
    with running(data_dir) as server:
        anna = server.register("anna")
        room_id = anna.create_room(preset="public_chat")
        join(server, service, room_id)
        anna.send(room_id, "first")
        service.wait_for_text("first")
        path = data_dir / "appservices" / "bridge.yaml"
        text = path.read_text()
        path.unlink()
        server.reload()
        server.run(server.server.services.service_dispatcher.update())
        anna.put(f"/devices/{anna.device_id}", {"display_name": "Phone"})
        anna.send(room_id, "second")
        path.write_text(text)
        server.reload()
        service.wait_for_text("second")
        service.wait(lambda: service.extra(DEVICE_LISTS))
        assert service.texts == ["first", "second"]
        assert service.extra(DEVICE_LISTS)[-1]["changed"] == [anna.user_id]
