"""No function over 60 lines, no file over 600, but for a short dated list."""

from __future__ import annotations

import ast
import re

from tests.architecture.exceptions import LONG_FILES, LONG_FUNCTIONS
from tests.architecture.source import files, place, tree

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 600
MAX_EXCEPTIONS = 5

_FOLDERS = ("hamrasan", "tests", "bench")


def test_no_file_is_too_long() -> None:
    long = {
        place(path) for path in files(*_FOLDERS) if len(path.read_text("utf-8").splitlines()) > MAX_FILE_LINES
    }
    assert long == set(LONG_FILES)


def test_no_function_is_too_long() -> None:
    long = set()
    for path in files(*_FOLDERS):
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.add(f"{place(path)}:{node.name}")
    assert long == set(LONG_FUNCTIONS)


def test_exceptions_are_few_and_dated() -> None:
    entries = [*LONG_FILES.values(), *LONG_FUNCTIONS.values()]
    assert len(entries) <= MAX_EXCEPTIONS
    assert [entry for entry in entries if not re.match(r"\d{4}-\d\d-\d\d, \S", entry)] == []
