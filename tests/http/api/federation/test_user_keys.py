"""Keys of users for other servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.federation.visitors import Visitor
from tests.running import Person, answered, refused
from tests.signing_keys import Identity

ALGORITHM = "signed_curve25519"


def query(visitor: Visitor, **wanted: Any) -> Any:
    return answered(visitor.request("POST", "/user/keys/query", {"device_keys": wanted}))


def claim(visitor: Visitor, person: Person) -> Any:
    wanted = {person.user_id: {person.device_id: ALGORITHM}}
    answer = answered(visitor.request("POST", "/user/keys/claim", {"one_time_keys": wanted}))
    return answer["one_time_keys"]


def test_keys_that_everybody_may_see_are_given(alice: Person, bob: Person, there: Visitor) -> None:
    identity, other = Identity(alice).publish(), Identity(bob).publish()
    # What Bob says of Alice's key is between the two.
    signed = other.user_signing.sign(identity.master_key, bob.user_id)
    bob.post("/keys/signatures/upload", {alice.user_id: {identity.master.public: signed}})
    alice.put(f"/devices/{alice.device_id}", {"display_name": "Alice's phone"})
    answer = query(there, **{alice.user_id: [], there.user("own"): [], "@nobody:here.test": []})
    assert answer["device_keys"][alice.user_id] == {alice.device_id: identity.identity_keys}
    assert answer["device_keys"]["@nobody:here.test"] == {}
    assert there.user("own") not in answer["device_keys"]
    assert answer["master_keys"] == {alice.user_id: identity.master_key}
    assert set(answer["self_signing_keys"]) == {alice.user_id}
    assert "user_signing_keys" not in answer
    assert query(there, **{alice.user_id: ["OTHER"]})["device_keys"] == {alice.user_id: {}}


def test_each_one_time_key_is_handed_out_once(alice: Person, there: Visitor, elsewhere: Visitor) -> None:
    keys = {
        f"{ALGORITHM}:{name}": {"key": name, "signatures": {"@x:y": {"ed25519:Z": "s"}}} for name in "abcd"
    }
    alice.post("/keys/upload", {"one_time_keys": keys})
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda visitor: claim(visitor, alice), [there, elsewhere] * 3))
    given = [name for each in found if each for name in each[alice.user_id][alice.device_id]]
    assert sorted(given) == sorted(keys)
    assert found.count({}) == 2


def test_bodies_of_another_form(there: Visitor) -> None:
    for path in ("/user/keys/query", "/user/keys/claim"):
        refused(there.request("POST", path, {}), 400, "M_MISSING_PARAM")
    refused(there.request("POST", "/user/keys/query", {"device_keys": []}), 400, "M_BAD_JSON")
    refused(there.request("POST", "/user/keys/query", {"device_keys": {"alice": []}}), 400, "M_INVALID_PARAM")
    wanted = {"@a:here.test": {"X": 1}}
    refused(there.request("POST", "/user/keys/claim", {"one_time_keys": wanted}), 400, "M_BAD_JSON")
