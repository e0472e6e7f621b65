"""Hashes and ids of events (server-server API, "Signing Events"; each room version's "Event IDs")."""

from __future__ import annotations

import copy
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import canonicaljson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event_format import build_pdu
from hamrasan.protocol.hashing import (
    add_content_hash,
    check_content_hash,
    content_hash,
    create_event_id_of,
    encode_event,
    event_id_of,
    reference_hash,
    room_id_of_create,
    seal,
    seal_message,
    seals_as_message,
)
from hamrasan.protocol.limits import MAX_CANONICAL_INT, MAX_EVENT_BYTES, SIGNATURE_RESERVE_BYTES
from hamrasan.protocol.redaction import redact
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version

ALL_VERSIONS = pytest.mark.parametrize(
    "version", ROOM_VERSIONS.values(), ids=lambda version: f"v{version.id}"
)
HASHED_IDS = pytest.mark.parametrize("version_id", [str(number) for number in range(3, 13)])

# Appendices, "Event Signing".
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


def message(**more: Any) -> dict[str, Any]:
    return {
        "auth_events": ["$a", "$b"],
        "content": {"msgtype": "m.text", "body": "سلام"},
        "depth": 12,
        "origin_server_ts": 1_700_000_000_000,
        "prev_events": ["$c"],
        "room_id": "!r:domain",
        "sender": "@u:domain",
        "type": "m.room.message",
        **more,
    }


@ALL_VERSIONS
@pytest.mark.parametrize(
    ("pdu", "expected"),
    [
        (MINIMAL, "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"),
        (REDACTABLE, "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"),
    ],
)
def test_the_content_hashes_of_the_specification(
    version: RoomVersion, pdu: dict[str, Any], expected: str
) -> None:
    assert content_hash(pdu, version) == expected
    built = copy.deepcopy(pdu)
    add_content_hash(built, version)
    assert built == {**pdu, "hashes": {"sha256": expected}}
    assert check_content_hash(built, version)


@ALL_VERSIONS
@pytest.mark.parametrize("key", ["content", "depth", "origin_server_ts", "org.example.custom"])
def test_the_content_hash_covers_every_key_but_three(version: RoomVersion, key: str) -> None:
    pdu = message()
    add_content_hash(pdu, version)
    assert check_content_hash({**pdu, "unsigned": {"age": 1}, "signatures": {"x": {}}}, version)
    assert not check_content_hash({**pdu, key: {"changed": 1}}, version)


@ALL_VERSIONS
@pytest.mark.parametrize(
    "hashes", [None, "text", [], {}, {"sha256": None}, {"sha256": "!"}, {"sha512": "AAAA"}]
)
def test_an_event_without_a_usable_hash_does_not_pass(version: RoomVersion, hashes: Any) -> None:
    assert not check_content_hash(message(hashes=hashes), version)


def test_the_content_hash_is_compared_after_decoding() -> None:
    version = room_version("11")
    for written in (
        "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n_g",
        "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g=",
    ):
        assert check_content_hash({**REDACTABLE, "hashes": {"sha256": written}}, version)
    other = "pnLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"
    assert not check_content_hash({**REDACTABLE, "hashes": {"sha256": other}}, version)


@ALL_VERSIONS
def test_the_reference_hash_is_the_sha256_of_the_redacted_event(version: RoomVersion) -> None:
    pdu = message(
        unsigned={"age": 1}, signatures={"x": {"ed25519:1": "y"}}, membership="join", event_id="$e:domain"
    )
    add_content_hash(pdu, version)
    expected = redact(pdu, version)
    del expected["signatures"]
    assert reference_hash(pdu, version) == sha256(canonicaljson.encode_canonical_json(expected)).digest()


