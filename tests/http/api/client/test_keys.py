"""Keys for end-to-end encryption: published, asked for, handed out once, and told of in `/sync`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.running import Person, Running, refused, running

ALGORITHM = "signed_curve25519"


def identity(person: Person, **more: Any) -> dict[str, Any]:
    """Return the identity keys of a person's device."""
    return {
        "user_id": person.user_id,
        "device_id": person.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"ed25519:{person.device_id}": "public"},
        "signatures": {person.user_id: {f"ed25519:{person.device_id}": "signature"}},
        **more,
    }


def signed(text: str) -> dict[str, Any]:
    return {"key": text, "signatures": {"@x:y": {"ed25519:Z": "s"}}}


def one_time(*names: str) -> dict[str, Any]:
    return {f"{ALGORITHM}:{name}": signed(name) for name in names}


def claim(person: Person, *others: Person, algorithm: str = ALGORITHM) -> Any:
    wanted: dict[str, dict[str, str]] = {}
    for other in others:
        wanted.setdefault(other.user_id, {})[other.device_id] = algorithm
    return person.post("/keys/claim", {"one_time_keys": wanted})["one_time_keys"]


def share_encrypted_room(alice: Person, bob: Person) -> str:
    room_id = alice.create_room(preset="public_chat")
    alice.put(f"/rooms/{room_id}/state/m.room.encryption/", {"algorithm": "m.megolm.v1.aes-sha2"})
    bob.join(room_id)
    return room_id


def test_identity_keys_are_given_as_they_were_published(alice: Person, bob: Person) -> None:
    keys = identity(alice, extra={"kept": 1})
    assert alice.post("/keys/upload", {"device_keys": keys}) == {"one_time_key_counts": {}}
    alice.put(f"/devices/{alice.device_id}", {"display_name": "Phone"})
    expected = {alice.device_id: {**keys, "unsigned": {"device_display_name": "Phone"}}}
    answer = bob.post("/keys/query", {"device_keys": {alice.user_id: []}})
    assert (answer["device_keys"], answer["failures"]) == ({alice.user_id: expected}, {})
    one = bob.post("/keys/query", {"device_keys": {alice.user_id: [alice.device_id, "OTHER"]}})
    assert one["device_keys"] == {alice.user_id: expected}
    none = bob.post("/keys/query", {"device_keys": {alice.user_id: ["OTHER"], bob.user_id: []}})
    assert none["device_keys"] == {alice.user_id: {}, bob.user_id: {}}


@pytest.mark.parametrize("user_id", ["", "alice", "@alice", "!room:x.org", "@alice:"])
def test_only_users_have_keys(alice: Person, user_id: str) -> None:
    refused(alice.request("POST", "/keys/query", {"device_keys": {user_id: []}}), 400, "M_INVALID_PARAM")
    wanted = {"one_time_keys": {user_id: {"X": ALGORITHM}}}
    refused(alice.request("POST", "/keys/claim", wanted), 400, "M_INVALID_PARAM")
    messages: Any = {"messages": {user_id: {"*": {}}}}
    refused(alice.request("PUT", "/sendToDevice/m.x/1", messages), 400, "M_INVALID_PARAM")


def test_users_of_other_servers_are_told_as_failures(alice: Person) -> None:
    stranger = "@stranger:elsewhere.example"
    for path, wanted in (
        ("query", {"device_keys": {stranger: []}}),
        ("claim", {"one_time_keys": {stranger: {"X": ALGORITHM}}}),
    ):
        answer = alice.post(f"/keys/{path}", wanted)
        assert [*answer.values()].count({}) == len(answer) - 1
        assert answer["failures"]["elsewhere.example"]["errcode"] == "M_CONNECTION_FAILED"


def test_each_one_time_key_is_handed_out_once_in_the_order_of_uploads(alice: Person, bob: Person) -> None:
    assert alice.post("/keys/upload", {"one_time_keys": one_time("c")})["one_time_key_counts"] == {
        ALGORITHM: 1
    }
    alice.post("/keys/upload", {"one_time_keys": one_time("a")})
    counts = alice.post("/keys/upload", {"one_time_keys": one_time("a", "b")})["one_time_key_counts"]
    assert counts == {ALGORITHM: 3}
    given = [claim(bob, alice)[alice.user_id][alice.device_id] for _ in range(3)]
    assert given == [{f"{ALGORITHM}:{name}": signed(name)} for name in "cab"]
    assert claim(bob, alice) == {}
    assert alice.sync()["device_one_time_keys_count"] == {ALGORITHM: 0}


