"""Whatever stands in an event, something is filed of it or nothing: a sender cannot stop the index."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.search.sources import searched_text

ODD: list[Any] = [None, 7, True, [], ["a"], {}, {"a": []}, ""]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("member", ["topic", "name", "body", "m.topic", "m.relates_to"])
def test_what_is_no_text_is_not_searched(member: str, value: Any) -> None:
    for event_type in ("m.room.topic", "m.room.name", "m.room.message"):
        assert searched_text(event_type, {member: value}) == ""


def test_a_topic_is_searched_once() -> None:
    assert searched_text("m.room.topic", {"topic": "سلام"}) == "سلام"
