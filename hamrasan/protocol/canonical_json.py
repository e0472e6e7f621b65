"""The one door for JSON (appendices, "Canonical JSON").

What the libraries underneath do with doubtful input was measured, and is decided here once:

- Floats: orjson writes them (`1.0`, NaN as `null`), so they are refused while reading, or by `check_canonical`.
- Integers: orjson reads 2^64 and above as a float, so msgspec reads; it keeps them exact.
- Depth: msgspec raises `RecursionError` near a thousand levels, orjson writes 254; `MAX_JSON_DEPTH` is below both.
- Lone surrogates, invalid UTF-8, NaN, Infinity and a byte order mark are refused everywhere.
- What orjson writes lies in a buffer of at least 4 KiB, whatever its length; what is kept goes through `compact`.
- Of duplicate keys in an object the last one wins, as in every common library; the specification does not forbid them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NoReturn

import msgspec
import orjson

from hamrasan.protocol.errors import MatrixError, bad_json, not_json
from hamrasan.protocol.limits import MAX_CANONICAL_INT, MAX_JSON_DEPTH, MIN_CANONICAL_INT

_CACHED_STRINGS = 16_384
"""Senders, types and room ids whose JSON form is kept: those of the busy rooms."""
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER

_TOO_DEEP = f"The JSON is nested deeper than {MAX_JSON_DEPTH} levels."
_INTEGER_RANGE = f"Integers must lie between {MIN_CANONICAL_INT} and {MAX_CANONICAL_INT}."
_UNREPRESENTABLE_NUMBER = "The JSON contains a number that is too large."
_NO_FLOATS = "Numbers with a fraction or an exponent are not allowed here."
_NO_SURROGATES = "The JSON contains half of a surrogate pair, which is not a character."


def _refuse_float(_text: str) -> NoReturn:
    raise bad_json(_NO_FLOATS)


_LENIENT_DECODER = msgspec.json.Decoder()
_STRICT_DECODER = msgspec.json.Decoder(float_hook=_refuse_float)


def parse_json(data: bytes) -> Any:
    """Read JSON that may hold any number; the values are dicts, lists, strings, integers, floats, booleans, None.

    Raises `M_NOT_JSON` if it is no JSON, `M_BAD_JSON` if it is too deep or a number is out of every range.
    Integers come back exact, whatever their size.
    """
    return _decode(_LENIENT_DECODER, data)


def parse_strict_json(data: bytes) -> Any:
    """Read JSON that canonical JSON can express, as events need it: no floats, integers within ±(2^53-1).

    Raises `M_NOT_JSON` if it is no JSON, else `M_BAD_JSON`. What it returns needs no `check_canonical`.
    """
    value = _decode(_STRICT_DECODER, data)
    try:
        # Writing checks every integer, and is ten times faster than walking over the value.
        orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError:
        raise bad_json(_INTEGER_RANGE) from None
    return value


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        value = decoder.decode(data)
    except msgspec.ValidationError:
        raise bad_json(_UNREPRESENTABLE_NUMBER) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_json(f"This is not valid JSON: {error}.") from None
    except RecursionError:
        raise bad_json(_TOO_DEEP) from None
    # A level takes two bytes, and each level one opening bracket: most documents are cleared without a look inside.
    if (
        len(data) > 2 * MAX_JSON_DEPTH
        and data.count(b"[") + data.count(b"{") > MAX_JSON_DEPTH
        and _deeper_than(value, MAX_JSON_DEPTH)
    ):
        raise bad_json(_TOO_DEEP)
    return value


def encode_json(value: Any) -> bytes:
    """Write JSON as compact as possible, keys in the order they have; for answers, not for what is hashed.

    Raises `M_BAD_JSON` if `value` cannot be written.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise bad_json(f"This cannot be written as JSON: {error}.") from None


def compact(written: bytes) -> bytes:
    """Return the same bytes in a buffer of just their length, for JSON that is kept in memory.

    An event of 150 bytes would take 4 KiB otherwise, twice; the copy takes a fifth of a microsecond.
    """
    return b"%b" % written


@lru_cache(_CACHED_STRINGS)
def json_string(text: str) -> bytes:
    """Return `text` as a JSON string; for senders, types and ids, which come again and again."""
    return compact(orjson.dumps(text))


def encode_canonical(value: Any) -> bytes:
    """Write `value` as canonical JSON (appendices, "Canonical JSON").

    Raises `M_BAD_JSON` for integers beyond ±(2^53-1), lone surrogates and whatever is not JSON. Floats are not looked
    for: a value that did not come through `parse_strict_json` goes through `encode_canonical_checked`.
    """
    try:
        return orjson.dumps(value, option=_CANONICAL)
    except orjson.JSONEncodeError as error:
        raise bad_json(f"This cannot be written as canonical JSON: {error}.") from None


def encode_canonical_checked(value: Any) -> bytes:
    """Write a value of unknown origin as canonical JSON; raise `M_BAD_JSON` for all that `check_canonical` refuses."""
    check_canonical(value)
    return encode_canonical(value)


def encode_lenient_canonical(value: Any) -> bytes:
    """Write canonical JSON as rooms before version 6 hash it: integers of any size, and floats as Python writes them.

    Those versions must not enforce the strict form (room version 1, "Canonical JSON"), and what the first homeserver,
    in Python, wrote is what the rooms' servers agree on. Raises `M_BAD_JSON` for NaN, lone surrogates, too much depth.
    """
    try:
        return encode_canonical_checked(value)  # several times faster, and the same bytes where it succeeds
    except MatrixError:
        pass
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
        return text.encode()
    except UnicodeEncodeError:
        raise bad_json(_NO_SURROGATES) from None
    except RecursionError:
        raise bad_json(_TOO_DEEP) from None
    except (TypeError, ValueError) as error:
        raise bad_json(f"This cannot be written as JSON: {error}.") from None


def check_canonical(value: Any) -> None:
    """Raise `M_BAD_JSON` unless canonical JSON can express `value`: no floats, no large integers, only string keys."""
    level: list[Any] = [[value]]
    for _ in range(MAX_JSON_DEPTH + 1):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                for key in container:
                    _check_key(key)
                _check_values(container.values(), below)
            else:
                _check_values(container, below)
        if not below:
            return
        level = below
    raise bad_json(_TOO_DEEP)


def _check_values(values: Iterable[Any], below: list[Any]) -> None:
    """Check the scalars among `values`, and add the containers to `below`."""
    for value in values:
        kind = type(value)
        if kind is str:
            _check_string(value)
        elif kind is dict or kind is list or kind is tuple:
            below.append(value)
        elif kind is int:
            if not MIN_CANONICAL_INT <= value <= MAX_CANONICAL_INT:
                raise bad_json(_INTEGER_RANGE)
        elif kind is float:
            raise bad_json(_NO_FLOATS)
        elif value is not None and kind is not bool:
            raise bad_json(f"A value of the type '{kind.__name__}' cannot be written as JSON.")


def _check_key(key: Any) -> None:
    if type(key) is not str:
        raise bad_json("The keys of a JSON object must be strings.")
    _check_string(key)


def _check_string(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise bad_json(_NO_SURROGATES) from None


def _deeper_than(value: Any, limit: int) -> bool:
    """Tell whether arrays and objects in `value` are nested more than `limit` deep, without recursion."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def check_object(value: Any, what: str) -> dict[str, Any]:
    """Return `value` if it is a JSON object; raise `M_BAD_JSON` that names `what` if not."""
    if type(value) is not dict:
        raise bad_json(f"{what} must be a JSON object.")
    return value