def test_a_key_that_is_uploaded_again_after_it_was_given_is_not_given_again(
    alice: Person, bob: Person
) -> None:
    alice.post("/keys/upload", {"one_time_keys": one_time("a")})
    assert claim(bob, alice)[alice.user_id][alice.device_id] == one_time("a")
    counts = alice.post("/keys/upload", {"one_time_keys": one_time("a", "b")})["one_time_key_counts"]
    assert counts == {ALGORITHM: 1}
    assert claim(bob, alice)[alice.user_id][alice.device_id] == one_time("b")
    assert claim(bob, alice) == {}


def test_the_fallback_key_is_given_when_no_other_is_left(alice: Person, bob: Person) -> None:
    fallback = {f"{ALGORITHM}:f": {**signed("f"), "fallback": True}}
    alice.post("/keys/upload", {"one_time_keys": one_time("a"), "fallback_keys": fallback})
    assert alice.sync()["device_unused_fallback_key_types"] == [ALGORITHM]
    assert claim(bob, alice)[alice.user_id][alice.device_id] == one_time("a")
    assert alice.sync()["device_unused_fallback_key_types"] == [ALGORITHM]
    for _ in range(2):
        assert claim(bob, alice)[alice.user_id][alice.device_id] == fallback
        assert alice.sync()["device_unused_fallback_key_types"] == []
    alice.post("/keys/upload", {"fallback_keys": fallback})
    assert alice.sync()["device_unused_fallback_key_types"] == [], "it has been used, and is the same"
    alice.post("/keys/upload", {"fallback_keys": {f"{ALGORITHM}:g": signed("g")}})
    assert alice.sync()["device_unused_fallback_key_types"] == [ALGORITHM]
    assert list(claim(bob, alice)[alice.user_id][alice.device_id]) == [f"{ALGORITHM}:g"]


def test_many_who_claim_at_once_get_different_keys(server: Running) -> None:
    alice = server.register("alice")
    others = [server.register("other") for _ in range(10)]
    names = [f"k{number:02}" for number in range(45)]
    alice.post("/keys/upload", {"one_time_keys": one_time(*names)})
    with ThreadPoolExecutor(10) as threads:
        claims = [threads.submit(claim, others[number % 10], alice) for number in range(50)]
        given = [key for done in claims for key in done.result().get(alice.user_id, {}).values()]
    assert sorted(name for key in given for name in key) == [f"{ALGORITHM}:{name}" for name in names]


