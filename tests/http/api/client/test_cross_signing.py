"""Cross-signing: keys that vouch for devices and people, confirmed when they change, with signatures that are true."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api.client.test_keys import share_encrypted_room
from tests.running import PASSWORD, Person, Running, refused
from tests.signing_keys import Identity, Pair, device_keys, unsigned

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


# Signatures.


def test_who_sees_which_signature(server: Running) -> None:
    alice, bob, carol = (server.register(name) for name in ("alice", "bob", "carol"))
    one, other = Identity(alice).publish(), Identity(bob).publish()
    device = one.self_signing.sign(one.identity_keys, alice.user_id)
    by_device = one.device.sign(one.master_key, alice.user_id)
    assert sign(alice, {alice.user_id: {alice.device_id: device, one.master.public: by_device}}) == {}
    by_bob = other.user_signing.sign(one.master_key, bob.user_id)
    assert sign(bob, {alice.user_id: {one.master.public: by_bob}}) == {}

    for reader in (alice, bob, carol):
        assert query_device(reader, alice) == device
    assert query(alice, alice)["master_keys"][alice.user_id] == by_device
    assert query(carol, alice)["master_keys"][alice.user_id] == by_device
    both = {**by_device["signatures"], **by_bob["signatures"]}
    assert query(bob, alice)["master_keys"][alice.user_id]["signatures"] == both


def test_signatures_of_third_parties_in_published_keys_are_shown_to_themselves_only(
    alice: Person, bob: Person, carol: Person
) -> None:
    keys = Pair("X").sign(device_keys(alice, Pair(alice.device_id)), carol.user_id)
    alice.post("/keys/upload", {"device_keys": keys})
    assert query_device(carol, alice)["signatures"] == keys["signatures"]
    for reader in (alice, bob):
        assert query_device(reader, alice)["signatures"].keys() == {alice.user_id}


def test_everybody_concerned_hears_of_keys_and_signatures(alice: Person, bob: Person, carol: Person) -> None:
    share_encrypted_room(alice, bob)
    one, other = Identity(alice), Identity(bob).publish()
    people = {"alice": alice, "bob": bob, "carol": carol}
    since = {name: person.sync()["next_batch"] for name, person in people.items()}

    def told(**expected: list[Person]) -> None:
        for name, person in people.items():
            wanted = [each.user_id for each in expected.get(name, [])]
            answer = person.sync(since[name], timeout=20_000 if wanted else 0)
            assert answer.get("device_lists", {}).get("changed", []) == wanted, name
            token = answer["next_batch"]
            changes = person.get("/keys/changes", **{"from": since[name], "to": token})
            assert changes["changed"] == wanted
            since[name] = token

    one.publish()
    told(alice=[alice], bob=[alice])
    alice.post(SIGNING, one.keys)
    told()
    key = {"user_signing_key": one.key("user_signing", Pair(), one.master)}
    confirmed(alice, key)
    told(alice=[alice])
    signed = one.self_signing.sign(one.identity_keys, alice.user_id)
    sign(alice, {alice.user_id: {alice.device_id: signed}})
    told(alice=[alice], bob=[alice])
    sign(alice, {alice.user_id: {alice.device_id: signed}})
    told()
    sign(bob, {alice.user_id: {one.master.public: other.user_signing.sign(one.master_key, bob.user_id)}})
    told(bob=[alice])


def test_signatures_end_with_the_device_and_with_other_keys_of_it(server: Running) -> None:
    alice = server.register("alice")
    one = Identity(alice).publish()
    tablet = server.log_in(alice, device_id="TABLET")
    pair = Pair("TABLET")
    keys = device_keys(tablet, pair)
    tablet.post("/keys/upload", {"device_keys": keys})
    signed = one.self_signing.sign(keys, alice.user_id)
    by_tablet = pair.sign(one.master_key, alice.user_id)
    both = {alice.user_id: {"TABLET": signed, one.master.public: by_tablet}}
    assert sign(tablet, both) == {}
    assert query_device(alice, tablet) == signed
    assert query(alice, alice)["master_keys"][alice.user_id] == by_tablet

    # The same keys with fewer signatures do not take any away.
    tablet.post("/keys/upload", {"device_keys": {**keys, "signatures": {}}})
    assert query_device(alice, tablet)["signatures"] == {
        alice.user_id: {one.self_signing.id: signed["signatures"][alice.user_id][one.self_signing.id]}
    }
    other = device_keys(tablet, Pair("TABLET"))
    tablet.post("/keys/upload", {"device_keys": other})
    assert query_device(alice, tablet) == other
    assert query(alice, alice)["master_keys"][alice.user_id] == one.master_key

    tablet.post("/keys/upload", {"device_keys": keys})
    assert sign(tablet, both) == {}
    tablet.post("/logout")
    assert query(alice, alice)["master_keys"][alice.user_id] == one.master_key
    again = server.log_in(alice, device_id="TABLET")
    again.post("/keys/upload", {"device_keys": keys})
    assert query_device(alice, again) == keys


def test_deactivation_forgets_keys_and_signatures(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    one, other = Identity(alice).publish(), Identity(bob).publish()
    sign(bob, {alice.user_id: {one.master.public: other.user_signing.sign(one.master_key, bob.user_id)}})
    sign(alice, {bob.user_id: {other.master.public: one.user_signing.sign(other.master_key, alice.user_id)}})
    asked = alice.request("POST", "/account/deactivate", {}).json()
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    alice.post("/account/deactivate", {"auth": {**auth, "session": asked["session"]}})
    database = server.server.store.database
    left = True
    for _ in range(100):
        bob.sync()
        tables = ("cross_signing_keys", "key_signatures", "signature_news")
        rows = [row for table in tables for row in server.run(all_rows(database, table))]
        left = any(alice.user_id in row for row in rows)
        if not left:
            break
    assert not left
    assert query(bob, alice, bob)["master_keys"] == {bob.user_id: other.master_key}


async def all_rows(database: Any, table: str) -> Any:
    queries = {
        "cross_signing_keys": "SELECT user_id FROM cross_signing_keys",
        "key_signatures": "SELECT user_id, signer FROM key_signatures",
        "signature_news": "SELECT user_id, about_user_id FROM signature_news",
    }
    return database.rows(queries[table])


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


def own(one: Identity, key_id: str, value: Any) -> dict[str, Any]:
    return {one.user_id: {key_id: value}}


WRONG_SIGNATURES: dict[str, tuple[Any, str]] = {
    "an unknown device": (
        lambda one, other: own(one, "OTHER", one.self_signing.sign(one.identity_keys, one.user_id)),
        "M_NOT_FOUND",
    ),
    "an unknown key": (
        lambda one, other: own(one, Pair().public, one.device.sign(one.master_key, one.user_id)),
        "M_NOT_FOUND",
    ),
    "the self-signing key": (
        lambda one, other: own(
            one, one.self_signing.public, one.device.sign(one.keys["self_signing_key"], one.user_id)
        ),
        "M_NOT_FOUND",
    ),
    "no signatures": (
        lambda one, other: own(one, one.person.device_id, unsigned(one.identity_keys)),
        "M_INVALID_SIGNATURE",
    ),
    "signatures a list": (
        lambda one, other: own(one, one.person.device_id, {**one.identity_keys, "signatures": []}),
        "M_INVALID_SIGNATURE",
    ),
    "signatures of nobody": (
        lambda one, other: own(
            one, one.person.device_id, {**one.identity_keys, "signatures": {one.user_id: None}}
        ),
        "M_INVALID_SIGNATURE",
    ),
    "a signature that is a number": (
        lambda one, other: own(
            one, one.person.device_id, forged(one.identity_keys, one.user_id, one.self_signing.id, 5)
        ),
        "M_INVALID_SIGNATURE",
    ),
    "a forged signature": (
        lambda one, other: own(
            one, one.person.device_id, forged(one.identity_keys, one.user_id, one.self_signing.id)
        ),
        "M_INVALID_SIGNATURE",
    ),
    "a short signature": (
        lambda one, other: own(
            one,
            one.person.device_id,
            forged(one.identity_keys, one.user_id, one.self_signing.id, "AAAA"),
        ),
        "M_INVALID_SIGNATURE",
    ),
    "a device signed by the master key": (
        lambda one, other: own(
            one, one.person.device_id, one.master.sign(unsigned(one.identity_keys), one.user_id)
        ),
        "M_INVALID_SIGNATURE",
    ),
    "a device signed by itself": (
        lambda one, other: own(one, one.person.device_id, one.identity_keys),
        "M_INVALID_SIGNATURE",
    ),
    "a changed device": (
        lambda one, other: own(
            one,
            one.person.device_id,
            one.self_signing.sign({**one.identity_keys, "algorithms": []}, one.user_id),
        ),
        "M_INVALID_PARAM",
    ),
    "a device with a fraction": (
        lambda one, other: own(one, one.person.device_id, {**one.identity_keys, "algorithms": [1.5]}),
        "M_BAD_JSON",
    ),
    "another device": (
        lambda one, other: own(
            one, one.person.device_id, one.self_signing.sign(other.identity_keys, one.user_id)
        ),
        "M_INVALID_PARAM",
    ),
    "the master key signed by the self-signing key": (
        lambda one, other: own(one, one.master.public, one.self_signing.sign(one.master_key, one.user_id)),
        "M_INVALID_SIGNATURE",
    ),
    "the master key signed by an unknown device": (
        lambda one, other: own(one, one.master.public, Pair("OTHER").sign(one.master_key, one.user_id)),
        "M_INVALID_SIGNATURE",
    ),
    "the master key signed by another key of the device's name": (
        lambda one, other: own(
            one, one.master.public, Pair(one.person.device_id).sign(one.master_key, one.user_id)
        ),
        "M_INVALID_SIGNATURE",
    ),
    "the other's device": (
        lambda one, other: {
            other.user_id: {other.person.device_id: one.user_signing.sign(other.identity_keys, one.user_id)}
        },
        "M_NOT_FOUND",
    ),
    "the other's self-signing key": (
        lambda one, other: {
            other.user_id: {
                other.self_signing.public: one.user_signing.sign(other.keys["self_signing_key"], one.user_id)
            }
        },
        "M_NOT_FOUND",
    ),
    "the other's master key, signed by the master key": (
        lambda one, other: {
            other.user_id: {other.master.public: one.master.sign(other.master_key, one.user_id)}
        },
        "M_INVALID_SIGNATURE",
    ),
    "the other's master key, changed": (
        lambda one, other: {
            other.user_id: {
                other.master.public: one.user_signing.sign({**other.master_key, "x": 1}, one.user_id)
            }
        },
        "M_INVALID_PARAM",
    ),
    "the other's master key, signed in their name": (
        lambda one, other: {
            other.user_id: {other.master.public: other.master.sign(other.master_key, other.user_id)}
        },
        "M_INVALID_SIGNATURE",
    ),
    "a user who is not here": (
        lambda one, other: {"@nobody:hamrasan.test": {other.master.public: other.master_key}},
        "M_NOT_FOUND",
    ),
    "a user of another server": (
        lambda one, other: {"@x:elsewhere.example": {other.master.public: other.master_key}},
        "M_NOT_FOUND",
    ),
}


@pytest.mark.parametrize("case", WRONG_SIGNATURES)
def test_wrong_signatures_fail_each_for_itself(alice: Person, bob: Person, case: str) -> None:
    one, other = Identity(alice).publish(), Identity(bob).publish()
    make, errcode = WRONG_SIGNATURES[case]
    wrong = make(one, other)
    [(user_id, keys)] = wrong.items()
    [key_id] = keys
    right = one.device.sign(one.master_key, alice.user_id)
    together = {**wrong, alice.user_id: {one.master.public: right, **wrong.get(alice.user_id, {})}}
    before = query(alice, alice, bob)
    failure = sign(alice, together)
    assert list(failure) == [user_id]
    assert list(failure[user_id]) == [key_id]
    assert failure[user_id][key_id]["errcode"] == errcode, failure
    assert failure[user_id][key_id]["error"]
    after = query(alice, alice, bob)
    if key_id != one.master.public:
        assert after["master_keys"].pop(alice.user_id) == right
        before["master_keys"].pop(alice.user_id)
    assert after == before


def test_one_without_keys_cannot_sign(alice: Person, bob: Person) -> None:
    other = Identity(bob).publish()
    pair = Pair()
    signed = {bob.user_id: {other.master.public: pair.sign(other.master_key, alice.user_id)}}
    assert sign(alice, signed)[bob.user_id][other.master.public]["errcode"] == "M_NOT_FOUND"
    keys = device_keys(alice, Pair(alice.device_id))
    alice.post("/keys/upload", {"device_keys": keys})
    signed = {alice.user_id: {alice.device_id: pair.sign(keys, alice.user_id)}}
    assert sign(alice, signed)[alice.user_id][alice.device_id]["errcode"] == "M_NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"alice": {}}, "M_INVALID_PARAM"),
        ({"@alice:x.org": []}, "M_BAD_JSON"),
        ({"@alice:x.org": {"KEY": "x"}}, "M_BAD_JSON"),
        ({"@alice:x.org": {str(number): {} for number in range(1_001)}}, "M_INVALID_PARAM"),
    ],
)
def test_signatures_without_their_form_are_refused(alice: Person, body: Any, errcode: str) -> None:
    refused(alice.request("POST", SIGNATURES, body), 400, errcode)


def test_clients_are_told_that_there_is_cross_signing(server: Running) -> None:
    with server.anonymous() as http:
        features = http.get("/_matrix/client/versions").json()["unstable_features"]
    assert features["org.matrix.e2e_cross_signing"]
    assert features["org.matrix.msc3967"]
