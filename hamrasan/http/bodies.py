"""JSON bodies as msgspec structs, with refusals that name the field."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from hamrasan.protocol.canonical_json import parse_strict_json
from hamrasan.protocol.errors import MatrixError, bad_json, missing_param

T = TypeVar("T")

_LOCATED = re.compile(r"(?P<reason>.*?)(?: - at `(?P<where>\$[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_JSON_NAMES = {
    "`int`": "an integer",
    "`str`": "a string",
    "`bool`": "a boolean",
    "`array`": "an array",
    "`object`": "an object",
    "`null`": "null",
    "`float`": "a number",
}


def decode_struct(body: bytes, struct_type: type[T]) -> T:
    """Return `body` as `struct_type`.

    Raises M_NOT_JSON, M_MISSING_PARAM for an absent field, M_BAD_JSON for a wrong type or value; both name the field.
    The text goes through the one door for JSON first, so floats and integers beyond 2^53-1 never get into a struct.
    """
    value = parse_strict_json(body)
    try:
        return msgspec.convert(value, struct_type)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None


def refusal_of(reason: str) -> MatrixError:
    """Translate msgspec's reason into an error of the protocol."""
    located = _LOCATED.fullmatch(reason)
    what, where = (located["reason"], located["where"]) if located else (reason, None)
    field = (where or "$").removeprefix("$").removeprefix(".").replace("[...]", ".*")
    missing = _MISSING.fullmatch(what)
    if missing is not None:
        return missing_param(f"{field}.{missing['field']}" if field else missing["field"])
    for name, words in _JSON_NAMES.items():
        what = what.replace(name, words)
    what = what[:1].lower() + what[1:]
    return bad_json(f"The field '{field}': {what}." if field else f"The request body: {what}.")
