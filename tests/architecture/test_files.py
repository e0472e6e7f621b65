"""What must not stand in any file of the project."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, files, place, texts

_EXCUSE = re.compile(r"#\s*(?:type:\s*ignore|noqa)")
_GOOD_EXCUSE = re.compile(
    r"# (?:type: ignore\[[a-z-]+(?:, [a-z-]+)*\]  # |noqa: [A-Z]+\d+(?:, [A-Z]+\d+)* - )\S"
)
_SOMEBODYS_FOLDER = re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+)/")
_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|Not" r"ImplementedError)\b")


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_what_a_checker_is_told_to_overlook_has_a_code_and_a_reason() -> None:
    bare = [
        f"{place(path)}:{line}"
        for path in files("hamrasan", "tests", "bench")
        for line, comment in _comments(path)
        if _EXCUSE.search(comment) and not _GOOD_EXCUSE.search(comment)
    ]
    assert bare == []


def test_no_file_knows_the_machine_that_it_was_written_on() -> None:
    here = re.compile(r"(?<![\w.])" + re.escape(str(ROOT)) + r"\b")
    for path in texts():
        text = path.read_text("utf-8")
        assert not _SOMEBODYS_FOLDER.search(text), place(path)
        assert not here.search(text), place(path)


def test_nothing_is_left_unfinished() -> None:
    assert [place(path) for path in files("hamrasan") if _UNFINISHED.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("name", ["run", "demo", "test", "check", "bench"])
def test_scripts_are_plain_shell_that_can_be_run(name: str) -> None:
    script = ROOT / "scripts" / name
    assert script.stat().st_mode & 0o111
    assert script.read_text("utf-8").startswith("#!/bin/sh\n")
