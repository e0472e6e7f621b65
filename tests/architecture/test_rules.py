"""Rules that syntax trees can check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import files, place, tree

_SQL = re.compile(
    r"\s*(?:select\s|insert\s+(?:or\s|into\s)|replace\s+into\b|update\s+\S+\s+set\b|delete\s+from\b|with\s+\w+\s+as\b"
    r"|create\s+(?:table|index|unique|trigger|view|temp)\b|drop\s+(?:table|index)\b|alter\s+table\b|explain\b)",
    re.IGNORECASE,
)
_VERSION_NAME = re.compile(r"(?:^|_)room_version(?:_id)?$|^version$")
_VERSION = re.compile(r"\d{1,2}$|org\.matrix\.")


def sql_put_together(module: ast.Module) -> Iterator[ast.expr]:
    """Yield the expressions that put values into SQL: f-strings, `%`, `.format`, and `+` of more than constants."""
    for node in ast.walk(module):
        match node:
            case ast.JoinedStr(values=[first, *_] as parts) if _is_sql(first):
                if any(isinstance(part, ast.FormattedValue) for part in parts):
                    yield node
            case ast.Call(func=ast.Attribute(attr="format", value=text)) if _is_sql(text):
                yield node
            case ast.BinOp(op=ast.Mod(), left=text) if _is_sql(text):
                yield node
            case ast.BinOp(op=ast.Add()):
                first, *rest = _summands(node)
                if _is_sql(first) and not all(_is_fixed(part) for part in rest):
                    yield node


def _summands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_summands(node.left), *_summands(node.right)]
    return [node]


def _is_fixed(node: ast.expr) -> bool:
    """Text of the program itself: a literal, a constant (by its capitals), or `marks(n)`, the "(?, ?)" of a list."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.isupper()
        case ast.Call(func=ast.Name(id=name)):
            return name.lstrip("_") == "marks"
        case _:
            return False


def _is_sql(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_SQL.match(node.value))


def room_versions_compared(module: ast.Module) -> Iterator[ast.expr]:
    """Yield the comparisons of something named like a room version with a version's number."""
    for node in ast.walk(module):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_names_a_version(side) for side in sides) and any(_is_version(side) for side in sides):
                yield node


def _names_a_version(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) if _VERSION_NAME.search(name):
            return True
        case ast.Call(func=ast.Name(id="int"), args=[argument]):
            return _names_a_version(argument)
        case ast.Attribute(value=inner):
            return _names_a_version(inner)
        case _:
            return False


def _is_version(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return 0 < number < 100
        case ast.Constant(value=str(text)):
            return bool(_VERSION.match(text))
        case ast.Tuple(elts=items) | ast.Set(elts=items) | ast.List(elts=items):
            return any(_is_version(item) for item in items)
        case _:
            return False


def test_no_sql_is_put_together_from_strings() -> None:
    found = [place(path, node) for path in files("hamrasan") for node in sql_put_together(tree(path))]
    assert found == []


def test_no_version_of_rooms_is_compared_outside_the_table() -> None:
    found = [
        place(path, node)
        for path in files("hamrasan")
        if path.name != "room_versions.py"
        for node in room_versions_compared(tree(path))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        'f"SELECT {columns} FROM rooms"',
        '"delete from %s" % table',
        '"INSERT INTO rooms VALUES (" + values + ")"',
        '"UPDATE {} SET x = 1".format(table)',
        'f"  with x as ({inner}) select 1"',
    ],
)
def test_the_check_for_sql_sees(text: str) -> None:
    assert list(sql_put_together(ast.parse(text))) != []


@pytest.mark.parametrize(
    "text", ['f"select-{name}"[1:]', '"SELECT 1"', 'f"Chosen: {n}"', '"updated " + name']
)
def test_the_check_for_sql_leaves_other_text_alone(text: str) -> None:
    assert list(sql_put_together(ast.parse(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        'room_version == "11"',
        'room.room_version in ("1", "2")',
        "int(room_version) >= 6",
        'create.version != "12"',
        'room_version.id == "org.matrix.msc1234"',
    ],
)
def test_the_check_for_versions_sees(text: str) -> None:
    assert len(list(room_versions_compared(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text", ["room_version.knock", "room_version in KNOWN", "count == 11", "room_version is None"]
)
def test_the_check_for_versions_leaves_the_rest_alone(text: str) -> None:
    assert list(room_versions_compared(ast.parse(text))) == []
