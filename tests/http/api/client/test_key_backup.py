"""Backups of room keys: versions, keys one by one and in batches, and which of two keys is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.running import PASSWORD, Person, Running, refused, running

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
AUTH = {"public_key": "abc", "signatures": {}}
KEYS = "/room_keys/keys"


def begin(person: Person) -> str:
    version: str = person.post("/room_keys/version", {"algorithm": ALGORITHM, "auth_data": AUTH})["version"]
    return version


def key(text: str = "sealed", index: int = 0, forwarded: int = 0, verified: bool = False) -> dict[str, Any]:
    return {
        "first_message_index": index,
        "forwarded_count": forwarded,
        "is_verified": verified,
        "session_data": {"ciphertext": text},
    }


def rooms(**sessions: dict[str, Any]) -> dict[str, Any]:
    """Return the form of several rooms' keys."""
    return {"rooms": {f"!{room}:x": {"sessions": keys} for room, keys in sessions.items()}}


def test_a_backup_is_made_described_and_replaced(alice: Person) -> None:
    refused(alice.request("GET", "/room_keys/version"), 404, "M_NOT_FOUND")
    first = begin(alice)
    described = {"algorithm": ALGORITHM, "auth_data": AUTH, "count": 0, "etag": "0", "version": first}
    assert alice.get("/room_keys/version") == described
    changed = {"algorithm": ALGORITHM, "auth_data": {"public_key": "xyz"}}
    assert alice.put(f"/room_keys/version/{first}", {**changed, "version": first}) == {}
    assert alice.get(f"/room_keys/version/{first}")["auth_data"] == {"public_key": "xyz"}
    second = begin(alice)
    assert second != first
    assert alice.get("/room_keys/version")["version"] == second
    assert alice.get(f"/room_keys/version/{first}")["version"] == first
    assert alice.delete(f"/room_keys/version/{second}") == {}
    assert alice.delete(f"/room_keys/version/{second}") == {}, "it is gone, as was asked"
    assert alice.get("/room_keys/version")["version"] == first
    refused(alice.request("GET", f"/room_keys/version/{second}"), 404, "M_NOT_FOUND")
    assert begin(alice) not in (first, second), "a version is never given again"


def test_keys_go_in_and_come_out_in_every_form(alice: Person) -> None:
    version = {"version": begin(alice)}
    assert alice.put(f"{KEYS}/!a:x/s1", key("1"), **version) == {"etag": "1", "count": 1}
    assert alice.put(f"{KEYS}/!a:x", {"sessions": {"s2": key("2")}}, **version) == {"etag": "2", "count": 2}
    more = rooms(b={"s1": key("3"), "s3": key("4")}, c={"s/5": key("5")})
    assert alice.put(KEYS, more, **version) == {"etag": "3", "count": 5}
    assert alice.get(f"{KEYS}/!a:x/s1", **version) == key("1")
    assert alice.get(f"{KEYS}/!c:x/s%2F5", **version) == key("5")
    assert alice.get(f"{KEYS}/!a:x", **version) == {"sessions": {"s1": key("1"), "s2": key("2")}}
    everything = rooms(
        a={"s1": key("1"), "s2": key("2")}, b={"s1": key("3"), "s3": key("4")}, c={"s/5": key("5")}
    )
    assert alice.get(KEYS, **version) == everything
    assert alice.get("/room_keys/version")["count"] == 5
    assert alice.delete(f"{KEYS}/!b:x/s1", **version) == {"etag": "4", "count": 4}
    assert alice.delete(f"{KEYS}/!b:x/s1", **version) == {"etag": "4", "count": 4}
    assert alice.delete(f"{KEYS}/!a:x", **version) == {"etag": "5", "count": 2}
    assert alice.delete(KEYS, **version) == {"etag": "6", "count": 0}
    assert alice.get(KEYS, **version) == {"rooms": {}}
    assert alice.get(f"{KEYS}/!a:x", **version) == {"sessions": {}}
    refused(alice.request("GET", f"{KEYS}/!a:x/s1", **version), 404, "M_NOT_FOUND")