def test_keys_are_there_after_a_restart_and_those_that_were_given_are_not(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice, bob = server.register("alice"), server.register("bob")
        alice.post("/keys/upload", {"device_keys": identity(alice), "one_time_keys": one_time("a", "b")})
        assert claim(bob, alice)[alice.user_id][alice.device_id] == one_time("a")
    with running(tmp_path) as server:
        alice, bob = (
            Person(server.url, person.user_id, person.device_id, person.token) for person in (alice, bob)
        )
        assert alice.sync()["device_one_time_keys_count"] == {ALGORITHM: 1}
        assert claim(bob, alice)[alice.user_id][alice.device_id] == one_time("b")
        assert claim(bob, alice) == {}
        keys = bob.post("/keys/query", {"device_keys": {alice.user_id: []}})["device_keys"]
        assert list(keys[alice.user_id]) == [alice.device_id]
        for person in (alice, bob):
            person.http.close()


def test_a_waiting_client_has_its_counts_told(alice: Person, bob: Person) -> None:
    since = alice.sync()["next_batch"]
    alice.post("/keys/upload", {"one_time_keys": one_time("a", "b")})
    assert alice.sync(since)["device_one_time_keys_count"] == {ALGORITHM: 2}
    claim(bob, alice)
    assert alice.sync(since)["device_one_time_keys_count"] == {ALGORITHM: 1}
    assert bob.sync()["device_one_time_keys_count"] == {}


def test_keys_go_with_their_device(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    tablet = server.log_in(alice, device_id="TABLET")
    upload = {"device_keys": identity(tablet), "one_time_keys": one_time("a")}
    tablet.post("/keys/upload", {**upload, "fallback_keys": {f"{ALGORITHM}:f": signed("f")}})
    tablet.post("/logout")
    assert bob.post("/keys/query", {"device_keys": {alice.user_id: []}})["device_keys"] == {alice.user_id: {}}
    assert claim(bob, tablet) == {}
    again = server.log_in(alice, device_id="TABLET")
    assert again.sync()["device_one_time_keys_count"] == {}
    assert claim(bob, again) == {}


def test_who_shares_an_encrypted_room_is_told_of_new_keys(alice: Person, bob: Person, carol: Person) -> None:
    share_encrypted_room(alice, bob)
    before = bob.sync()["next_batch"]
    strangers = carol.sync()["next_batch"]
    alice.post("/keys/upload", {"device_keys": identity(alice)})
    answer = bob.sync(before, timeout=20_000)
    assert answer["device_lists"] == {"changed": [alice.user_id], "left": []}
    assert "device_lists" not in carol.sync(strangers)
    after = answer["next_batch"]
    changes = bob.get("/keys/changes", **{"from": before, "to": after})
    assert changes == {"changed": [alice.user_id], "left": []}
    assert bob.get("/keys/changes", **{"from": after, "to": after}) == {"changed": [], "left": []}
    alice.post("/keys/upload", {"device_keys": identity(alice)})
    assert "device_lists" not in bob.sync(after), "they are the same"


def test_who_leaves_the_last_encrypted_room_is_told_by_keys_changes(alice: Person, bob: Person) -> None:
    room_id = share_encrypted_room(alice, bob)
    before = bob.sync()["next_batch"]
    alice.post(f"/rooms/{room_id}/leave", {})
    after = bob.sync(before)["next_batch"]
    changes = bob.get("/keys/changes", **{"from": before, "to": after})
    assert changes == {"changed": [], "left": [alice.user_id]}


@pytest.mark.parametrize(
    ("wrong", "errcode"),
    [
        ({"user_id": "@other:hamrasan.test"}, "M_INVALID_PARAM"),
        ({"device_id": "OTHER"}, "M_INVALID_PARAM"),
        ({"algorithms": "none"}, "M_BAD_JSON"),
        ({"keys": {"ed25519:X": 1}}, "M_BAD_JSON"),
        ({"signatures": []}, "M_BAD_JSON"),
        ({"signatures": {"@x:y": {"ed25519:X": None}}}, "M_BAD_JSON"),
        ({"extra": "x" * 70_000}, "M_INVALID_PARAM"),
    ],
)
def test_identity_keys_without_their_form_are_refused(alice: Person, wrong: Any, errcode: str) -> None:
    refused(alice.request("POST", "/keys/upload", {"device_keys": identity(alice, **wrong)}), 400, errcode)
    answer = alice.post("/keys/query", {"device_keys": {alice.user_id: []}})
    assert answer["device_keys"] == {alice.user_id: {}}


@pytest.mark.parametrize("member", ["one_time_keys", "fallback_keys"])
@pytest.mark.parametrize(
    ("keys", "errcode"),
    [
        ({"noseparator": "k"}, "M_INVALID_PARAM"),
        ({"curve25519:": "k"}, "M_INVALID_PARAM"),
        ({":id": "k"}, "M_INVALID_PARAM"),
        ({"a" * 300 + ":id": "k"}, "M_INVALID_PARAM"),
        ({"curve25519:id": 7}, "M_BAD_JSON"),
        ({"signed_curve25519:id": {"signatures": {}}}, "M_BAD_JSON"),
        ({"curve25519:id": "k" * 9_000}, "M_INVALID_PARAM"),
    ],
)
def test_keys_without_their_form_are_refused(alice: Person, member: str, keys: Any, errcode: str) -> None:
    refused(alice.request("POST", "/keys/upload", {member: keys}), 400, errcode)
    assert alice.sync()["device_one_time_keys_count"] == {}


def test_a_name_is_used_for_one_key_only_and_there_is_a_limit(alice: Person) -> None:
    alice.post("/keys/upload", {"one_time_keys": one_time("a")})
    other = {f"{ALGORITHM}:a": signed("another")}
    refused(alice.request("POST", "/keys/upload", {"one_time_keys": other}), 400, "M_INVALID_PARAM")
    many = {f"curve25519:{number}": "k" for number in range(1_000)}
    refused(alice.request("POST", "/keys/upload", {"one_time_keys": many}), 400, "M_INVALID_PARAM")
    alice.post("/keys/upload", {"fallback_keys": {f"{ALGORITHM}:f": signed("f")}})
    two = {f"{ALGORITHM}:f": signed("f"), f"{ALGORITHM}:g": signed("g")}
    refused(alice.request("POST", "/keys/upload", {"fallback_keys": two}), 400, "M_INVALID_PARAM")
    assert alice.sync()["device_one_time_keys_count"] == {ALGORITHM: 1}
