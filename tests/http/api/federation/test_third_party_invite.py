"""Invites to addresses that have become somebody's."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.signing import SigningKey, sign_json
from tests.federation.country import Member
from tests.federation.visitors import V1, Visitor, path_of
from tests.http.api.federation.test_leaving import memberships
from tests.running import Person, answered, refused

IDENTITY = "identity.test"
KEY = SigningKey("ed25519:0", b"i" * 32)


def signed(user_id: str, token: str, key: SigningKey = KEY) -> dict[str, Any]:
    """Return what an identity server says of who has an address now."""
    return sign_json({"mxid": user_id, "token": token}, IDENTITY, key)


@pytest.fixture
def room_id(alice: Person) -> str:
    """A room with an invite of Alice's to an address; its token is `token`."""
    room_id = alice.create_room()
    content = {"display_name": "z...", "public_keys": [{"public_key": encode_base64(KEY.public_key)}]}
    alice.put(f"/rooms/{room_id}/state/m.room.third_party_invite/token", content)
    return room_id


def exchange(visitor: Visitor, room_id: str, sender: str, target: str, proof: Any, /, **changes: Any) -> Any:
    body = {
        "type": "m.room.member",
        "room_id": room_id,
        "sender": sender,
        "state_key": target,
        "content": {
            "membership": "invite",
            "third_party_invite": {"display_name": "z...", "signed": proof},
        },
        **changes,
    }
    return visitor.request("PUT", path_of(V1 + "/exchange_third_party_invite", room_id), body)


def test_who_proves_it_is_invited_and_may_join(alice: Person, room_id: str, there: Visitor) -> None:
    zahra = there.user("address")
    refused(there.ask_template("join", room_id, zahra), 403, "M_FORBIDDEN")
    assert answered(exchange(there, room_id, alice.user_id, zahra, signed(zahra, "token"))) == {}
    assert memberships(alice, room_id)[zahra] == "invite"
    there.join(room_id, zahra)


def test_proofs_that_are_none(
    alice: Person, bob: Person, room_id: str, there: Visitor, elsewhere: Visitor
) -> None:
    zahra = there.user("cheat")
    other = SigningKey("ed25519:0", b"o" * 32)
    proof = signed(zahra, "token")
    who = alice.user_id
    for refusal in (
        exchange(there, room_id, who, zahra, signed(zahra, "token", other)),
        exchange(there, room_id, who, zahra, signed(zahra, "unknown")),
        exchange(there, room_id, who, zahra, signed(there.user("friend"), "token")),
        exchange(there, room_id, bob.user_id, zahra, proof),
        exchange(elsewhere, room_id, who, zahra, proof),
    ):
        refused(refusal, 403, "M_FORBIDDEN")
    refused(exchange(there, room_id, who, zahra, proof, type="m.room.name"), 400, "M_INVALID_PARAM")
    refused(exchange(there, room_id, who, zahra, proof, room_id="!other"), 400, "M_INVALID_PARAM")
    refused(exchange(there, room_id, who, zahra, proof, content={}), 400, "M_INVALID_PARAM")
    refused(exchange(there, room_id, who, zahra, "proof"), 400, "M_BAD_JSON")
    refused(exchange(there, room_id, who, zahra, proof, state_key=7), 400, "M_BAD_JSON")
    refused(exchange(there, "!nowhere", who, zahra, proof), 404, "M_NOT_FOUND")
    assert zahra not in memberships(alice, room_id)


def on_bind(here: Member, user_id: str, *invites: dict[str, Any]) -> Any:
    body = {"medium": "email", "address": "z@example.org", "mxid": user_id, "invites": list(invites)}
    with here.anonymous() as http:
        return http.put(V1 + "/3pid/onbind", json=body)


def pending(room_id: str, sender: str, user_id: str) -> dict[str, Any]:
    return {
        "medium": "email",
        "address": "z@example.org",
        "mxid": user_id,
        "room_id": room_id,
        "sender": sender,
        "signed": signed(user_id, "token"),
    }


def test_an_address_that_is_bound_here_brings_its_invites(
    alice: Person, bob: Person, room_id: str, here: Member
) -> None:
    broken = {**pending(room_id, alice.user_id, bob.user_id), "signed": {}}
    answer = on_bind(here, bob.user_id, broken, {}, pending(room_id, alice.user_id, bob.user_id))
    assert answered(answer) == {}
    assert memberships(alice, room_id)[bob.user_id] == "invite"


def test_the_inviting_server_is_asked_for_invites_of_its_users(
    bob: Person, here: Member, there: Visitor
) -> None:
    room_id, host = "!far:there.test", there.user("host")
    assert answered(on_bind(here, bob.user_id, pending(room_id, host, bob.user_id))) == {}
    (asked,) = [asked for asked in there.stranger.asked if "exchange_third_party_invite" in asked.uri]
    assert asked.method == "PUT"
    assert bob.user_id.encode() in asked.body


def test_notices_that_are_refused(bob: Person, here: Member, there: Visitor) -> None:
    refused(on_bind(here, "@nobody:here.test"), 404, "M_NOT_FOUND")
    refused(on_bind(here, there.user("zahra")), 404, "M_NOT_FOUND")
    refused(on_bind(here, bob.user_id, *[{}] * 21), 400, "M_INVALID_PARAM")
    with here.anonymous() as http:
        refused(http.put(V1 + "/3pid/onbind", json={"mxid": bob.user_id}), 400, "M_MISSING_PARAM")
