"""The devices of users for other servers."""

from __future__ import annotations

from typing import Any

from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.running import Person, refused
from tests.signing_keys import Identity


def devices_of(visitor: Visitor, user_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = visitor.get(f"/user/devices/{user_id}")
    return answer


def test_devices_come_with_their_keys_and_without_names(alice: Person, there: Visitor) -> None:
    identity = Identity(alice).publish()
    alice.put(f"/devices/{alice.device_id}", {"display_name": "Alice's phone"})
    answer = devices_of(there, alice.user_id)
    assert answer["devices"] == [{"device_id": alice.device_id, "keys": identity.identity_keys}]
    assert answer["master_key"] == identity.master_key
    assert answer["self_signing_key"]["usage"] == ["self_signing"]
    assert answer["user_id"] == alice.user_id


def test_the_stream_id_grows_with_each_change(alice: Person, there: Visitor) -> None:
    before = devices_of(there, alice.user_id)
    assert before["devices"] == []
    Identity(alice).publish()
    after = devices_of(there, alice.user_id)
    assert after["stream_id"] > before["stream_id"]
    assert devices_of(there, alice.user_id) == after


def test_only_users_of_this_server_have_devices(there: Visitor, here: Member) -> None:
    for user_id in (f"@nobody:{here.name}", there.user("zahra")):
        refused(there.request("GET", f"/user/devices/{user_id}"), 404, "M_NOT_FOUND")
    refused(there.request("GET", "/user/devices/alice"), 400, "M_INVALID_PARAM")
