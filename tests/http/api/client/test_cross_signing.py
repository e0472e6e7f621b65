"""Cross-signing: keys that vouch for devices and people, confirmed when they change, with signatures that are true."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running import PASSWORD, Person, Running, refused
from tests.signing_keys import Identity, Pair

SIGNING = "/keys/device_signing/upload"
SIGNATURES = "/keys/signatures/upload"


def query(person: Person, *others: Person) -> Any:
    return person.post("/keys/query", {"device_keys": {other.user_id: [] for other in others}})


def sign(person: Person, signed: dict[str, Any]) -> Any:
    return person.post(SIGNATURES, signed)["failures"]


def confirmed(person: Person, keys: dict[str, Any]) -> Any:
    """Publish keys that need a confirmation with the password."""
    asked = person.request("POST", SIGNING, keys)
    assert asked.status_code == 401, asked.text
    assert asked.json()["flows"] == [{"stages": ["m.login.password"]}]
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": PASSWORD,
        "session": asked.json()["session"],
    }
    return person.post(SIGNING, {**keys, "auth": auth})


def test_keys_are_shown_as_they_were_published_and_the_user_signing_key_to_its_owner_only(
    alice: Person, bob: Person
) -> None:
    one = Identity(alice).publish()
    assert query(alice, alice) == {
        "device_keys": {alice.user_id: {alice.device_id: query_device(alice, alice)}},
        "master_keys": {alice.user_id: one.keys["master_key"]},
        "self_signing_keys": {alice.user_id: one.keys["self_signing_key"]},
        "user_signing_keys": {alice.user_id: one.keys["user_signing_key"]},
        "failures": {},
    }
    seen = query(bob, alice, bob)
    assert seen["master_keys"] == {alice.user_id: one.keys["master_key"]}
    assert seen["self_signing_keys"] == {alice.user_id: one.keys["self_signing_key"]}
    assert seen["user_signing_keys"] == {}


def query_device(person: Person, owner: Person) -> Any:
    return query(person, owner)["device_keys"][owner.user_id][owner.device_id]


def test_the_first_keys_and_the_same_again_need_no_confirmation(alice: Person) -> None:
    one = Identity(alice)
    assert alice.post(SIGNING, one.keys) == {}
    assert alice.post(SIGNING, one.keys) == {}
    part = {"self_signing_key": one.keys["self_signing_key"]}
    assert alice.post(SIGNING, part) == {}
    assert alice.post(SIGNING, {}) == {}


@pytest.mark.parametrize("which", ["master_key", "self_signing_key", "user_signing_key"])
def test_other_keys_are_kept_only_once_they_are_confirmed(alice: Person, which: str) -> None:
    one = Identity(alice).publish()
    before = query(alice, alice)
    other = Identity(alice)
    if which != "master_key":
        other.master = one.master
    keys = other.keys if which == "master_key" else {which: other.keys[which]}
    assert alice.request("POST", SIGNING, keys).status_code == 401
    assert query(alice, alice) == before
    assert confirmed(alice, keys) == {}
    after = query(alice, alice)
    for name, key in keys.items():
        assert after[f"{name}s"] == {alice.user_id: key}
    others = {name for name in one.keys if name not in keys}
    assert all(after[f"{name}s"] == before[f"{name}s"] for name in others)


def test_a_confirmation_is_for_the_keys_that_were_shown(alice: Person) -> None:
    Identity(alice).publish()
    first, second = Identity(alice).keys, Identity(alice).keys
    session = alice.request("POST", SIGNING, first).json()["session"]
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {
        "type": "m.login.password",
        "identifier": identifier,
        "password": PASSWORD,
        "session": session,
    }
    refused(alice.request("POST", SIGNING, {**second, "auth": auth}), 403, "M_FORBIDDEN")
    wrong = alice.request("POST", SIGNING, {**first, "auth": {**auth, "password": "wrong"}})
    assert (wrong.status_code, wrong.json()["errcode"]) == (401, "M_FORBIDDEN")
    assert alice.post(SIGNING, {**first, "auth": auth}) == {}
    assert query(alice, alice)["master_keys"] == {alice.user_id: first["master_key"]}


def test_a_new_master_key_takes_with_it_what_the_former_one_signed(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    one, other = Identity(alice).publish(), Identity(bob).publish()
    device = one.self_signing.sign(one.identity_keys, alice.user_id)
    theirs = other.user_signing.sign(one.master_key, bob.user_id)
    assert sign(alice, {alice.user_id: {alice.device_id: device}}) == {}
    assert sign(bob, {alice.user_id: {one.master.public: theirs}}) == {}
    new = Identity(alice)
    confirmed(alice, {"master_key": new.master_key})
    seen = query(alice, alice)
    assert seen["master_keys"] == {alice.user_id: new.master_key}
    assert (seen["self_signing_keys"], seen["user_signing_keys"]) == ({}, {})
    assert query_device(alice, alice)["signatures"] == one.identity_keys["signatures"]
    assert "signatures" not in query(bob, alice)["master_keys"][alice.user_id]
    # The same self-signing key again, signed by the new one: what it signed is signed again.
    again = {"self_signing_key": new.key("self_signing", one.self_signing, new.master)}
    confirmed(alice, again)
    assert query(alice, alice)["self_signing_keys"] == {alice.user_id: again["self_signing_key"]}
    assert sign(alice, {alice.user_id: {alice.device_id: device}}) == {}
    assert query_device(bob, alice)["signatures"] == device["signatures"]


def test_a_master_key_may_come_with_a_signature_of_a_device_if_it_is_true(alice: Person, bob: Person) -> None:
    one = Identity(alice)
    alice.post("/keys/upload", {"device_keys": one.identity_keys})
    wrong = Pair(alice.device_id).sign(one.master_key, alice.user_id)
    refused(alice.request("POST", SIGNING, {"master_key": wrong}), 400, "M_INVALID_SIGNATURE")
    assert query(bob, alice)["master_keys"] == {}
    right = one.device.sign(one.master_key, alice.user_id)
    alice.post(SIGNING, {"master_key": right})
    assert query(bob, alice)["master_keys"] == {alice.user_id: right}


def test_no_key_without_a_master_key(alice: Person) -> None:
    keys = Identity(alice).keys
    del keys["master_key"]
    refused(alice.request("POST", SIGNING, keys), 400, "M_MISSING_PARAM")
    refused(alice.request("POST", SIGNING, {}), 400, "M_MISSING_PARAM")
    assert query(alice, alice)["self_signing_keys"] == {}


def test_a_key_and_a_device_cannot_have_the_same_id(server: Running) -> None:
    alice = server.register("alice")
    one = Identity(alice)
    server.log_in(alice, device_id=one.self_signing.public)
    refused(alice.request("POST", SIGNING, one.keys), 403, "M_FORBIDDEN")
    assert query(alice, alice)["master_keys"] == {}
    other = Identity(alice).publish()
    with server.anonymous() as http:
        identifier = {"type": "m.id.user", "user": alice.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        wanted = {**body, "device_id": other.master.public}
        refused(http.post("/_matrix/client/v3/login", json=wanted), 403, "M_FORBIDDEN")


# What is malformed.

WRONG_KEYS: dict[str, tuple[Any, str]] = {
    "no object": (lambda one: {"master_key": "key"}, "M_BAD_JSON"),
    "an array": (lambda one: {"master_key": [one.master_key]}, "M_BAD_JSON"),
    "no user": (lambda one: {"master_key": without(one.master_key, "user_id")}, "M_INVALID_PARAM"),
    "another user": (lambda one: {"master_key": {**one.master_key, "user_id": "@x:y"}}, "M_INVALID_PARAM"),
    "no usage": (lambda one: {"master_key": without(one.master_key, "usage")}, "M_BAD_JSON"),
    "usage a string": (lambda one: {"master_key": {**one.master_key, "usage": "master"}}, "M_BAD_JSON"),
    "usage of numbers": (lambda one: {"master_key": {**one.master_key, "usage": [1]}}, "M_BAD_JSON"),
    "another usage": (
        lambda one: {"master_key": {**one.master_key, "usage": ["user_signing"]}},
        "M_INVALID_PARAM",
    ),
    "no usage at all": (lambda one: {"master_key": {**one.master_key, "usage": []}}, "M_INVALID_PARAM"),
    "no keys": (lambda one: {"master_key": without(one.master_key, "keys")}, "M_BAD_JSON"),
    "keys a list": (lambda one: master_with(one, []), "M_BAD_JSON"),
    "keys empty": (lambda one: master_with(one, {}), "M_INVALID_PARAM"),
    "two keys": (lambda one: master_with(one, {p.id: p.public for p in (Pair(), Pair())}), "M_INVALID_PARAM"),
    "key a number": (lambda one: master_with(one, {"ed25519:x": 5}), "M_BAD_JSON"),
    "key under another name": (lambda one: master_with(one, {"ed25519:x": Pair().public}), "M_INVALID_PARAM"),
    "another algorithm": (
        lambda one: master_with(one, {f"curve25519:{one.master.public}": one.master.public}),
        "M_INVALID_PARAM",
    ),
    "no Base64": (lambda one: master_with(one, {"ed25519:~": "~"}), "M_INVALID_PARAM"),
    "key too short": (lambda one: master_with(one, {"ed25519:AAAA": "AAAA"}), "M_INVALID_PARAM"),
    "key padded": (
        lambda one: master_with(one, {f"{one.master.id}=": f"{one.master.public}="}),
        "M_INVALID_PARAM",
    ),
    "key URL-safe": (
        lambda one: master_with(one, {"ed25519:" + "_" * 42 + "8": "_" * 42 + "8"}),
        "M_INVALID_PARAM",
    ),
    "signatures a string": (lambda one: {"master_key": {**one.master_key, "signatures": "s"}}, "M_BAD_JSON"),
    "signatures null": (lambda one: {"master_key": {**one.master_key, "signatures": None}}, "M_BAD_JSON"),
    "signer a list": (
        lambda one: {"master_key": {**one.master_key, "signatures": {one.user_id: []}}},
        "M_BAD_JSON",
    ),
    "signature a number": (
        lambda one: {"master_key": {**one.master_key, "signatures": {one.user_id: {"ed25519:x": 1}}}},
        "M_BAD_JSON",
    ),
    "a fraction": (lambda one: {"master_key": {**one.master_key, "extra": 1.5}}, "M_BAD_JSON"),
    "too large": (lambda one: {"master_key": {**one.master_key, "extra": "x" * 9_000}}, "M_INVALID_PARAM"),
    "signed wrongly by itself": (
        lambda one: {"master_key": {**forged(one.master_key, one.user_id, one.master.id)}},
        "M_INVALID_SIGNATURE",
    ),
    "self-signing key not signed": (
        lambda one: {**one.keys, "self_signing_key": one.key("self_signing", one.self_signing)},
        "M_INVALID_SIGNATURE",
    ),
    "self-signing key signed by another": (
        lambda one: {**one.keys, "self_signing_key": one.key("self_signing", one.self_signing, Pair())},
        "M_INVALID_SIGNATURE",
    ),
    "self-signing key signed by itself": (
        lambda one: {
            **one.keys,
            "self_signing_key": one.key("self_signing", one.self_signing, one.self_signing),
        },
        "M_INVALID_SIGNATURE",
    ),
    "self-signing key with a forged signature": (
        lambda one: {
            **one.keys,
            "self_signing_key": forged(one.key("self_signing", one.self_signing), one.user_id, one.master.id),
        },
        "M_INVALID_SIGNATURE",
    ),
    "changed after signing": (
        lambda one: {**one.keys, "user_signing_key": {**one.keys["user_signing_key"], "extra": 1}},
        "M_INVALID_SIGNATURE",
    ),
    "signed in the name of another": (
        lambda one: {
            **one.keys,
            "user_signing_key": one.master.sign(one.key("user_signing", one.user_signing), "@x:y"),
        },
        "M_INVALID_SIGNATURE",
    ),
    "signature too short": (
        lambda one: {
            **one.keys,
            "user_signing_key": forged(
                one.key("user_signing", one.user_signing), one.user_id, one.master.id, "AAAA"
            ),
        },
        "M_INVALID_SIGNATURE",
    ),
    "signature no Base64": (
        lambda one: {
            **one.keys,
            "user_signing_key": forged(
                one.key("user_signing", one.user_signing), one.user_id, one.master.id, "~~~~"
            ),
        },
        "M_INVALID_SIGNATURE",
    ),
}


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def master_with(one: Identity, keys: Any) -> dict[str, Any]:
    return {"master_key": {**one.master_key, "keys": keys}}


def forged(key: dict[str, Any], signer: str, key_id: str, signature: Any = "A" * 86) -> dict[str, Any]:
    return {**key, "signatures": {signer: {key_id: signature}}}


@pytest.mark.parametrize("case", WRONG_KEYS)
def test_malformed_and_unsigned_keys_are_refused(alice: Person, case: str) -> None:
    make, errcode = WRONG_KEYS[case]
    refused(alice.request("POST", SIGNING, make(Identity(alice))), 400, errcode)
    seen = query(alice, alice)
    assert (seen["master_keys"], seen["self_signing_keys"], seen["user_signing_keys"]) == ({}, {}, {})


def test_clients_are_told_that_there_is_cross_signing(server: Running) -> None:
    with server.anonymous() as http:
        features = http.get("/_matrix/client/versions").json()["unstable_features"]
    assert features["org.matrix.e2e_cross_signing"]
    assert features["org.matrix.msc3967"]
