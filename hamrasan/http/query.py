"""The query of a request, and percent-decoding that refuses what it cannot read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import overload

from hamrasan.protocol.errors import invalid_param, missing_param

MAX_INTEGER = 2**53 - 1
"""The largest integer of canonical JSON; a larger one in a query means nothing to us."""
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_HEX = "0123456789abcdefABCDEF"
_BYTE_OF = {(high + low).encode(): bytes([int(high + low, 16)]) for high in _HEX for low in _HEX}
_ASCII_OF = {high + low: chr(int(high + low, 16)) for high in "01234567" for low in _HEX}


def percent_decode(text: str) -> str:
    """Return `text` with its percent-escapes resolved (RFC 3986, section 2.1).

    Raises M_INVALID_PARAM for an incomplete escape or one that does not give UTF-8.
    """
    pieces = text.split("%")
    if len(pieces) == 1:
        return text
    try:
        # Nearly all escapes stand for ASCII (`!` and `:` in ids), and need no bytes.
        return pieces[0] + "".join([_ASCII_OF[piece[:2]] + piece[2:] for piece in pieces[1:]])
    except KeyError:
        return _decode_bytes(text)


def _decode_bytes(text: str) -> str:
    first, *rest = text.encode().split(b"%")
    try:
        return (first + b"".join([_BYTE_OF[piece[:2]] + piece[2:] for piece in rest])).decode()
    except (KeyError, UnicodeDecodeError):
        raise invalid_param(
            "The address contains a percent-escape that is incomplete or not UTF-8."
        ) from None


class Query:
    """Parameters of the query string, in order; a name may occur more than once."""

    __slots__ = ("_values",)

    def __init__(self, text: str) -> None:
        """Parse the part after `?`. Raises M_INVALID_PARAM for bad escapes."""
        values: dict[str, list[str]] = {}
        for pair in text.split("&"):
            if pair:
                name, _, value = pair.replace("+", " ").partition("=")
                values.setdefault(percent_decode(name), []).append(percent_decode(value))
        self._values = values

    def one(self, name: str) -> str | None:
        """Return the first value of `name`, or None."""
        values = self._values.get(name)
        return None if values is None else values[0]

    def all(self, name: str) -> list[str]:
        """Return all the values of `name`."""
        return list(self._values.get(name, ()))

    def required(self, name: str) -> str:
        """Return the first value of `name`; raises M_MISSING_PARAM without one."""
        value = self.one(name)
        if value is None:
            raise missing_param(name)
        return value

    def names(self) -> Iterable[str]:
        """Return the names that occur."""
        return self._values.keys()

    @overload
    def integer(self, name: str, default: int, minimum: int = 0, maximum: int = MAX_INTEGER) -> int: ...
    @overload
    def integer(
        self, name: str, default: None = None, minimum: int = 0, maximum: int = MAX_INTEGER
    ) -> int | None: ...
    def integer(
        self, name: str, default: int | None = None, minimum: int = 0, maximum: int = MAX_INTEGER
    ) -> int | None:
        """Return `name` as a whole number, `default` if it is absent.

        More than `maximum` is lowered to it, since clients ask for more than a server gives as a matter of course.
        Raises M_INVALID_PARAM for less than `minimum` and for what is no whole number.
        """
        text = self.one(name)
        if text is None:
            return default
        if not _INTEGER.fullmatch(text):
            raise invalid_param(f"The parameter '{name}' must be a whole number.")
        number = int(text)
        if number < minimum:
            raise invalid_param(f"The parameter '{name}' must be at least {minimum}.")
        return min(number, maximum)

    @overload
    def choice(self, name: str, allowed: Iterable[str], default: str) -> str: ...
    @overload
    def choice(self, name: str, allowed: Iterable[str], default: None = None) -> str | None: ...
    def choice(self, name: str, allowed: Iterable[str], default: str | None = None) -> str | None:
        """Return `name` if it is one of `allowed`, `default` if it is absent; raises M_INVALID_PARAM for others."""
        text = self.one(name)
        if text is None:
            return default
        known = list(allowed)
        if text not in known:
            raise invalid_param(f"The parameter '{name}' must be one of: {', '.join(known)}.")
        return text

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return `name` as truth value, `default` if it is absent; raises M_INVALID_PARAM unless `true` or `false`."""
        return self.choice(name, ("true", "false"), "true" if default else "false") == "true"
