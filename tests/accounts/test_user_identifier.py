"""Who wants to log in."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.accounts.user_identifier import localpart_of, parse_identifier, possible_user_ids
from hamrasan.protocol.errors import MatrixError


@pytest.mark.parametrize(
    "body",
    [
        {"identifier": {"type": "m.id.user", "user": "alice"}},
        {"user": "alice"},
        {"identifier": {"type": "m.id.user", "user": "alice"}, "user": "bob"},
    ],
)
def test_a_user_is_named(body: dict[str, Any]) -> None:
    assert parse_identifier(body) == "alice"


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"user": 1}, "M_BAD_JSON"),
        ({"identifier": "alice"}, "M_BAD_JSON"),
        ({"identifier": {"type": "m.id.user"}}, "M_MISSING_PARAM"),
        ({"identifier": {"type": "m.id.user", "user": ["alice"]}}, "M_BAD_JSON"),
        ({"identifier": {"user": "alice"}}, "M_BAD_JSON"),
        ({"identifier": {"type": "org.example.badge", "number": 7}}, "M_INVALID_PARAM"),
        (
            {"identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "a@example.org"}},
            "M_FORBIDDEN",
        ),
        ({"identifier": {"medium": "email", "address": "a@example.org"}}, "M_FORBIDDEN"),
        ({"identifier": {"type": "m.id.phone", "country": "IR", "phone": "09120000000"}}, "M_FORBIDDEN"),
        ({"medium": "email", "address": "a@example.org"}, "M_FORBIDDEN"),
    ],
)
def test_anything_else_is_refused(body: dict[str, Any], errcode: str) -> None:
    with pytest.raises(MatrixError) as caught:
        parse_identifier(body)
    assert caught.value.errcode == errcode


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("alice", ["@alice:example.org"]),
        (" alice ", ["@alice:example.org"]),
        ("@alice:example.org", ["@alice:example.org"]),
        ("Alice", ["@Alice:example.org", "@alice:example.org"]),
        ("@Alice:EXAMPLE.org", ["@Alice:example.org", "@alice:example.org"]),
        ("ali۱۲۳", ["@ali123:example.org"]),
        ("ali١٢٣", ["@ali123:example.org"]),
        ("@alice:elsewhere.org", []),
        ("@alice", []),
        ("alice:example.org", []),
        ("", []),
        ("@:example.org", []),
        ("a\0b", []),
        ("x" * 300, []),
    ],
)
def test_what_is_typed_may_mean(typed: str, meant: list[str]) -> None:
    assert possible_user_ids(typed, "example.org") == meant


def test_a_wanted_name_becomes_a_localpart() -> None:
    assert localpart_of(" Ali۱۲ ") == "ali12"
