"""Paths to properties of an event (appendices, "Dot-separated property paths")."""

from __future__ import annotations

from typing import Any

MISSING: Any = object()
"""What `property_at` returns where the event has no such property (`None` is a JSON value of its own)."""


def parse_property_path(text: str) -> tuple[str, ...]:
    r"""Split `content.m\.relates_to.rel_type` into the names of the properties along the path.

    A backslash before a dot or a backslash makes it part of a name; any other backslash stands for itself.
    """
    if "\\" not in text:
        return tuple(text.split("."))
    names: list[str] = []
    name: list[str] = []
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] in (".", "\\"):
            position += 1
            name.append(text[position])
        elif character == ".":
            names.append("".join(name))
            name.clear()
        else:
            name.append(character)
        position += 1
    names.append("".join(name))
    return tuple(names)


def property_at(value: Any, path: tuple[str, ...]) -> Any:
    """Return the property that `path` leads to, starting from a JSON object, or `MISSING`."""
    for name in path:
        if not isinstance(value, dict):
            return MISSING
        value = value.get(name, MISSING)
    return value
