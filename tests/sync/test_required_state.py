"""Which state several requests ask for together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.sync.sliding.required_state import Element, RequiredState, choice_of

MEMBER = "m.room.member"
NAME, TOPIC, ME, OTHER = ("m.room.name", ""), ("m.room.topic", ""), (MEMBER, "@me:x"), (MEMBER, "@other:x")
ALL: Element = (None, None)


def asks(*include: Element, exclude: tuple[Element, ...] = (), lazy: bool = False) -> RequiredState:
    return RequiredState(frozenset(include), frozenset(exclude), lazy)


@pytest.mark.parametrize(
    ("parts", "wanted", "unwanted"),
    [
        ([asks()], [], [NAME, ME]),
        ([asks(NAME)], [NAME], [TOPIC, ME]),
        ([asks(("m.room.name", None))], [NAME], [TOPIC]),
        ([asks((None, ""))], [NAME, TOPIC], [ME]),
        ([asks(ALL)], [NAME, ME, OTHER], []),
        ([asks(ALL, lazy=True)], [NAME], [ME, OTHER]),
        ([asks(ALL, ME, lazy=True)], [NAME, ME], [OTHER]),
        ([asks((None, "@me:x"), lazy=True)], [ME], [OTHER, NAME]),
        ([asks(ALL, exclude=(NAME,))], [TOPIC, ME], [NAME]),
        ([asks(ALL, exclude=((MEMBER, None),))], [NAME], [ME]),
        ([asks(ME, exclude=((MEMBER, None),), lazy=True)], [], [ME]),
        ([asks(NAME), asks(TOPIC)], [NAME, TOPIC], [ME]),
        ([asks(ALL, exclude=(NAME,)), asks(NAME)], [NAME, TOPIC], []),
        ([asks(lazy=True), asks(ALL)], [NAME, ME, OTHER], []),
    ],
)
def test_what_is_wanted(
    parts: list[RequiredState], wanted: list[tuple[str, str]], unwanted: list[tuple[str, str]]
) -> None:
    choice = choice_of(frozenset(parts))
    assert [key for key in wanted if not choice.wants(key)] == []
    assert [key for key in unwanted if choice.wants(key)] == []


def test_members_are_lazy_unless_somebody_wants_all() -> None:
    assert choice_of(frozenset({asks(lazy=True)})).lazy_members
    assert not choice_of(frozenset({asks(lazy=True), asks((MEMBER, None))})).lazy_members
    both = choice_of(frozenset({asks(lazy=True), asks(ALL, lazy=True)}))
    assert (both.lazy_members, both.all_members) == (True, False)


def test_the_same_requests_give_the_same_object() -> None:
    one, other = choice_of(frozenset({asks(NAME)})), choice_of(frozenset({asks(NAME)}))
    assert one is other
    assert one is not choice_of(frozenset({asks(NAME, lazy=True)}))


names = st.sampled_from([None, MEMBER, "a", "b"])
keys = st.sampled_from([None, "", "@me:x", "c"])
elements = st.frozensets(st.tuples(names, keys), max_size=4)
requests = st.builds(RequiredState, elements, elements, st.booleans())


def by_the_words(part: RequiredState, type: str, key: str) -> bool:
    """Return whether a request asks for a key, read off the proposal."""

    def matches(element: Element) -> bool:
        return element[0] in (None, type) and element[1] in (None, key)

    included = [e for e in part.include if matches(e)]
    if part.lazy_members and type == MEMBER:
        included = [e for e in included if e[1] is not None]
    return bool(included) and not any(map(matches, part.exclude))


@given(
    st.frozensets(requests, min_size=1, max_size=3), names.filter(bool), keys.filter(lambda k: k is not None)
)
def test_choices_are_what_the_words_say(parts: frozenset[RequiredState], type: str, key: str) -> None:
    choice = choice_of(parts)
    expected = any(by_the_words(part, type, key) for part in parts)
    assert choice.wants((type, key)) == expected
    if type == MEMBER and key in choice.members:
        assert expected
