"""One thing wrong: in the body, in a value of it, in the path, the query, a header, or the method."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from tests.fuzz.drafts import Draft, Pairs, Raw, write_json

HUGE = "x" * 100_000
EVENT_SIZES = (65_000, 65_536, 70_000)

VALUES: dict[str, Any] = {
    "null": None, "true": True, "false": False, "zero": 0, "negative": -1, "empty text": "", "empty list": [],
    "empty object": {}, "list of null": [None], "list of lists": [[[]]], "object in object": {"": {"": {}}},
    "huge text": HUGE, "256 bytes": "@" + "y" * 300, "NUL": "\u0000", "bidi": "\u202e\u2066abc\u2069", "text": "text",
    "wrong sigil": "?abc:hamrasan.test", "no server": "@abc", "odd server": "@abc:[::::]:99999999", "blank": "   ",
    "lone slash": "/", "line breaks": "a\r\nb", "combining": "a" + "\u0301" * 400, "last code point": "\U0010ffff",
    "long room id": "!" + "z" * 254, "event id": "$" + "B" * 43, "number as text": "12", "wide list": [0] * 20_000,
    "wide object": {str(number): None for number in range(5_000)},
    "float": Raw(b"1.5"), "one as float": Raw(b"1.0"), "exponent": Raw(b"1e3"), "huge exponent": Raw(b"1e400"),
    "2^53": Raw(b"9007199254740992"), "2^63": Raw(b"9223372036854775808"), "2^64": Raw(b"18446744073709551616"),
    "-2^63-1": Raw(b"-9223372036854775809"), "5000 digits": Raw(b"9" * 5000), "minus zero": Raw(b"-0"),
    "leading zero": Raw(b"007"), "NaN": Raw(b"NaN"), "Infinity": Raw(b"-Infinity"), "surrogate": Raw(b'"\\ud800"'),
    "swapped pair": Raw(b'"\\udc00\\ud800"'), "invalid UTF-8": Raw(b'"\xff\xfe"'), "overlong": Raw(b'"\xc0\xaf"'),
    "surrogate in UTF-8": Raw(b'"\xed\xa0\x80"'), "control character": Raw(b'"a\x01b"'), "bad escape": Raw(b'"\\x41"'),
    "single quotes": Raw(b"'a'"), "120 deep": Raw(b"[" * 120 + b"]" * 120), "127 deep": Raw(b"[" * 127 + b"]" * 127),
    "deep objects": Raw(b'{"a":' * 200 + b"1" + b"}" * 200), "1000 deep": Raw(b"[" * 1000 + b"]" * 1000),
    "100000 deep": Raw(b"[" * 100_000 + b"]" * 100_000), "never closed": Raw(b"[" * 5000),
    "same key twice": Raw(b'{"a":1,"a":{"b":2}}'),
}  # fmt: skip

BODIES: dict[str, bytes | None] = {
    "no body": None, "empty body": b"", "blank body": b"  \n", "array": b"[]", "array of object": b"[{}]",
    "text": b'"text"', "number": b"1", "null": b"null", "true": b"true", "empty object": b"{}", "not JSON": b"{nope}",
    "byte order mark": b"\xef\xbb\xbf{}", "UTF-16": '{"a":1}'.encode("utf-16"), "NUL": b"\0", "NULs": b"\0" * 1000,
    "comment": b"{} // a", "trailing comma": b'{"a":1,}', "two values": b"{}{}", "form": b"a=b&c=d",
    "blanks of a megabyte": b"{" + b" " * 1_000_000 + b"}", "too large": b'{"a":"' + b"x" * 1_048_576 + b'"}',
    "deep": b"[" * 500_000 + b"]" * 500_000, "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "many keys": b"{" + b",".join(b'"%d":0' % number for number in range(60_000)) + b"}",
    "invalid UTF-8": b'{"a":"\xff"}', "gzip": b"\x1f\x8b\x08\x00" + b"\x00" * 30,
    "key too long": b'{"' + b"k" * 70_000 + b'":1}',
    "__proto__": b'{"__proto__":{"admin":true},"constructor":1}',
}  # fmt: skip

SEGMENTS = {
    "empty": "", "dot": ".", "dots": "..", "escaped dots": "%2e%2e", "NUL": "%00", "bad UTF-8": "%ff",
    "lone percent": "%",
    "bad escape": "%zz", "half escape": "a%4", "escaped slash": "a%2Fb", "double escape": "%2525", "plus": "a+b",
    "escaped line break": "a%0d%0ab", "escaped surrogate": "%ed%a0%80", "overlong": "%c0%af", "semicolon": "a;b=c",
    "raw UTF-8": "\u0633\u0644\u0627\u0645", "raw byte": "\udcff", "blank": "a b", "escaped blank": "a%20b",
    "300": "q" * 300,
    "10000": "q" * 10_000, "20000": "q" * 20_000, "wrong sigil": "%3Fabc%3Ahamrasan.test", "no server": "%40abc",
    "foreign user": "%40abc%3Aelsewhere.example", "foreign room": "%21abc%3Aelsewhere.example", "star": "*",
    "foreign alias": "%23abc%3Aelsewhere.example", "event": "%24" + "C" * 43, "number": "1", "minus": "-1",
    "quote": "%27%22",
    "bidi": "%E2%80%AEabc", "hash": "a#b", "question": "a%3Fb", "long escape": "%D8%B3" * 400, "braces": "{room_id}",
}  # fmt: skip

QUERIES = {
    "empty": "", "negative": "-1", "zero": "0", "huge": "9" * 30, "2^53": "9007199254740992",
    "2^63": "9223372036854775808",
    "float": "1.5", "exponent": "1e3", "text": "abc", "true": "true", "capital": "TRUE", "escape": "%",
    "bad UTF-8": "%ff",
    "NUL": "%00", "blank": "+", "other digits": "%D9%A3", "long": "y" * 8_000, "object": "%7B%7D", "list": "%5B1%5D",
    "deep": "%5B" * 4_000, "filter": "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A-1%7D%7D%7D",
    "odd filter": "%7B%22types%22%3A%5B%22" + "%2A" * 200 + "b%22%5D%7D", "surrogate": "%7B%22a%22%3A%22%5Cud800%22%7D",
    "line break": "a%0d%0ab", "event": "%24" + "D" * 43, "plus sign": "%2B5", "hexadecimal": "0x10",
    "underscores": "1_0",
    "float in filter": "%7B%22limit%22%3A1.5%7D", "huge in filter": "%7B%22limit%22%3A" + "9" * 25 + "%7D",
}  # fmt: skip
KNOWN_QUERIES = (
    "limit", "from", "to", "dir", "since", "filter", "timeout", "access_token", "user_id", "kind", "ts", "device_id",
    "org.example", "",
)  # fmt: skip

HEADERS: dict[str, tuple[str, bytes]] = {
    "plain text": ("Content-Type", b"text/plain"), "no type": ("Content-Type", b""), "form": (
        "Content-Type", b"application/x-www-form-urlencoded"
    ), "odd charset": ("Content-Type", b"application/json; charset=utf-16"), "XML": ("Content-Type", b"text/xml"),
    "multipart": ("Content-Type", b"multipart/form-data; boundary="), "no token": ("Authorization", b""),
    "bearer only": ("Authorization", b"Bearer"), "empty bearer": ("Authorization", b"Bearer "),
    "unknown token": ("Authorization", b"Bearer nothing"), "basic": ("Authorization", b"Basic YTpi"),
    "long token": ("Authorization", b"Bearer " + b"t" * 8_000), "byte token": ("Authorization", b"Bearer \xff\xfe"),
    "two tokens": ("Authorization", b"Bearer a, Bearer b"), "tab token": ("Authorization", b"Bearer\tabc"),
    "X-Matrix": ("Authorization", b'X-Matrix origin="a",key="b",sig="c"'), "proxied": ("X-Forwarded-For", b"::1, a, ,"),
    "gzip": ("Content-Encoding", b"gzip"), "no answer wanted": ("Accept", b"text/html;q=0"),
    "range": ("Range", b"bytes=0-1"),
    "language": ("Accept-Language", b"*;q=99,\xff"), "origin": ("Origin", b"null"), "cookie": ("Cookie", b"a" * 4_000),
    "condition": ("If-None-Match", b"*"), "override": ("X-HTTP-Method-Override", b"DELETE"),
}  # fmt: skip
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND")

Mutation = Callable[[Draft, Random], str]
"""Changes a draft and returns what was done."""


def mutate(draft: Draft, rng: Random) -> Draft:
    """Return a draft with one thing wrong, now and then two."""
    for _ in range(2 if rng.random() < 0.15 else 1):
        mutation = rng.choices(*_choices(draft))[0]
        draft.notes.append(mutation(draft, rng))
    return draft


def _choices(draft: Draft) -> tuple[list[Mutation], list[int]]:
    has_members = isinstance(draft.body, dict) and bool(draft.body)
    takes_body = draft.method in ("PUT", "POST")
    weights: list[tuple[Mutation, int]] = [
        (_value, 40 if has_members else 0),
        (_members, 12 if has_members else 0),
        (_whole_body, 15 if takes_body else 2),
        (_segment, 15 if draft.parameters else 0),
        (_path, 4),
        (_query_value, 20 if draft.query else 0),
        (_query_name, 6),
        (_header, 8),
        (_method, 4),
    ]
    return [mutation for mutation, _ in weights], [weight for _, weight in weights]


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return every container with every key or index in it."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return found
    for key in keys:
        found.append((value, key))
        _places(value[key], found)
    return found


def _value(draft: Draft, rng: Random) -> str:
    container, key = rng.choice(_places(draft.body, []))
    if rng.random() < 0.05:
        size = rng.choice(EVENT_SIZES)
        container[key] = "s" * size
        return f"value: {key} = {size} bytes"
    name = rng.choice(list(VALUES))
    container[key] = deepcopy(VALUES[name])  # a second mutation may change it
    return f"value: {name}"


def _members(draft: Draft, rng: Random) -> str:
    objects = [(c, k) for c, k in _places(draft.body, []) if isinstance(c, dict)]
    container, key = rng.choice(objects)
    match rng.randrange(5):
        case 0:
            del container[key]
            return "member: missing"
        case 1:
            container[f"{key} "] = container.pop(key)
            return "member: renamed"
        case 2:
            draft.raw_body = write_json(Pairs((*draft.body.items(), *((k, None) for k in draft.body))))
            return "member: twice"
        case 3:
            container["\u0000\u202e"] = {"": []}
            return "member: odd name"
        case _:
            container["z" * 70_000] = 1
            return "member: huge name"


def _whole_body(draft: Draft, rng: Random) -> str:
    name = rng.choice([*BODIES, "cut short", "more behind"])
    text = write_json(draft.body)
    if name == "cut short":
        draft.raw_body = text[: rng.randrange(len(text) + 1)]
    elif name == "more behind":
        draft.raw_body = text + b"]"
    else:
        draft.raw_body = BODIES[name]
        draft.body = None if draft.raw_body is None else draft.body
    return f"body: {name}"


def _segment(draft: Draft, rng: Random) -> str:
    name = rng.choice(list(SEGMENTS))
    index = rng.choice(draft.parameters)
    if index >= len(draft.segments):
        index = -1
    draft.segments[index] = SEGMENTS[name]
    return f"segment: {name}"


def _path(draft: Draft, rng: Random) -> str:
    match rng.randrange(7):
        case 0:
            draft.segments.append("")
            return "path: slash at the end"
        case 1:
            draft.segments.insert(rng.randrange(len(draft.segments)), "")
            return "path: two slashes"
        case 2:
            draft.segments.append("more")
            return "path: longer"
        case 3:
            draft.segments = draft.segments[:-1] or [""]
            return "path: shorter"
        case 4:
            draft.segments = [part.upper() for part in draft.segments]
            return "path: capitals"
        case 5:
            draft.segments = ["r0" if part == "v3" else part for part in draft.segments]
            return "path: old version"
        case _:
            draft.segments = [
                "".join(f"%{byte:02x}" for byte in part.encode("utf-8", "surrogateescape"))
                if "%" not in part
                else part
                for part in draft.segments
            ]
            return "path: all escaped"


def _query_value(draft: Draft, rng: Random) -> str:
    index, name = rng.randrange(len(draft.query)), rng.choice(list(QUERIES))
    draft.query[index] = (draft.query[index][0], QUERIES[name])
    return f"query: {name}"


def _query_name(draft: Draft, rng: Random) -> str:
    name = rng.choice(KNOWN_QUERIES)
    text = rng.choice(list(QUERIES))
    draft.query += [(name, QUERIES[text])] * rng.choice((1, 1, 1, 3))
    return f"query: added {name}"


def _header(draft: Draft, rng: Random) -> str:
    name = rng.choice(list(HEADERS))
    header, value = HEADERS[name]
    draft.headers = [other for other in draft.headers if other[0] != header]
    draft.headers.append((header, value))
    if header == "Authorization":
        draft.user_id = None
    return f"header: {name}"


def _method(draft: Draft, rng: Random) -> str:
    draft.method = rng.choice([method for method in METHODS if method != draft.method])
    return f"method: {draft.method}"
