"""Every setting, metric and errcode has a line in the handbook."""

from __future__ import annotations

import ast
import re

import pytest

from hamrasan.cli.docs import PAGES
from tests.architecture.source import ROOT, files, tree

_ERRCODE = re.compile(r"M_[A-Z][A-Z_]+")
_ERRCODE_LINE = re.compile(r"^\| `(M_[A-Z_]+)` \|", re.MULTILINE)
_ERRORS_PAGE = ROOT / "docs/handbook/operators/errors.md"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs/generated" / name).read_text("utf-8")
    assert written == PAGES[name](), "out of date: run python -m hamrasan.cli.docs"


def errcodes_in_code() -> set[str]:
    """Return the errcodes that stand in the package as strings."""
    return {
        node.value
        for path in files("hamrasan")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ERRCODE.fullmatch(node.value)
    }


def errcodes_explained() -> tuple[set[str], set[str]]:
    """Return the errcodes of the handbook: those that the server answers, and those that it does not answer yet."""
    now, later = _ERRORS_PAGE.read_text("utf-8").split("\n## ")
    answered, unanswered = (set(_ERRCODE_LINE.findall(part)) for part in (now, later))
    return answered, unanswered


def test_every_errcode_has_its_line_in_the_handbook() -> None:
    explained, not_yet = errcodes_explained()
    assert errcodes_in_code() - explained == set(), "without a line in docs/handbook/operators/errors.md"
    assert not_yet & errcodes_in_code() == set(), "the handbook says that these are not answered yet"
    assert explained - errcodes_in_code() == set(), "the handbook says that these are answered"
    assert len(explained) > 20
