"""A request on the way to the wire: kept in parts, so that a mutation can change one and a reproduction drop others."""

from __future__ import annotations

import json
import shlex
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Header = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that stand in a body as they are, for values that no writer of JSON would write."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object of which a key may occur twice."""

    items: tuple[tuple[str, Any], ...]


def write_json(value: Any) -> bytes:
    """Return `value` as JSON, with `Raw` and `Pairs` in it."""
    match value:
        case Raw(text):
            return text
        case Pairs(items):
            return b"{" + b",".join(_member(key, inner) for key, inner in items) + b"}"
        case dict():
            return b"{" + b",".join(_member(key, inner) for key, inner in value.items()) + b"}"
        case list():
            return b"[" + b",".join(write_json(inner) for inner in value) + b"]"
        case _:
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _member(key: str, value: Any) -> bytes:
    return json.dumps(key).encode() + b":" + write_json(value)


def escape(text: str) -> str:
    """Return a value as a segment of a path or in a query."""
    return quote(text, safe="")


@dataclass(slots=True)
class Draft:
    """One request. `segments` and `query` are escaped already; `raw_body` goes before `body`."""

    operation: str
    method: str
    segments: list[str]
    parameters: list[int] = field(default_factory=list)
    """Which of the segments are the values of parameters."""
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    body: Any = None
    raw_body: bytes | None = None
    user_id: str | None = None
    """Whose token it carries, while nothing has changed that."""
    notes: list[str] = field(default_factory=list)
    """What was done to it; nothing for a valid request."""

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    @property
    def target(self) -> str:
        pairs = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{pairs}" if pairs else self.path

    @property
    def may_wait(self) -> bool:
        """Whether the server may keep it until there is news."""
        return any(name == "timeout" for name, _ in self.query)

    def payload(self) -> bytes | None:
        """Return the body as it is sent, None for a request without one."""
        if self.raw_body is not None:
            return self.raw_body
        return None if self.body is None else write_json(self.body)

    def encode(self) -> bytes:
        """Return the whole request as it goes over the wire."""
        lines = [f"{self.method} ".encode() + self.target.encode("utf-8", "surrogateescape") + b" HTTP/1.1"]
        lines.append(b"Host: hamrasan.test")
        lines += [name.encode() + b": " + value for name, value in self.headers]
        payload = self.payload()
        if payload is not None and not self._says_length():
            lines.append(b"Content-Length: %d" % len(payload))
        return b"\r\n".join(lines) + b"\r\n\r\n" + (payload or b"")

    def _says_length(self) -> bool:
        return any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self.headers)

    def copy(self) -> Draft:
        """Return a copy that shares nothing."""
        return deepcopy(self)

    def curl(self, url: str) -> str:
        """Return the request as a command; `$TOKEN` stands for the token."""
        words = ["curl", "-sS", "--path-as-is", "-X", self.method, url + self.target]
        for name, value in self.headers:
            text = "Bearer $TOKEN" if name == "Authorization" and self.user_id else _readable(value)
            words += ["-H", f"{name}: {text}"]
        payload = self.payload()
        if payload is not None:
            words += ["--data-binary", _readable(payload)]
        return " ".join(shlex.quote(word) for word in words)


SHOWN_BYTES = 2_000
"""Of a body that is longer, the middle is left out where it is shown."""


def _readable(data: bytes) -> str:
    if len(data) > SHOWN_BYTES:
        half = SHOWN_BYTES // 2
        data = data[:half] + b"...(%d bytes)..." % (len(data) - SHOWN_BYTES) + data[-half:]
    return data.decode("utf-8", "backslashreplace")
