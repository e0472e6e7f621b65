"""Which state of a room a client wants (MSC4186, "RequiredStateRequest" and "Combining room configs")."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from weakref import WeakValueDictionary

from hamrasan.protocol.event import StateKey
from hamrasan.rooms.history import MEMBER

Element = tuple[str | None, str | None]
"""(type, state key); None stands for all of them."""


class RequiredState(NamedTuple):
    """What one list or subscription asks for."""

    include: frozenset[Element] = frozenset()
    exclude: frozenset[Element] = frozenset()
    lazy_members: bool = False
    """Members are wanted as the timeline needs them; only those that are named are always included."""


class StateChoice:
    """What several requests ask for together; the same requests give the same object, so these are compared by `is`."""

    __slots__ = ("__weakref__", "_compiled", "all_members", "lazy_members", "members", "parts")

    def __init__(self, parts: frozenset[RequiredState]) -> None:
        self.parts = parts
        self._compiled = [_Part(part) for part in parts]
        self.all_members = any(part.all_members for part in self._compiled)
        """Every membership is wanted, always."""
        self.lazy_members = not self.all_members and any(part.lazy_members for part in parts)
        named = frozenset().union(*(part.members for part in self._compiled))
        self.members = frozenset(user_id for user_id in named if self.wants((MEMBER, user_id)))
        """Users whose membership is wanted by their name."""

    def wants(self, key: StateKey) -> bool:
        """Return whether the state under `key` is wanted, whatever the timeline holds."""
        for part in self._compiled:  # noqa: SIM110 - a generator would cost more than the look
            if part.wants(key):
                return True
        return False


class _Part:
    """One request, so that a look at one key costs the same whatever the request's length."""

    __slots__ = ("_excluded", "_included", "_lazy", "all_members", "members")

    def __init__(self, wanted: RequiredState) -> None:
        self._included = _Elements(wanted.include)
        self._excluded = _Elements(wanted.exclude)
        self._lazy = wanted.lazy_members
        everybody = self._included.any_key_of(MEMBER) and not self._excluded.any_key_of(MEMBER)
        self.all_members = everybody and not wanted.lazy_members
        self.members = frozenset(
            key for type, key in wanted.include if type in (None, MEMBER) and key is not None
        )

    def wants(self, key: StateKey) -> bool:
        if self._lazy and key[0] == MEMBER:
            return key[1] in self.members and not self._excluded.match(key)
        return self._included.match(key) and not self._excluded.match(key)


class _Elements:
    """A list of elements, ready to be asked."""

    __slots__ = ("_everything", "_exact", "_keys", "_types")

    def __init__(self, elements: Collection[Element]) -> None:
        self._everything = (None, None) in elements
        self._types = frozenset(type for type, key in elements if type is not None and key is None)
        self._keys = frozenset(key for type, key in elements if type is None and key is not None)
        self._exact = frozenset(element for element in elements if None not in element)

    def match(self, key: StateKey) -> bool:
        return self._everything or key in self._exact or key[0] in self._types or key[1] in self._keys

    def any_key_of(self, type: str) -> bool:
        """Return whether every state key of a type matches."""
        return self._everything or type in self._types


_choices: WeakValueDictionary[frozenset[RequiredState], StateChoice] = WeakValueDictionary()


def choice_of(parts: frozenset[RequiredState]) -> StateChoice:
    """Return what these requests ask for together."""
    known = _choices.get(parts)
    if known is None:
        known = _choices[parts] = StateChoice(parts)
    return known
