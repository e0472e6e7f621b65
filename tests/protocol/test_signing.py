"""Signatures (appendices, "Signing JSON" and "Cryptographic Test Vectors")."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.base64 import decode_base64, encode_base64
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.hashing import add_content_hash
from hamrasan.protocol.redaction import redact
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from hamrasan.protocol.signing import (
    SignatureError,
    SigningKey,
    parse_signing_key,
    required_signers,
    sign_event,
    sign_json,
    signing_key_ids,
    verify_event_signature,
    verify_signed_json,
    with_signature,
)

ALL_VERSIONS = pytest.mark.parametrize(
    "version", ROOM_VERSIONS.values(), ids=lambda version: f"v{version.id}"
)

SEED = decode_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
KEY = SigningKey("ed25519:1", SEED)
OTHER_KEY = SigningKey("ed25519:2", bytes(32))

EMPTY_SIGNATURE = "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"
DATA_SIGNATURE = "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"

MINIMAL: dict[str, Any] = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
MINIMAL_SIGNATURE = "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"
REDACTABLE: dict[str, Any] = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}
REDACTABLE_SIGNATURE = (
    "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"
)


def refused(call: Any, *args: Any) -> MatrixError:
    with pytest.raises(MatrixError) as refusal:
        call(*args)
    return refusal.value


@pytest.mark.parametrize(
    ("value", "signature"), [({}, EMPTY_SIGNATURE), ({"one": 1, "two": "Two"}, DATA_SIGNATURE)]
)
def test_the_json_vectors_of_the_specification(value: dict[str, Any], signature: str) -> None:
    signed = sign_json(value, "domain", KEY)
    assert signed == {**value, "signatures": {"domain": {"ed25519:1": signature}}}
    verify_signed_json(signed, "domain", "ed25519:1", KEY.public_key)


@pytest.mark.parametrize("version_id", [str(number) for number in range(1, 11)])
@pytest.mark.parametrize(
    ("pdu", "content_hash", "signature"),
    [
        (MINIMAL, "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos", MINIMAL_SIGNATURE),
        (REDACTABLE, "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g", REDACTABLE_SIGNATURE),
    ],
)
def test_the_event_vectors_of_the_specification(
    version_id: str, pdu: dict[str, Any], content_hash: str, signature: str
) -> None:
    version = room_version(version_id)
    hashed = copy.deepcopy(pdu)
    add_content_hash(hashed, version)
    signed = sign_event(hashed, version, "domain", KEY)
    assert signed == {
        **pdu,
        "hashes": {"sha256": content_hash},
        "signatures": {"domain": {"ed25519:1": signature}},
    }
    verify_event_signature(signed, version, "domain", "ed25519:1", KEY.public_key)


@pytest.mark.parametrize("version_id", ["11", "12"])
def test_from_version_11_on_the_signature_no_longer_covers_origin(version_id: str) -> None:
    version = room_version(version_id)
    signed = sign_event(MINIMAL, version, "domain", KEY)
    assert signed["signatures"]["domain"]["ed25519:1"] != MINIMAL_SIGNATURE
    verify_event_signature({**signed, "origin": "other"}, version, "domain", "ed25519:1", KEY.public_key)


def test_the_key_file_of_other_homeservers_is_read() -> None:
    line = "ed25519 a_Xyz1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
    for text in (line, line + "\n", line + "=\n"):
        key = parse_signing_key(text)
        assert key.key_id == "ed25519:a_Xyz1"
        assert key.public_key == KEY.public_key
        # The specification's seed ends in a digit whose last bits mean nothing; they are written as zero.
        assert key.to_text() == line[:-1] + "0"
        assert parse_signing_key(key.to_text()).public_key == KEY.public_key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519 1",
        "rsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1 more",
        "ed25519 a-b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3",
        "ed25519 1 not!base64",
    ],
)
def test_a_broken_key_file_is_refused_without_repeating_it(text: str) -> None:
    error = refused(parse_signing_key, text)
    assert error.errcode == "M_INVALID_PARAM"
    assert not text.split()[2:] or text.split()[2] not in error.message


def test_a_key_does_not_show_its_seed() -> None:
    assert repr(KEY) == "SigningKey('ed25519:1')"
    for key_id in ("1", "ed25519:", "ed25519:é", "rsa:1", "ed25519:" + "a" * 300, "ed25519:1\n"):
        assert refused(SigningKey, key_id, SEED).errcode == "M_INVALID_PARAM"


def test_signing_keeps_what_is_there_and_changes_nothing_in_place() -> None:
    value = {"a": 1, "unsigned": {"age": 1}}
    first = sign_json(value, "domain", KEY)
    second = sign_json(first, "domain", OTHER_KEY)
    third = sign_json(second, "other.domain", KEY)
    assert value == {"a": 1, "unsigned": {"age": 1}}
    assert set(first["signatures"]["domain"]) == {"ed25519:1"}
    assert set(second["signatures"]["domain"]) == {"ed25519:1", "ed25519:2"}
    assert third["unsigned"] == {"age": 1}
    verify_signed_json(third, "domain", "ed25519:1", KEY.public_key)
    verify_signed_json(third, "domain", "ed25519:2", OTHER_KEY.public_key)
    verify_signed_json({**third, "unsigned": {}}, "other.domain", "ed25519:1", KEY.public_key)


@pytest.mark.parametrize("signatures", [[], "text", {"domain": "text"}, {"domain": None}])
def test_signatures_of_a_wrong_form_are_refused(signatures: Any) -> None:
    value = {"signatures": signatures}
    assert refused(sign_json, value, "domain", KEY).errcode == "M_BAD_JSON"
    assert refused(with_signature, value, "domain", "ed25519:1", "x").errcode == "M_BAD_JSON"
    assert signing_key_ids(value, "domain") == []
    with pytest.raises(SignatureError):
        verify_signed_json(value, "domain", "ed25519:1", KEY.public_key)


SIGNED = sign_json({"a": 1, "b": {"c": "d"}}, "domain", KEY)


@pytest.mark.parametrize(
    ("value", "signer", "key_id", "public_key", "says"),
    [
        ({**SIGNED, "a": 2}, "domain", "ed25519:1", KEY.public_key, "is wrong"),
        (SIGNED, "domain", "ed25519:1", OTHER_KEY.public_key, "is wrong"),
        (SIGNED, "domain", "ed25519:2", KEY.public_key, "with the key ed25519:2"),
        (SIGNED, "elsewhere", "ed25519:1", KEY.public_key, "no signature of elsewhere"),
        ({**SIGNED, "signatures": {}}, "domain", "ed25519:1", KEY.public_key, "no signature of domain"),
        ({"a": 1}, "domain", "ed25519:1", KEY.public_key, "no signature of domain"),
        (
            {"a": 1, "signatures": {"domain": {"ed25519:1": 7}}},
            "domain",
            "ed25519:1",
            KEY.public_key,
            "no signature of domain",
        ),
        ({"signatures": {"domain": {"ed25519:1": "!"}}}, "domain", "ed25519:1", KEY.public_key, "not Base64"),
        (
            {"signatures": {"domain": {"ed25519:1": "AAAA"}}},
            "domain",
            "ed25519:1",
            KEY.public_key,
            "64 bytes",
        ),
        (SIGNED, "domain", "ed25519:1", KEY.public_key[:31], "32 bytes"),
        (SIGNED, "domain", "ed25519:1", b"", "32 bytes"),
        ({**SIGNED, "a": 1.5}, "domain", "ed25519:1", KEY.public_key, "not canonical JSON"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused_with_its_reason(
    value: dict[str, Any], signer: str, key_id: str, public_key: bytes, says: str
) -> None:
    verify_signed_json(SIGNED, "domain", "ed25519:1", KEY.public_key)
    error = refused(verify_signed_json, value, signer, key_id, public_key)
    assert isinstance(error, SignatureError)
    assert (error.status, error.errcode) == (401, "M_UNAUTHORIZED")
    assert says in error.message


@pytest.mark.parametrize("value", [{"depth": 2**60}, {"content": {"level": 50.5}}])
def test_requests_between_servers_may_carry_the_numbers_of_old_rooms(value: dict[str, Any]) -> None:
    assert refused(sign_json, value, "domain", KEY).errcode == "M_BAD_JSON"
    signed = sign_json(value, "domain", KEY, strict=False)
    verify_signed_json(signed, "domain", "ed25519:1", KEY.public_key, strict=False)
    for changed, strict in (({**signed, "more": 1}, False), (signed, True)):
        with pytest.raises(SignatureError):
            verify_signed_json(changed, "domain", "ed25519:1", KEY.public_key, strict=strict)


def test_what_is_canonical_is_signed_the_same_either_way() -> None:
    assert sign_json({"one": 1}, "domain", KEY, strict=False) == sign_json({"one": 1}, "domain", KEY)


@given(st.integers(0, 63), st.integers(1, 255))
def test_one_changed_byte_breaks_a_signature(position: int, difference: int) -> None:
    signature = bytearray(decode_base64(SIGNED["signatures"]["domain"]["ed25519:1"]))
    signature[position] ^= difference
    forged = {**SIGNED, "signatures": {"domain": {"ed25519:1": encode_base64(bytes(signature))}}}
    with pytest.raises(SignatureError):
        verify_signed_json(forged, "domain", "ed25519:1", KEY.public_key)


@ALL_VERSIONS
def test_the_signature_of_an_event_covers_what_redaction_keeps(version: RoomVersion) -> None:
    pdu = {**REDACTABLE, "depth": 5, "prev_events": [], "auth_events": []}
    add_content_hash(pdu, version)
    signed = sign_event(pdu, version, "domain", KEY)

    def verify(event: dict[str, Any]) -> None:
        verify_event_signature(event, version, "domain", "ed25519:1", KEY.public_key)

    verify(signed)
    verify(redact(signed, version))
    verify({**signed, "content": {"body": "another"}, "unsigned": {}})
    for changed in (
        {"depth": 6},
        {"hashes": {"sha256": "x"}},
        {"sender": "@v:domain"},
        {"type": "m.room.create"},
    ):
        with pytest.raises(SignatureError):
            verify({**signed, **changed})


@ALL_VERSIONS
def test_large_integers_can_be_signed_in_old_rooms_only(version: RoomVersion) -> None:
    pdu = {**MINIMAL, "depth": 2**60, "hashes": {"sha256": "x"}}
    if version.strict_canonical_json:
        assert refused(sign_event, pdu, version, "domain", KEY).errcode == "M_BAD_JSON"
    else:
        signed = sign_event(pdu, version, "domain", KEY)
        verify_event_signature(signed, version, "domain", "ed25519:1", KEY.public_key)


def test_key_ids_of_other_algorithms_are_skipped() -> None:
    value = {
        "signatures": {
            "domain": {"ed25519:1": "x", "rsa:1": "y", "ed25519:b": "z"},
            "other": {"ed25519:9": "x"},
        }
    }
    assert signing_key_ids(value, "domain") == ["ed25519:1", "ed25519:b"]
    assert signing_key_ids(value, "nobody") == []


def member(**content: Any) -> dict[str, Any]:
    return {"type": "m.room.member", "sender": "@a:one", "event_id": "$e:two", "content": content}


@ALL_VERSIONS
def test_who_must_sign(version: RoomVersion) -> None:
    in_id = {"two"} if int(version.id) < 3 else set()
    assert required_signers(member(membership="join"), version) == {"one"} | in_id
    assert required_signers(member(membership="invite"), version) == {"one"} | in_id
    assert required_signers(member(membership="invite", third_party_invite={}), version) == in_id
    assert required_signers(member(membership="join", third_party_invite={}), version) == {"one"} | in_id
    restricted = member(membership="join", join_authorised_via_users_server="@x:three")
    assert required_signers(restricted, version) == {"one"} | in_id | (
        {"three"} if int(version.id) >= 8 else set()
    )
    assert required_signers({**restricted, "type": "m.room.message"}, version) == {"one"} | in_id


def test_an_authorising_user_must_be_a_user() -> None:
    for value in (7, None, "nobody"):
        error = refused(required_signers, member(join_authorised_via_users_server=value), room_version("9"))
        assert error.status == 400