@ALL_VERSIONS
def test_what_the_id_covers(version: RoomVersion) -> None:
    pdu = message(hashes={"sha256": "abc"})
    covered = reference_hash(pdu, version)
    assert reference_hash({**pdu, "signatures": {"x": {}}, "unsigned": {"a": 1}}, version) == covered
    assert reference_hash({**pdu, "content": {"body": "other"}}, version) == covered
    assert reference_hash({**pdu, "hashes": {"sha256": "abd"}}, version) != covered
    assert reference_hash({**pdu, "depth": 13}, version) != covered
    # Version 11 stopped protecting these three.
    for key in ("origin", "membership", "prev_state"):
        changed = reference_hash({**pdu, key: "x"}, version) != covered
        assert changed is (int(version.id) < 11)


@pytest.mark.parametrize("version_id", ["1", "2"])
def test_the_first_versions_take_the_id_from_the_event(version_id: str) -> None:
    version = room_version(version_id)
    assert event_id_of(message(event_id="$e:domain"), version) == "$e:domain"
    for pdu in (message(), message(event_id=7)):
        with pytest.raises(MatrixError) as refused:
            event_id_of(pdu, version)
        assert refused.value.errcode == "M_BAD_JSON"


@HASHED_IDS
def test_later_versions_compute_the_id(version_id: str) -> None:
    version = room_version(version_id)
    encode = b64encode if version_id == "3" else urlsafe_b64encode
    for depth in range(20):  # among twenty ids, some hold the two characters in which the alphabets differ
        pdu = message(depth=depth)
        event_id = seal(pdu, version)
        assert event_id == "$" + encode(reference_hash(pdu, version)).decode().rstrip("=")
        assert len(event_id) == 44


def test_versions_3_and_4_differ_in_the_alphabet_only() -> None:
    ids = {version_id: seal(message(depth=5), room_version(version_id)) for version_id in ("3", "4", "5")}
    assert ids["3"].replace("+", "-").replace("/", "_") == ids["4"] == ids["5"]


@ALL_VERSIONS
def test_sealing_sets_the_hash_and_returns_the_id(version: RoomVersion) -> None:
    pdu = message(event_id="$e:domain") if version.hashed_references else message()
    unsealed = copy.deepcopy(pdu)
    event_id = seal(pdu, version)
    assert pdu == {**unsealed, "hashes": {"sha256": content_hash(unsealed, version)}}
    assert event_id == event_id_of(pdu, version)
    assert check_content_hash(pdu, version)


@ALL_VERSIONS
def test_an_event_that_is_too_large_is_not_sealed(version: RoomVersion) -> None:
    def sized(body: int) -> dict[str, Any]:
        return message(
            content={"body": "x" * body}, **({"event_id": "$e:domain"} if version.hashed_references else {})
        )

    room = (
        MAX_EVENT_BYTES
        - SIGNATURE_RESERVE_BYTES
        - len(encode_event({**sized(0), "hashes": {"sha256": "h" * 43}}, version))
    )
    largest, larger = sized(room), sized(room + 1)
    seal(largest, version)
    assert len(encode_event(largest, version)) == MAX_EVENT_BYTES - SIGNATURE_RESERVE_BYTES
    with pytest.raises(MatrixError) as refused:
        seal(larger, version)
    assert (refused.value.status, refused.value.errcode) == (413, "M_TOO_LARGE")
    assert larger == sized(room + 1)


@ALL_VERSIONS
def test_large_integers_are_hashed_in_old_rooms_and_refused_in_newer_ones(version: RoomVersion) -> None:
    pdu = message(content={"n": 2**60})
    if int(version.id) < 6:
        expected = sha256(canonicaljson.encode_canonical_json(pdu)).digest()
        assert content_hash(pdu, version) == b64encode(expected).decode().rstrip("=")
    else:
        with pytest.raises(MatrixError) as refused:
            content_hash(pdu, version)
        assert refused.value.errcode == "M_BAD_JSON"
        assert not check_content_hash({**pdu, "hashes": {"sha256": "AAAA"}}, version)


def test_strictness_is_a_rule_of_the_version() -> None:
    lenient = replace(room_version("6"), strict_canonical_json=False)
    assert content_hash(message(content={"n": 2**60}), lenient) == content_hash(
        message(content={"n": 2**60}), room_version("5")
    )


