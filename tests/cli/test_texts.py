"""The message files: complete, of one mind about placeholders, and the language that is chosen."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from hamrasan.cli.texts import LANGUAGES, Language, OwnKey, Texts, choose_language, load_messages
from hamrasan.media.verify import FoundInFiles
from hamrasan.policy.registration_files import RegistrationExpectedKey, RegistrationProblemKey
from hamrasan.rooms.verify import FoundInRoom
from hamrasan.runtime.settings import SETTINGS, ExpectedKey, ProblemKey
from hamrasan.storage.sqlite.inspection import FoundInStore

_ZWNJ = "\u200c"

KEYS = {
    *get_args(OwnKey),
    *get_args(FoundInRoom),
    *get_args(FoundInStore),
    *get_args(FoundInFiles),
    *get_args(ProblemKey),
    *get_args(ExpectedKey),
    *get_args(RegistrationProblemKey),
    *get_args(RegistrationExpectedKey),
    *(f"setting.{row.name}" for row in SETTINGS),
}


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_text_and_no_other(language: Language) -> None:
    assert set(load_messages(language)) == KEYS


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_has_spaces_around_it(language: Language) -> None:
    assert [key for key, text in load_messages(language).items() if not text or text != text.strip()] == []


def test_placeholders_agree() -> None:
    english = {key: _placeholders(text) for key, text in load_messages("en").items()}
    assert {key: _placeholders(text) for key, text in load_messages("fa").items()} == english


def test_persian_is_written_with_persian_letters_and_half_spaces() -> None:
    for key, text in load_messages("fa").items():
        assert not set("يكةى") & set(text), f"{key} has Arabic letters"
        assert " می " not in f" {text} ", f"{key} has a space where a half-space belongs"
        assert f" {_ZWNJ}" not in text, key
        assert f"{_ZWNJ} " not in text, key
        assert " ها " not in f" {text} ", f"{key} has a space before ها"


def test_a_text_takes_its_values() -> None:
    assert "«example»" in Texts("fa")("error.unknown_command", name="example")
    assert "'example'" in Texts("en")("error.unknown_command", name="example")


@pytest.mark.parametrize(
    ("arguments", "environ", "language"),
    [
        ([], {}, "en"),
        (["--lang", "fa"], {}, "fa"),
        (["--lang=fa", "version"], {"HAMRASAN_LANG": "en"}, "fa"),
        (["--lang", "de"], {"LANG": "fa_IR.UTF-8"}, "en"),
        (["--", "--lang", "fa"], {}, "en"),
        (["--lang"], {}, "en"),
        ([], {"HAMRASAN_LANG": "fa", "LANG": "en_US.UTF-8"}, "fa"),
        ([], {"LANG": "fa_IR.UTF-8"}, "fa"),
        ([], {"LANG": "fa_IR.UTF-8", "LC_ALL": "C"}, "en"),
        ([], {"LC_MESSAGES": "fa", "LANG": "en_US"}, "fa"),
        ([], {"LANG": "fax"}, "en"),
    ],
)
def test_the_language_is_the_one_asked_for(
    arguments: list[str], environ: dict[str, str], language: str
) -> None:
    assert choose_language(arguments, environ) == language
