"""Invites by e-mail address or phone number, with real signatures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import SigningKey

from hamrasan.protocol.auth_rules.third_party_invite import MAX_SIGNATURE_CHECKS
from hamrasan.protocol.base64 import encode_base64, encode_base64_urlsafe
from hamrasan.protocol.canonical_json import encode_canonical
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, World, public_world

KEY = SigningKey(b"identity-server-key-for-tests-01")
OTHER_KEY = SigningKey(b"identity-server-key-for-tests-02")


def public(key: SigningKey) -> str:
    return encode_base64(bytes(key.verify_key))


def signed(key: SigningKey = KEY, mxid: str = BOB, token: str = "token", **more: Any) -> dict[str, Any]:
    """Return what an identity server gives when it knows who the address belongs to."""
    message = {"mxid": mxid, "token": token, **more}
    signature = encode_base64(key.sign(encode_canonical(message)).signature)
    return {**message, "signatures": {"identity.example": {"ed25519:0": signature}}}


def invited(version: str = "11", **content: Any) -> World:
    """Return a room in which Alice invited an address."""
    room = World(version)
    keys = {
        "display_name": "b…",
        "key_validity_url": "https://identity.example/valid",
        "public_key": public(KEY),
    }
    room.send(ALICE, "m.room.third_party_invite", {**keys, **content}, "token")
    return room


def exchanged(signature: Any, **invite: Any) -> dict[str, Any]:
    return {
        "membership": "invite",
        "third_party_invite": {"display_name": "b…", "signed": signature, **invite},
    }


@pytest.mark.parametrize("version", ["1", "5", "11", "12"])
def test_a_signed_invite_is_allowed(version: str) -> None:
    room = invited(version)
    room.send(ALICE, "m.room.member", exchanged(signed()), BOB)
    room.joins(BOB)


@pytest.mark.parametrize(
    "change",
    [
        lambda signature: signature.pop("signatures"),
        lambda signature: signature.update(signatures=7),
        lambda signature: signature.update(signatures={"identity.example": 7}),
        lambda signature: signature.update(signatures={"identity.example": {"ed25519:0": 7}}),
        lambda signature: signature.update(signatures={"identity.example": {"ed25519:0": "not base64!"}}),
        lambda signature: signature.update(signatures={"identity.example": {"ed25519:0": "c2hvcnQ"}}),
        lambda signature: signature["signatures"].update(
            {"identity.example": {"rsa:0": signature["signatures"]["identity.example"]["ed25519:0"]}}
        ),
        lambda signature: signature.update(more="unsigned for"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    room, signature = invited(), signed()
    change(signature)
    assert room.refuses(ALICE, "m.room.member", exchanged(signature), BOB) == "4.4.1.8"


def test_what_cannot_be_written_as_canonical_json_is_not_signed() -> None:
    room = invited()
    event = room.make(ALICE, "m.room.member", exchanged(signed()), BOB)
    content = exchanged({**signed(), "number": 2**60})
    assert room.refusal_of(replace(event, content=content)).rule == "4.4.1.8"


def test_a_signature_by_another_key_is_refused() -> None:
    assert invited().refuses(ALICE, "m.room.member", exchanged(signed(OTHER_KEY)), BOB) == "4.4.1.8"


@pytest.mark.parametrize("signer", ["identity.example", "whoever.example"])
def test_any_key_of_the_room_counts_whoever_signs(signer: str) -> None:
    room = invited(public_keys=[7, {}, {"public_key": public(OTHER_KEY)}])
    signature = signed(OTHER_KEY)
    signature["signatures"] = {signer: signature["signatures"]["identity.example"]}
    room.send(ALICE, "m.room.member", exchanged(signature), BOB)


def test_a_key_may_be_urlsafe_base64_and_broken_ones_are_skipped() -> None:
    keys = [{"public_key": "short"}, {"public_key": encode_base64_urlsafe(bytes(OTHER_KEY.verify_key))}]
    invited(public_key=7, public_keys=keys).send(ALICE, "m.room.member", exchanged(signed(OTHER_KEY)), BOB)


def test_unsigned_data_is_not_covered() -> None:
    signature = {**signed(), "unsigned": {"age": 1}}
    invited().send(ALICE, "m.room.member", exchanged(signature), BOB)


@pytest.mark.parametrize("invite", [None, 7, {}, {"signed": 7}, {"signed": None}])
def test_it_must_be_signed_at_all(invite: Any) -> None:
    content = {"membership": "invite", "third_party_invite": invite}
    assert invited().refuses(ALICE, "m.room.member", content, BOB) == "4.4.1.2"


@pytest.mark.parametrize("missing", ["mxid", "token"])
def test_it_names_user_and_token(missing: str) -> None:
    for broken in ({}, {missing: 7}):
        signature = {key: value for key, value in signed().items() if key != missing} | broken
        assert invited().refuses(ALICE, "m.room.member", exchanged(signature), BOB) == "4.4.1.3"


def test_it_is_for_its_user_only() -> None:
    assert invited().refuses(ALICE, "m.room.member", exchanged(signed(mxid=CAROL)), BOB) == "4.4.1.4"


def test_the_room_holds_its_token() -> None:
    assert invited().refuses(ALICE, "m.room.member", exchanged(signed(token="other")), BOB) == "4.4.1.5"


def test_it_is_sent_by_who_invited_the_address() -> None:
    room = invited()
    room.sets_join_rule(ALICE, "public")
    room.joins(DAN)
    assert room.refuses(DAN, "m.room.member", exchanged(signed()), BOB) == "4.4.1.6"


def test_the_banned_are_not_invited_so_either() -> None:
    room = invited()
    room.bans(ALICE, BOB)
    assert room.refuses(ALICE, "m.room.member", exchanged(signed()), BOB) == "4.4.1.1"


def test_a_pile_of_signatures_is_not_checked_without_end() -> None:
    signature = signed()
    bad = encode_base64(bytes(64))
    good = signature["signatures"]["identity.example"]["ed25519:0"]
    names = [f"ed25519:{number}" for number in range(MAX_SIGNATURE_CHECKS)]
    signature["signatures"] = {"identity.example": {**dict.fromkeys(names, bad), "ed25519:last": good}}
    room = invited()
    assert room.refuses(ALICE, "m.room.member", exchanged(signature), BOB) == "4.4.1.8"
    signature["signatures"]["identity.example"].pop(names[0])
    room.send(ALICE, "m.room.member", exchanged(signature), BOB)


class TestInvitingAnAddress:
    def test_needs_the_level_to_invite(self) -> None:
        room = public_world("11", BOB, CAROL)
        room.sets_power_levels(ALICE, {ALICE: 100, BOB: 30}, {"invite": 30})
        assert room.refuses(CAROL, "m.room.third_party_invite", {}, "token") == "6.1"
        room.send(BOB, "m.room.third_party_invite", {}, "token")

    def test_needs_no_other_level(self) -> None:
        room = public_world("11", BOB)
        room.sets_power_levels(ALICE, {ALICE: 100}, {"events": {"m.room.third_party_invite": 100}})
        room.send(BOB, "m.room.third_party_invite", {}, "token")

    def test_needs_to_be_in_the_room(self) -> None:
        assert public_world("11").refuses(BOB, "m.room.third_party_invite", {}, "token") == "5"