def test_the_room_id_is_the_create_events_id_with_another_sigil() -> None:
    assert room_id_of_create("$abc-_") == "!abc-_"
    assert create_event_id_of("!abc-_") == "$abc-_"
    for call, text in ((room_id_of_create, "!abc"), (create_event_id_of, "$abc"), (create_event_id_of, "")):
        with pytest.raises(MatrixError) as refused:
            call(text)
        assert refused.value.errcode == "M_INVALID_PARAM"


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_CANONICAL_INT, MAX_CANONICAL_INT) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(
    version=st.sampled_from([version for version in ROOM_VERSIONS.values() if version.strict_canonical_json]),
    kind=st.sampled_from(["m.room.message", "m.room.encrypted", "m.reaction", "m.room.name"]) | _TEXT,
    content=st.dictionaries(_TEXT, _VALUES, max_size=4),
    ids=st.tuples(_TEXT, _TEXT, st.lists(_TEXT, max_size=3), st.lists(_TEXT, max_size=3)),
    numbers=st.tuples(st.integers(0, MAX_CANONICAL_INT), st.integers(0, 2**63 - 1)),
)
def test_a_message_is_sealed_like_every_other_event(
    version: RoomVersion,
    kind: str,
    content: dict[str, Any],
    ids: tuple[str, str, list[str], list[str]],
    numbers: tuple[int, int],
) -> None:
    if not seals_as_message(kind, None, version):
        return
    (room_id, sender, prev_events, auth_events), (ts, depth) = ids, numbers
    members: dict[str, Any] = {
        "room_id": room_id,
        "type": kind,
        "sender": sender,
        "origin_server_ts": ts,
        "depth": depth,
        "prev_events": prev_events,
        "auth_events": auth_events,
    }
    pdu = build_pdu(version, content=content, state_key=None, **members)
    expected_id = seal(pdu, version)
    envelope = {key: pdu[key] for key in ("auth_events", "hashes", "prev_events")}
    sealed = seal_message(version, content=encode_canonical(content), **members)
    assert sealed == (expected_id, encode_canonical(envelope))


@pytest.mark.parametrize(
    ("kind", "state_key", "version_id", "expected"),
    [
        ("m.room.message", None, "12", True),
        ("m.room.message", None, "6", True),
        ("m.room.message", None, "5", False),
        ("m.room.name", "", "12", False),
        ("m.room.power_levels", None, "12", False),
        ("m.room.redaction", None, "11", False),
        ("m.room.redaction", None, "10", True),
    ],
)
def test_what_is_sealed_as_a_message(
    kind: str, state_key: str | None, version_id: str, expected: bool
) -> None:
    assert seals_as_message(kind, state_key, ROOM_VERSIONS[version_id]) is expected


def _is_taken(sealing: Callable[[], Any]) -> bool:
    try:
        sealing()
    except MatrixError as error:
        return error.errcode != "M_TOO_LARGE"
    return True


def test_a_message_may_be_as_large_as_every_other_event() -> None:
    version = ROOM_VERSIONS["12"]
    members: dict[str, Any] = {
        "room_id": "!r",
        "type": "m.room.message",
        "sender": "@u:domain",
        "origin_server_ts": 1,
        "depth": 1,
        "prev_events": ["$p"],
        "auth_events": ["$a"],
    }

    def fits(content: dict[str, Any]) -> tuple[bool, bool]:
        pdu = build_pdu(version, content=content, state_key=None, **members)
        by_the_event = _is_taken(lambda: seal(pdu, version))
        return by_the_event, _is_taken(
            lambda: seal_message(version, content=encode_canonical(content), **members)
        )

    sizes = [fits({"body": "x" * size}) for size in range(MAX_EVENT_BYTES - 1_500, MAX_EVENT_BYTES, 7)]
    assert {(True, True), (False, False)} == set(sizes)