def test_many_keys_come_out_as_they_went_in(alice: Person) -> None:
    version = {"version": begin(alice)}
    everything = rooms(
        a={f"s{number:04}": key(str(number)) for number in range(1_200)},
        b={f"s{number:04}": key(str(number)) for number in range(500)},
    )
    assert alice.put(KEYS, everything, **version)["count"] == 1_700
    assert alice.get(KEYS, **version) == everything
    assert alice.get(f"{KEYS}/!a:x", **version) == everything["rooms"]["!a:x"]
    assert alice.put(KEYS, everything, **version) == {"etag": "1", "count": 1_700}, "nothing is new"


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        (key(index=5), key(index=4), True),
        (key(index=5), key(index=6), False),
        (key(index=5), key(index=9, verified=True), True),
        (key(index=5, verified=True), key(index=1), False),
        (key(forwarded=2), key(forwarded=1), True),
        (key(forwarded=2), key(forwarded=2), False),
        (key(index=1, forwarded=0), key(index=0, forwarded=9), True),
    ],
)
def test_the_better_key_is_kept(alice: Person, old: Any, new: Any, replaced: bool) -> None:
    version = {"version": begin(alice)}
    old, new = ({**each, "session_data": {"c": name}} for each, name in ((old, "old"), (new, "new")))
    alice.put(f"{KEYS}/!a:x/s", old, **version)
    answer = alice.put(f"{KEYS}/!a:x/s", new, **version)
    assert answer == {"etag": "2" if replaced else "1", "count": 1}
    assert alice.get(f"{KEYS}/!a:x/s", **version) == (new if replaced else old)


def test_keys_go_into_the_current_backup_only(alice: Person) -> None:
    path = f"{KEYS}/!a:x/s"
    refused(alice.request("PUT", path, key(), version="1"), 404, "M_NOT_FOUND")
    first, second = begin(alice), begin(alice)
    for version in (first, "999", "none"):
        answer = alice.request("PUT", path, key(), version=version)
        assert refused(answer, 403, "M_WRONG_ROOM_KEYS_VERSION")["current_version"] == second
    refused(alice.request("PUT", path, key()), 400, "M_MISSING_PARAM")
    refused(alice.request("GET", KEYS, version="999"), 404, "M_NOT_FOUND")
    refused(alice.request("DELETE", KEYS, version="999"), 404, "M_NOT_FOUND")
    refused(alice.request("DELETE", "/room_keys/version/999"), 404, "M_NOT_FOUND")


def test_a_backup_is_its_owners(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    version = begin(alice)
    alice.put(f"{KEYS}/!a:x/s", key(), version=version)
    refused(bob.request("GET", KEYS, version=version), 404, "M_NOT_FOUND")
    assert begin(bob) == version, "each user counts for themselves"
    assert bob.get(KEYS, version=version) == {"rooms": {}}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        (key(index=-1), "M_BAD_JSON"),
        ({**key(), "is_verified": "yes"}, "M_BAD_JSON"),
        ({**key(), "session_data": "text"}, "M_BAD_JSON"),
        (key("x" * 20_000), "M_INVALID_PARAM"),
    ],
)
def test_keys_without_their_form_are_refused(alice: Person, body: Any, errcode: str) -> None:
    version = begin(alice)
    refused(alice.request("PUT", f"{KEYS}/!a:x/s", body, version=version), 400, errcode)
    assert alice.get("/room_keys/version")["count"] == 0


def test_descriptions_without_their_form_are_refused(alice: Person) -> None:
    for body in ({"algorithm": ALGORITHM}, {"auth_data": AUTH}):
        refused(alice.request("POST", "/room_keys/version", body), 400, "M_MISSING_PARAM")
    for algorithm in ("", "org.example.other"):
        unknown = {"algorithm": algorithm, "auth_data": AUTH}
        refused(alice.request("POST", "/room_keys/version", unknown), 400, "M_INVALID_PARAM")
    version = begin(alice)
    for wrong in (
        {"algorithm": "other", "auth_data": AUTH},
        {"algorithm": ALGORITHM, "auth_data": {}, "version": "9"},
    ):
        refused(alice.request("PUT", f"/room_keys/version/{version}", wrong), 400, "M_INVALID_PARAM")
    assert alice.get("/room_keys/version")["auth_data"] == AUTH


def test_a_backup_outlives_restarts_and_ends_with_the_account(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice = server.register("alice")
        version = begin(alice)
        alice.put(f"{KEYS}/!a:x/s", key(), version=version)
    with running(tmp_path) as server:
        back = Person(server.url, alice.user_id, alice.device_id, alice.token)
        assert back.get(KEYS, version=version) == rooms(a={"s": key()})
        identifier = {"type": "m.id.user", "user": back.user_id}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        session = back.request("POST", "/account/deactivate", {}).json()["session"]
        back.post("/account/deactivate", {"auth": {**auth, "session": session}})
        store = server.server.store
        while server.run(store.accounts.departing()):
            pass  # each look is a turn of the server's loop; the test's time limit ends a wait in vain
        assert server.run(store.key_backups.last_version(alice.user_id)) == 0
        assert server.run(store.key_backups.count(alice.user_id, 1)) == 0
        back.http.close()
