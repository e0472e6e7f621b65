"""The one door for JSON (appendices, "Canonical JSON")."""

from __future__ import annotations

import json
from typing import Any

import canonicaljson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hamrasan.protocol.canonical_json import (
    check_canonical,
    check_object,
    encode_canonical,
    encode_canonical_checked,
    encode_json,
    encode_lenient_canonical,
    parse_json,
    parse_strict_json,
)
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.limits import MAX_CANONICAL_INT, MAX_JSON_DEPTH, MIN_CANONICAL_INT

canonical_integers = st.integers(MIN_CANONICAL_INT, MAX_CANONICAL_INT)
canonical_values = st.recursive(
    st.none() | st.booleans() | canonical_integers | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=25,
)
any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats()
    | st.text(st.characters(categories=["Cs", "L"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)

SPEC_EXAMPLES = [
    ("{}", "{}"),
    ('{ "one": 1, "two": "Two" }', '{"one":1,"two":"Two"}'),
    ('{ "b": "2", "a": "1" }', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        '{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":['
        '{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}',
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":['
        '{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ),
    ('{ "a": "日本語" }', '{"a":"日本語"}'),
    ('{ "本": 2, "日": 1 }', '{"日":1,"本":2}'),
    ('{ "a": "\\u65E5" }', '{"a":"日"}'),
    ('{ "a": null }', '{"a":null}'),
    ('{ "a": -0, "b": 10000000000 }', '{"a":0,"b":10000000000}'),
]


def refusal(call: Any, *args: Any) -> MatrixError:
    with pytest.raises(MatrixError) as refused:
        call(*args)
    assert refused.value.status == 400
    return refused.value


def errcode_of(call: Any, *args: Any) -> str | None:
    """Return the code of the refusal, or None; any other exception fails the test."""
    try:
        call(*args)
    except MatrixError as error:
        return error.errcode
    return None


def nested(depth: int) -> bytes:
    return (
        b'{"a":' * (depth // 2)
        + b"[" * (depth - depth // 2)
        + b"]" * (depth - depth // 2)
        + b"}" * (depth // 2)
    )


@pytest.mark.parametrize(("source", "canonical"), SPEC_EXAMPLES)
def test_the_examples_of_the_specification(source: str, canonical: str) -> None:
    assert encode_canonical(parse_strict_json(source.encode())) == canonical.encode()


@given(canonical_values)
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    encoded = encode_canonical(value)
    assert parse_strict_json(encoded) == value
    assert parse_json(encoded) == value
    assert encode_canonical(parse_strict_json(encoded)) == encoded


@given(canonical_values)
@example({"\U0001f600": 1, "\uffff": 2, "é": 3, "z": 4})
@example("".join(map(chr, range(0x300))))
def test_the_reference_implementation_writes_the_same_bytes(value: Any) -> None:
    expected = canonicaljson.encode_canonical_json(value)
    assert encode_canonical(value) == expected
    assert encode_canonical_checked(value) == expected
    assert encode_lenient_canonical(value) == expected


@given(canonical_values)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    def reversed_keys(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {key: reversed_keys(inner[key]) for key in reversed(inner)}
        return [reversed_keys(item) for item in inner] if isinstance(inner, list) else inner

    assert encode_canonical(reversed_keys(value)) == encode_canonical(value)


@given(any_values)
@example(2**53)
@example(-(2**53))
@example(1.0)
@example(["\ud800"])
@example({"a": float("nan")})
def test_the_strict_reader_and_the_check_agree_and_never_fail_otherwise(value: Any) -> None:
    data = json.dumps(value).encode()
    if errcode_of(check_canonical, value) is None:
        assert parse_strict_json(data) == value
    else:
        assert errcode_of(check_canonical, value) == "M_BAD_JSON"
        assert errcode_of(encode_canonical_checked, value) == "M_BAD_JSON"
        assert errcode_of(parse_strict_json, data) in {"M_BAD_JSON", "M_NOT_JSON"}


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_json, parse_strict_json):
        errcode = errcode_of(parse, data)
        if errcode is None:
            assert parse(data) == json.loads(data)
        else:
            assert errcode in {"M_NOT_JSON", "M_BAD_JSON"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nul",
        b"{} {}",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"01",
        b"'a'",
        b"[1,]",
        b'{"a":1,}',
        b'"\xff"',
        b'{"\xff":1}',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\ud800 and more text"',
        b'"\\ude00\\ud83d"',
        b'"a\x00"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    assert refusal(parse_json, data).errcode == "M_NOT_JSON"
    assert refusal(parse_strict_json, data).errcode == "M_NOT_JSON"


@pytest.mark.parametrize("data", [b"1.0", b"1e10", b"-0.0", b'{"a":[0.5]}', b"1E2"])
def test_floats_pass_only_the_lenient_reader(data: bytes) -> None:
    assert parse_json(data) == json.loads(data)
    assert refusal(parse_strict_json, data).errcode == "M_BAD_JSON"


@pytest.mark.parametrize("number", [MAX_CANONICAL_INT, MIN_CANONICAL_INT, 0])
def test_the_largest_canonical_integers_pass(number: int) -> None:
    assert parse_strict_json(b'{"a":[%d]}' % number) == {"a": [number]}
    check_canonical({"a": [number]})


@pytest.mark.parametrize(
    "number", [MAX_CANONICAL_INT + 1, MIN_CANONICAL_INT - 1, 2**63, 2**64, -(2**64), 10**300]
)
def test_integers_one_further_pass_only_the_lenient_reader(number: int) -> None:
    data = b'{"a":[%d]}' % number
    assert parse_json(data) == {"a": [number]}
    assert type(parse_json(data)["a"][0]) is int
    for call, argument in (
        (parse_strict_json, data),
        (check_canonical, {"a": [number]}),
        (encode_canonical, {"a": [number]}),
    ):
        assert refusal(call, argument).errcode == "M_BAD_JSON"


@pytest.mark.parametrize("data", [b"1e400", b"-1e400", b"9" * 5_000])
def test_numbers_beyond_every_range_are_refused(data: bytes) -> None:
    assert refusal(parse_json, data).errcode == "M_BAD_JSON"
    assert refusal(parse_strict_json, data).errcode == "M_BAD_JSON"


@pytest.mark.parametrize("parse", [parse_json, parse_strict_json])
def test_the_depth_of_a_document_is_limited(parse: Any) -> None:
    value = parse(nested(MAX_JSON_DEPTH))
    check_canonical(value)
    assert encode_canonical(value) == nested(MAX_JSON_DEPTH)
    for depth in (MAX_JSON_DEPTH + 1, 500, 2_000, 100_000):
        assert refusal(parse, nested(depth)).errcode == "M_BAD_JSON"
        assert refusal(parse, b"[" * depth + b"]" * depth).errcode == "M_BAD_JSON"


def test_brackets_side_by_side_or_in_strings_are_not_depth() -> None:
    flat = {"list": [[] for _ in range(1_000)], "text": "[" * 1_000}
    assert parse_json(encode_json(flat)) == flat
    assert parse_strict_json(encode_json(flat)) == flat


def test_a_value_that_is_too_deep_or_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: Any = None
    for _ in range(MAX_JSON_DEPTH + 1):
        deep = [deep]
    for value in (endless, deep):
        assert refusal(check_canonical, value).errcode == "M_BAD_JSON"
    assert refusal(encode_canonical, endless).errcode == "M_BAD_JSON"
    assert refusal(encode_json, endless).errcode == "M_BAD_JSON"
    assert refusal(encode_lenient_canonical, endless).errcode == "M_BAD_JSON"


def test_the_last_of_duplicate_keys_wins() -> None:
    assert parse_json(b'{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}
    assert parse_strict_json(b'{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}


@pytest.mark.parametrize("value", [{1: 2}, {"a": b"bytes"}, {"a": {1}}, ["\ud800"], {"\ud800": 1}])
def test_values_that_are_not_json_are_refused(value: Any) -> None:
    assert refusal(check_canonical, value).errcode == "M_BAD_JSON"
    assert refusal(encode_canonical, value).errcode == "M_BAD_JSON"
    assert refusal(encode_json, value).errcode == "M_BAD_JSON"


def test_the_lenient_writer_takes_what_old_rooms_hold_and_no_more() -> None:
    assert encode_lenient_canonical({"b": 2**60, "a": 1.5}) == b'{"a":1.5,"b":1152921504606846976}'
    assert encode_lenient_canonical({"a": 1e22}) == b'{"a":1e+22}'
    for value in (float("nan"), float("inf"), "\ud800", b"bytes"):
        assert refusal(encode_lenient_canonical, {"a": value}).errcode == "M_BAD_JSON"


def test_only_objects_are_objects() -> None:
    value: dict[str, Any] = {"a": 1}
    assert check_object(value, "The content") is value
    others: list[Any] = [[], "a", None, 1]
    for other in others:
        assert "The content" in refusal(check_object, other, "The content").message
