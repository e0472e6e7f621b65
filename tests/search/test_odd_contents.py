"""Whatever stands in an event, something is filed of it or nothing: a sender cannot stop the index."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.search.sources import Source, document_of, searched_text
from hamrasan.storage.ports.search import Place

ODD: list[Any] = [None, 7, True, [], ["a"], {}, {"a": []}, ""]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("member", ["topic", "name", "body", "m.topic", "m.relates_to"])
def test_what_is_no_text_is_not_searched(member: str, value: Any) -> None:
    for event_type in ("m.room.topic", "m.room.name", "m.room.message"):
        assert searched_text(event_type, {member: value}) == ""


def test_a_topic_is_searched_once() -> None:
    assert searched_text("m.room.topic", {"topic": "سلام"}) == "سلام"


TYPES = ("m.room.topic", "m.room.name", "m.room.message")
MEMBERS = (
    "topic",
    "name",
    "body",
    "url",
    "msgtype",
    "m.topic",
    "m.text",
    "m.relates_to",
    "m.in_reply_to",
    "event_id",
)
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.just("> quoted\n\nsaid")
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner)
)


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(MEMBERS), values))
def test_any_content_makes_a_document(event_type: str, content: dict[str, Any]) -> None:
    place = Place(1, 2)
    document = document_of(Source(place, event_type, "@alice:example.org", content))
    assert document.place == place
    assert "  " not in document.words
