"""Signatures on keys: true ones only, shown to whom they concern, and gone with the keys that made them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api.client.test_cross_signing import (
    SIGNATURES,
    SIGNING,
    confirmed,
    forged,
    query,
    query_device,
    sign,
)
from tests.http.api.client.test_keys import share_encrypted_room
from tests.running import PASSWORD, Person, Running, refused
from tests.signing_keys import Identity, Pair, device_keys, unsigned


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
    one = Identity(alice)
    alice.post(SIGNING, {"master_key": Pair("X").sign(one.master_key, carol.user_id)})
    assert query(carol, alice)["master_keys"][alice.user_id]["signatures"] == {}
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
