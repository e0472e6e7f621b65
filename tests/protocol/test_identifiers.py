"""Identifiers (appendices, "Identifier Grammar")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import (
    RoomAlias,
    RoomId,
    UserId,
    check_event_id,
    check_namespaced_id,
    check_new_localpart,
    check_opaque_grammar,
    check_opaque_id,
    check_room_alias,
    check_room_id,
    check_server_name,
    check_user_id,
    is_hash_room_id,
    is_historical_user_id,
    is_noncompliant_user_id,
    parse_event_id_with_domain,
    parse_room_alias,
    parse_room_id,
    parse_user_id,
    server_name_of,
)

HASH = "Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"

localparts = st.text(
    st.characters(exclude_characters=":\0", exclude_categories=["Cs"]), min_size=1, max_size=50
)
server_names = st.from_regex(r"[a-z0-9\-]{1,20}(\.[a-z]{2,10}){0,3}(:[0-9]{1,5})?", fullmatch=True)


def refuses(check: Callable[..., Any], *args: Any, errcode: str = "M_INVALID_PARAM") -> str:
    with pytest.raises(MatrixError) as refused:
        check(*args)
    assert (refused.value.status, refused.value.errcode) == (400, errcode)
    refused.value.message.encode()
    return refused.value.message


def refusal_of(check: Callable[[str], Any], text: str) -> MatrixError | None:
    """Return the refusal, or None; any other exception fails the test."""
    try:
        check(text)
    except MatrixError as error:
        return error
    return None


@pytest.mark.parametrize(
    "name",
    [
        "matrix.org",
        "matrix.org:8888",
        "1.2.3.4",
        "1.2.3.4:1234",
        "255.255.255.255",
        "[1234:5678::abcd]",
        "[1234:5678::abcd]:5678",
        "[::]",
        "[::ffff:1.2.3.4]",
        "localhost",
        "MATRIX.org",
        "xn--mgbaam7a8h.ir",
        "a" * 255,
        "1.2.3.4.5",
        "1.2.3",
    ],
)
def test_server_names_of_the_grammar_pass(name: str) -> None:
    check_server_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":80",
        "matrix.org:",
        "matrix.org:123456",
        "matrix.org:80a",
        "matrix.org:80:80",
        "matrix_org",
        "matrix.org/",
        "matrix.org\n",
        "matrix org",
        "مثال.ir",
        "1.2.3.256",
        "999.1.1.1:80",
        "[1234:5678::abcd",
        "1234:5678::abcd]",
        "1234:5678::abcd",
        "[]",
        "[:]",
        "[1:2:3]",
        "[::1%eth0]",
        "[1::2::3]",
        "[::1]x",
        "a" * 256,
        "matrix.org:٨٠",
        "\ud800",
    ],
)
def test_other_server_names_are_refused(name: str) -> None:
    refuses(check_server_name, name)


def test_a_user_id_has_two_parts() -> None:
    assert parse_user_id("@alice:example.org:8448") == UserId("alice", "example.org:8448")
    assert parse_user_id("@alice:[::1]:80").server_name == "[::1]:80"


@pytest.mark.parametrize(
    ("user_id", "historical", "noncompliant"),
    [
        ("@alice:example.org", False, False),
        ("@a-z0.9_=/+:example.org", False, False),
        ("@Alice:example.org", True, False),
        ("@a~!@#:example.org", True, False),
        ("@a b:example.org", True, True),
        ("@آلیس:example.org", True, True),
        ("@:example.org", True, True),
        ("@a\x01:example.org", True, True),
    ],
)
def test_user_ids_are_current_historical_or_noncompliant(
    user_id: str, historical: bool, noncompliant: bool
) -> None:
    check_user_id(user_id)
    assert is_historical_user_id(user_id) is historical
    assert is_noncompliant_user_id(user_id) is noncompliant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "alice:example.org",
        "!alice:example.org",
        "@alice",
        "@alice:",
        "@al:ice:example.org",
        "@alice:exa_mple.org",
        "@al\0ice:example.org",
        "@al\ud800ice:example.org",
        " @alice:example.org",
        "@alice:example.org ",
    ],
)
def test_other_user_ids_are_refused(text: str) -> None:
    for check in (check_user_id, is_historical_user_id, is_noncompliant_user_id):
        refuses(check, text)


@pytest.mark.parametrize("letter", ["a", "é", "ب", "\U0001f600"])
@pytest.mark.parametrize(
    ("sigil", "check"),
    [("@", check_user_id), ("#", check_room_alias), ("!", check_room_id), ("$", check_event_id)],
)
def test_identifiers_have_at_most_255_bytes(sigil: str, check: Callable[[str], None], letter: str) -> None:
    size = len(letter.encode())
    rest = len(f"{sigil}:example.org")
    letters, filler = divmod(255 - rest, size)
    longest = f"{sigil}{'x' * filler}{letter * letters}:example.org"
    assert len(longest.encode()) == 255
    check(longest)
    assert "255 bytes" in refuses(check, f"{sigil}x{longest[1:]}")


@given(localparts, server_names)
def test_what_is_put_together_comes_apart_again(localpart: str, server_name: str) -> None:
    assert parse_user_id(f"@{localpart}:{server_name}") == (localpart, server_name)
    assert parse_room_alias(f"#{localpart}:{server_name}") == (localpart, server_name)
    assert parse_room_id(f"!{localpart}:{server_name}") == (localpart, server_name)
    assert parse_event_id_with_domain(f"${localpart}:{server_name}") == (localpart, server_name)
    assert server_name_of(f"@{localpart}:{server_name}") == server_name


@given(st.text(st.characters(), max_size=30))
def test_arbitrary_text_is_taken_or_refused_with_a_sentence(text: str) -> None:
    for check in (
        check_user_id,
        check_room_id,
        check_room_alias,
        check_event_id,
        check_server_name,
        check_opaque_id,
        check_opaque_grammar,
        check_namespaced_id,
        server_name_of,
    ):
        error = refusal_of(check, text)
        if error is not None:
            assert error.errcode == "M_INVALID_PARAM"
            assert error.message.encode().decode() == error.message


def test_room_ids_with_and_without_a_server() -> None:
    assert parse_room_id("!abc:example.org") == RoomId("abc", "example.org")
    assert parse_room_id("!" + HASH) == RoomId(HASH, None)
    for text in (
        "",
        "!",
        "!:example.org",
        "!abc:",
        "!abc:exa mple",
        "abc",
        "#abc:example.org",
        "!a\0b",
        "!a\0b:example.org",
    ):
        refuses(check_room_id, text)


def test_hash_room_ids_are_43_characters_of_urlsafe_base64() -> None:
    assert is_hash_room_id("!" + HASH)
    for text in (
        HASH,
        "!" + HASH[1:],
        f"!{HASH}A",
        f"!{HASH}:example.org",
        "!" + HASH.replace("-", "+"),
        "",
        f"!{HASH}\n",
    ):
        assert not is_hash_room_id(text)


def test_room_aliases_need_a_name() -> None:
    assert parse_room_alias("#گپ:example.org") == RoomAlias("گپ", "example.org")
    for text in ("#:example.org", "#name", "name:example.org", "#na\0me:example.org"):
        refuses(check_room_alias, text)


def test_event_ids_of_all_room_versions() -> None:
    for text in ("$abc:example.org", "$" + HASH, "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"):
        check_event_id(text)
    for text in ("", "$", HASH, "$a\0b", "$\ud800"):
        refuses(check_event_id, text)
    refuses(parse_event_id_with_domain, "$" + HASH)


def test_an_identifier_without_a_server_has_no_server_name() -> None:
    for text in ("!" + HASH, "@alice", "@alice:", ""):
        refuses(server_name_of, text)


@pytest.mark.parametrize("localpart", ["alice", "a", "09._=-/+", "a" * 242])
def test_new_users_may_have_these_names(localpart: str) -> None:
    check_new_localpart(localpart, "example.org")


@pytest.mark.parametrize(
    "localpart", ["", "Alice", "al ice", "alice:", "علی", "alice\n", "a" * 243, "@alice", "a\ud800"]
)
def test_new_users_may_not_have_these_names(localpart: str) -> None:
    refuses(check_new_localpart, localpart, "example.org", errcode="M_INVALID_USERNAME")


def test_ids_that_clients_choose_are_bounded() -> None:
    for text in ("x", "m1234.5", "گوشی", "a b", "é" * 127):
        check_opaque_id(text)
    for text in ("", "a" * 256, "é" * 128, "a\0", "a\n", "a\x7f", "\ud800"):
        assert "device id" in refuses(check_opaque_id, text, "device id")


def test_the_opaque_grammar() -> None:
    for text in ("a", "AZaz09-._~", "a" * 255):
        check_opaque_grammar(text)
    for text in ("", "a/b", "a b", "é", "a" * 256, "a\n"):
        refuses(check_opaque_grammar, text)
    check_opaque_grammar("a" * 64, "party id", 64)
    refuses(check_opaque_grammar, "a" * 65, "party id", 64)


def test_the_namespaced_grammar() -> None:
    for text in ("a", "m.tz", "com.example.a-b_9", "a" * 255):
        check_namespaced_id(text)
    for text in ("", "M.tz", "9a", ".a", "a b", "é", "a" * 256, "a\n"):
        refuses(check_namespaced_id, text)
