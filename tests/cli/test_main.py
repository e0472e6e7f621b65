"""The command line as somebody at a terminal meets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hamrasan import __version__
from hamrasan.cli.main import EXIT_USAGE, main


@pytest.fixture(autouse=True)
def _english_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAMRASAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


def test_version_says_which_one_this_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: hamrasan [OPTIONS] COMMAND")
    assert "version" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("arguments", [["--lang", "fa", "--help"], ["--lang=fa", "version", "--help"]])
def test_help_in_persian_has_no_english_word_but_names(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("روش استفاده: hamrasan")
    assert "همین راهنما را نشان بده" in shown
    for word in ("Usage", "Options", "Commands", "OPTIONS", "COMMAND", "Show"):
        assert word not in shown


def test_the_locale_chooses_persian(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANG", "fa_IR.UTF-8")
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("روش استفاده:")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["versoin"], "There is no command 'versoin'. Did you mean version?"),
        (["zzz"], "There is no command 'zzz'.\n"),
        (["version", "--lnag"], "There is no option --lnag."),
        (["--lagn", "fa"], "There is no option --lagn. Did you mean --lang?"),
        (["version", "now"], "'now' is one word too many."),
        (["--lang"], "The option --lang needs a value after it."),
        (["--lang", "de", "version"], "The option --lang takes one of: en | fa"),
    ],
)
def test_a_wrong_command_line_is_explained_and_nothing_is_done(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == EXIT_USAGE
    shown = capsys.readouterr()
    assert shown.err.startswith(complaint)
    assert "To see what is possible: hamrasan" in shown.err
    assert shown.out == ""


def test_complaints_are_in_persian_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "fa", "versoin"]) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("فرمانی به نام «versoin» نداریم. منظورتان version بود؟")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hamrasan.cli", "version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert __version__ in done.stdout
