"""Keys of other servers' users, and messages to their devices (server-server API, "End-to-End Encryption")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.federation.across import seen
from tests.federation.country import Member, country
from tests.federation.strangers import json_answer
from tests.rooms_over_http import act, join_any
from tests.running import Person, answered

Pair = tuple[Member, Member]
ALGORITHM = "signed_curve25519"
ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


def device_keys(person: Person, key: str = "key") -> dict[str, Any]:
    return {
        "user_id": person.user_id,
        "device_id": person.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": {f"ed25519:{person.device_id}": key},
        "signatures": {person.user_id: {f"ed25519:{person.device_id}": "s"}},
    }


def publish(person: Person, key: str = "key", **more: Any) -> None:
    person.post("/keys/upload", {"device_keys": device_keys(person, key), **more})


def query(person: Person, of: Person, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = person.post("/keys/query", {"device_keys": {of.user_id: []}, **more})
    return answer


def keys_of(person: Person, of: Person) -> dict[str, Any]:
    """Return the keys of somebody's devices, by device id."""
    devices = query(person, of)["device_keys"].get(of.user_id, {})
    return {device_id: device["keys"] for device_id, device in devices.items()}


def share_encrypted_room(ali: Person, bahar: Person) -> str:
    room_id = ali.create_room(preset="public_chat", initial_state=[ENCRYPTION])
    answered(join_any(bahar, room_id, via="a.test"))
    return room_id


def test_keys_are_asked_of_the_users_server(pair: Pair, ali: Person, bahar: Person) -> None:
    publish(bahar)
    bahar.put(f"/devices/{bahar.device_id}", {"display_name": "Phone"})
    answer = query(ali, bahar)
    assert answer["failures"] == {}
    device = answer["device_keys"][bahar.user_id][bahar.device_id]
    assert device["keys"] == {f"ed25519:{bahar.device_id}": "key"}
    assert query(ali, pair[1].register("nokeys"))["failures"] == {}


def test_a_key_is_claimed_once(pair: Pair, ali: Person, bahar: Person) -> None:
    keys: dict[str, Any] = {f"{ALGORITHM}:{name}": {"key": name, "signatures": {}} for name in ("one", "two")}
    publish(bahar, one_time_keys=keys)
    wanted = {"one_time_keys": {bahar.user_id: {bahar.device_id: ALGORITHM}}}
    given = [ali.post("/keys/claim", wanted) for _ in range(3)]
    assert all(answer["failures"] == {} for answer in given)
    names = [[*answer["one_time_keys"].get(bahar.user_id, {}).get(bahar.device_id, {})] for answer in given]
    assert names == [[f"{ALGORITHM}:one"], [f"{ALGORITHM}:two"], []]


def test_changed_keys_are_told_of_and_asked_for_again(pair: Pair, ali: Person, bahar: Person) -> None:
    publish(bahar)
    share_encrypted_room(ali, bahar)
    since = ali.sync()["next_batch"]
    assert keys_of(ali, bahar) == {bahar.device_id: {f"ed25519:{bahar.device_id}": "key"}}
    publish(bahar, "other")
    assert seen(lambda: bahar.user_id in ali.sync(since).get("device_lists", {}).get("changed", []))
    now = {bahar.device_id: {f"ed25519:{bahar.device_id}": "other"}}
    assert seen(lambda: keys_of(ali, bahar) == now)
    second = pair[1].log_in(bahar)
    publish(second)
    assert seen(lambda: second.device_id in keys_of(ali, bahar))


async def is_outdated(server: Member, who: Person) -> bool:
    """Return whether what a server keeps of somebody's devices would be asked for again."""
    [row] = await server.running.server.store.remote_keys.devices([who.user_id])
    return bool(row.outdated)


def test_keys_are_kept_while_a_room_is_shared() -> None:
    with country("a", "b") as (a, b):
        ali, bahar = a.register("ali"), b.register("bahar")
        publish(bahar)
        room_id = share_encrypted_room(ali, bahar)
        publish(bahar, "newest")  # the last that b tells of: what it told before has come by then
        assert seen(
            lambda: keys_of(ali, bahar) == {bahar.device_id: {f"ed25519:{bahar.device_id}": "newest"}}
        )
        known = keys_of(ali, bahar)
        seen(lambda: keys_of(ali, bahar) == known and not a.run(is_outdated(a, bahar)))
        b.stop()
        assert query(ali, bahar)["failures"] == {}
        assert keys_of(ali, bahar) == known
        b.start()
        a.forgive(b)
        answered(act(ali, room_id, "leave"))  # from now on nobody tells of changes
        seen(lambda: a.run(is_outdated(a, bahar)))
        b.stop()
        answer = query(ali, bahar, timeout=2_000)
        assert answer["failures"]["b.test"]["errcode"] == "M_CONNECTION_FAILED"
        assert answer["device_keys"][bahar.user_id].keys() == known.keys(), "the last that is known"
        b.start()


@pytest.mark.parametrize(
    "told",
    [
        {"user_id": "@other:evil.test"},
        {"device_id": "OTHER"},
        {"keys": {"ed25519:DEV": 1}},
        {"algorithms": "all"},
        {"signatures": []},
    ],
)
def test_what_is_not_the_users_own_is_left_out(told: dict[str, Any]) -> None:
    with country("a") as (a,):
        ali, evil = a.register("ali"), a.land.stranger("evil")
        good = {
            "user_id": "@eve:evil.test",
            "device_id": "DEV",
            "algorithms": [],
            "keys": {"ed25519:DEV": "k"},
            "signatures": {},
        }
        devices = {"DEV": {**good, **told}, "OK": {**good, "device_id": "OK"}}
        evil.answers["/_matrix/federation/v1/user/keys/query"] = json_answer(
            {"device_keys": {"@eve:evil.test": devices, ali.user_id: {"DEV": good}}}
        )
        answer = ali.post("/keys/query", {"device_keys": {"@eve:evil.test": [], ali.user_id: []}})
        assert answer["device_keys"]["@eve:evil.test"].keys() == {"OK"}
        assert answer["device_keys"][ali.user_id] == {}


def test_messages_reach_devices_of_other_servers_in_order_and_once(
    pair: Pair, ali: Person, bahar: Person
) -> None:
    since = bahar.sync()["next_batch"]
    for number in range(3):
        messages = {"messages": {bahar.user_id: {bahar.device_id: {"number": number}}}}
        for _ in range(2):  # a repeated request sends nothing
            answered(ali.request("PUT", f"/sendToDevice/m.test/{ali.localpart}{number}", messages))
    everybody = {"messages": {bahar.user_id: {"*": {"number": 3}}}}
    answered(ali.request("PUT", f"/sendToDevice/m.test/{ali.localpart}x", everybody))

    def numbers() -> list[int]:
        events = bahar.sync(since).get("to_device", {}).get("events", [])
        assert all((event["sender"], event["type"]) == (ali.user_id, "m.test") for event in events)
        return [event["content"]["number"] for event in events]

    assert seen(lambda: len(numbers()) >= 4)
    assert numbers() == [0, 1, 2, 3]
