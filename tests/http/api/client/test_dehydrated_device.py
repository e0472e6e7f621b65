"""Dehydrated devices: one for each user, with keys from its first moment, and messages that stay until it goes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.http.api.client.test_keys import ALGORITHM, claim, one_time, signed
from tests.running import PASSWORD, Person, Running, refused
from tests.signing_keys import Identity, Pair, device_keys

PATH = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
DATA = {"algorithm": "org.matrix.msc3814.v1.olm", "device_pickle": "sealed", "nested": {"kept": True}}


def as_device(person: Person, device_id: str) -> Person:
    return Person(str(person.http.base_url), person.user_id, device_id, person.token)


def body(person: Person, device_id: str, **more: Any) -> dict[str, Any]:
    keys = device_keys(as_device(person, device_id), Pair(device_id))
    return {
        "device_id": device_id,
        "device_data": DATA,
        "initial_device_display_name": "Dehydrated device",
        "device_keys": {**keys, "dehydrated": True},
        "one_time_keys": one_time("a", "b"),
        "fallback_keys": {f"{ALGORITHM}:f": signed("f")},
        **more,
    }


def dehydrate(person: Person, **more: Any) -> str:
    device_id = Pair().public
    wanted = body(person, device_id, **more)
    assert person.put(PATH, wanted) == {"device_id": device_id}
    return device_id


def events_path(device_id: str) -> str:
    return f"{PATH}/{quote(device_id, safe='')}/events"


def send(person: Person, txn_id: str, other: Person, device_id: str, number: int) -> None:
    person.put(f"/sendToDevice/m.x/{txn_id}", {"messages": {other.user_id: {device_id: {"n": number}}}})


def test_a_device_is_kept_with_its_keys_and_others_see_it(alice: Person, bob: Person) -> None:
    refused(alice.request("GET", PATH), 404, "M_NOT_FOUND")
    refused(alice.request("DELETE", PATH), 404, "M_NOT_FOUND")
    device_id = dehydrate(alice)
    assert alice.get(PATH) == {"device_id": device_id, "device_data": DATA}
    refused(bob.request("GET", PATH), 404, "M_NOT_FOUND")
    keys = bob.post("/keys/query", {"device_keys": {alice.user_id: []}})["device_keys"][alice.user_id]
    assert keys[device_id]["dehydrated"] is True
    assert keys[device_id]["unsigned"] == {"device_display_name": "Dehydrated device"}
    device = as_device(alice, device_id)
    given = [claim(bob, device)[alice.user_id][device_id] for _ in range(3)]
    assert given == [one_time("a"), one_time("b"), {f"{ALGORITHM}:f": signed("f")}]


def test_a_new_one_takes_the_place_of_the_former_one(alice: Person, bob: Person) -> None:
    first = dehydrate(alice)
    send(bob, "1", alice, first, 1)
    second = dehydrate(alice)
    assert alice.get(PATH)["device_id"] == second
    assert {device["device_id"] for device in alice.get("/devices")["devices"]} == {alice.device_id, second}
    assert claim(bob, as_device(alice, first)) == {}
    refused(alice.request("GET", events_path(first)), 403, "M_FORBIDDEN")
    assert alice.get(events_path(second)) == {"events": []}
    # The same one again begins anew, too.
    send(bob, "2", alice, second, 2)
    claim(bob, as_device(alice, second))
    alice.put(PATH, body(alice, second))
    assert alice.get(events_path(second)) == {"events": []}
    assert claim(bob, as_device(alice, second))[alice.user_id][second] == one_time("a")


def test_messages_are_read_in_pages_and_stay(alice: Person, bob: Person) -> None:
    device_id = dehydrate(alice)
    for number in range(120):
        send(bob, str(number), alice, device_id, number)
    for _ in range(2):
        first = alice.get(events_path(device_id))
        assert first["events"][0] == {"type": "m.x", "sender": bob.user_id, "content": {"n": 0}}
        rest = alice.get(events_path(device_id), **{"from": first["next_batch"]})
        assert "next_batch" not in rest
        numbers = [event["content"]["n"] for event in [*first["events"], *rest["events"]]]
        assert numbers == list(range(120))
    few = alice.get(events_path(device_id), limit=7)
    assert [event["content"]["n"] for event in few["events"]] == list(range(7))


def test_older_clients_ask_until_there_is_nothing(alice: Person, bob: Person) -> None:
    device_id = dehydrate(alice)
    for number in range(101):
        send(bob, str(number), alice, device_id, number)
    numbers: list[int] = []
    token: dict[str, str] = {}
    while True:
        answer = alice.post(events_path(device_id), token)
        token = {"next_batch": answer["next_batch"]}
        if not answer["events"]:
            break
        numbers += [event["content"]["n"] for event in answer["events"]]
    assert numbers == list(range(101))


def test_it_is_deleted_with_its_keys(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    device_id = dehydrate(alice)
    assert alice.delete(PATH) == {"device_id": device_id}
    refused(alice.request("GET", PATH), 404, "M_NOT_FOUND")
    assert claim(bob, as_device(alice, device_id)) == {}
    assert [device["device_id"] for device in alice.get("/devices")["devices"]] == [alice.device_id]
    # In any other way, too.
    device_id = dehydrate(alice)
    path = f"/devices/{quote(device_id, safe='')}"
    session = alice.request("DELETE", path, {}).json()["session"]
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, "session": session}
    alice.delete(path, {"auth": auth})
    refused(alice.request("GET", PATH), 404, "M_NOT_FOUND")


def test_others_are_told(alice: Person) -> None:
    since = alice.sync()["next_batch"]
    dehydrate(alice)
    answer = alice.sync(since, timeout=20_000)
    assert answer["device_lists"]["changed"] == [alice.user_id]


@pytest.mark.parametrize(
    ("wrong", "errcode"),
    [
        ({"device_id": 5}, "M_BAD_JSON"),
        ({"device_id": ""}, "M_INVALID_PARAM"),
        ({"device_id": "x" * 300}, "M_INVALID_PARAM"),
        ({"device_id": "OTHER"}, "M_INVALID_PARAM"),
        ({"device_data": None}, "M_BAD_JSON"),
        ({"device_data": {}}, "M_BAD_JSON"),
        ({"device_data": {"algorithm": 1}}, "M_BAD_JSON"),
        ({"device_data": {"algorithm": "x" * 70_000}}, "M_INVALID_PARAM"),
        ({"device_keys": {}}, "M_INVALID_PARAM"),
        ({"initial_device_display_name": "x" * 300}, "M_INVALID_PARAM"),
        ({"one_time_keys": {"nocolon": "k"}}, "M_INVALID_PARAM"),
        ({"one_time_keys": {f"curve25519:{number}": "k" for number in range(1_001)}}, "M_INVALID_PARAM"),
        ({"fallback_keys": {"curve25519:a": "k", "curve25519:b": "k"}}, "M_INVALID_PARAM"),
        ({"fallback_keys": {f"a{number}:a": "k" for number in range(11)}}, "M_INVALID_PARAM"),
        ({"fallback_keys": {"signed_curve25519:a": {}}}, "M_BAD_JSON"),
    ],
)
def test_what_has_not_its_form_is_refused_and_changes_nothing(
    alice: Person, wrong: dict[str, Any], errcode: str
) -> None:
    device_id = dehydrate(alice)
    refused(alice.request("PUT", PATH, body(alice, Pair().public) | wrong), 400, errcode)
    assert alice.get(PATH)["device_id"] == device_id


def test_every_part_is_needed(alice: Person) -> None:
    for name in ("device_id", "device_data", "device_keys"):
        wanted = body(alice, Pair().public)
        del wanted[name]
        refused(alice.request("PUT", PATH, wanted), 400, "M_MISSING_PARAM")


def test_ids_in_use_are_refused(alice: Person) -> None:
    one = Identity(alice).publish()
    wanted = body(alice, alice.device_id)
    refused(alice.request("PUT", PATH, wanted), 400, "M_INVALID_PARAM")
    refused(alice.request("PUT", PATH, body(alice, one.master.public)), 403, "M_FORBIDDEN")
    refused(alice.request("GET", PATH), 404, "M_NOT_FOUND")


@pytest.mark.parametrize("token", ["x", "d1_", "d1_-1", "d1_1e3", "1", "d1_" + "9" * 30])
def test_tokens_that_nobody_gave_are_refused(alice: Person, token: str) -> None:
    path = events_path(dehydrate(alice))
    refused(alice.request("GET", path, **{"from": token}), 400, "M_INVALID_PARAM")
    refused(alice.request("POST", path, {"next_batch": token}), 400, "M_INVALID_PARAM")


def test_only_the_own_dehydrated_device_has_its_messages_read(alice: Person, bob: Person) -> None:
    device_id = dehydrate(bob)
    refused(alice.request("GET", events_path(device_id)), 403, "M_FORBIDDEN")
    refused(bob.request("POST", events_path(bob.device_id), {}), 403, "M_FORBIDDEN")
