"""In which language somebody reads our pages, and the texts themselves: `messages/<language>.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal, get_args

from markupsafe import Markup

Language = Literal["fa", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "fa"
"""Persian, unless somebody or their browser asks for another one."""
DIRECTIONS: Mapping[Language, str] = {"fa": "rtl", "en": "ltr"}


def _load(language: Language) -> Mapping[str, str]:
    folder = resources.files("hamrasan.http.pages") / "messages"
    tables = tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
    return {f"{table}.{key}": text for table, texts in tables.items() for key, text in texts.items()}


MESSAGES: Mapping[Language, Mapping[str, str]] = {language: _load(language) for language in LANGUAGES}


def choose_language(asked: str | None, remembered: str | None, accepted: str | None) -> Language:
    """Return the language that was asked for on the page, else the one chosen before, else the browser's first."""
    for wish in (asked, remembered, *_codes(accepted)):
        for language in LANGUAGES:
            if wish == language:
                return language
    return DEFAULT


def text(language: Language, key: str, **values: object) -> Markup:
    """Return a message with its values, which are escaped; the message itself may hold markup."""
    return Markup(MESSAGES[language][key]).format(**values)


def _codes(accepted: str | None) -> list[str]:
    return [wish.strip().lower()[:2] for wish in (accepted or "").split(",")]
