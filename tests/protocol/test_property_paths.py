"""Dot-separated paths, with the escapes of the appendices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.property_paths import MISSING, parse_property_path, property_at


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("type", ("type",)),
        ("content.body", ("content", "body")),
        (r"content.m\.relates_to.rel_type", ("content", "m.relates_to", "rel_type")),
        (r"content.m\\foo", ("content", "m\\foo")),
        (r"content.\x", ("content", "\\x")),
        ("a\\", ("a\\",)),
        ("", ("",)),
        ("a.", ("a", "")),
    ],
)
def test_parse(text: str, path: tuple[str, ...]) -> None:
    assert parse_property_path(text) == path


@given(st.lists(st.text("ab.\\"), min_size=1, max_size=4))
def test_escaped_names_come_back(names: list[str]) -> None:
    text = ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in names)
    assert parse_property_path(text) == tuple(names)


def test_property_at() -> None:
    event = {"content": {"m.x": {"y": None}, "list": [1]}}
    assert property_at(event, ("content", "m.x", "y")) is None
    assert property_at(event, ("content", "m.x", "z")) is MISSING
    assert property_at(event, ("content", "list", "0")) is MISSING
    assert property_at(event, ("content", "m.x", "y", "deeper")) is MISSING
