"""Texts for people, in their language: the messages of `messages/<language>.toml` under typed keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Literal, get_args

from hamrasan.media.verify import FoundInFiles
from hamrasan.policy.registration_files import RegistrationExpectedKey, RegistrationProblemKey
from hamrasan.rooms.verify import FoundInRoom
from hamrasan.runtime.settings import ExpectedKey, ProblemKey, Setting
from hamrasan.storage.sqlite.inspection import FoundInStore

Language = Literal["en", "fa"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

LANGUAGE_ENV = "HAMRASAN_LANG"
_LOCALE_ENV = ("LC_ALL", "LC_MESSAGES", "LANG")

OwnKey = Literal[
    "check.about",
    "check.contents",
    "check.database",
    "check.file",
    "check.looked_at",
    "check.problems",
    "check.room",
    "check.sound",
    "demo.about",
    "demo.away",
    "demo.babak",
    "demo.back",
    "demo.caught_up",
    "demo.chapar",
    "demo.data_dir",
    "demo.ends",
    "demo.failed",
    "demo.first_port",
    "demo.ghasedak",
    "demo.goes_on",
    "demo.line_1",
    "demo.line_2",
    "demo.line_3",
    "demo.meanwhile",
    "demo.narges",
    "demo.not_started",
    "demo.once",
    "demo.person",
    "demo.peyk",
    "demo.read",
    "demo.room",
    "demo.said",
    "demo.shirin",
    "demo.starting",
    "demo.undisturbed",
    "demo.who",
    "error.bad_value",
    "error.expected",
    "error.interrupted",
    "error.missing_argument",
    "error.missing_option",
    "error.missing_value",
    "error.settings",
    "error.similar",
    "error.try_help",
    "error.unexpected_argument",
    "error.unknown_command",
    "error.unknown_option",
    "error.usage",
    "help.arguments",
    "help.command_metavar",
    "help.commands",
    "help.config",
    "help.default",
    "help.help",
    "help.lang",
    "help.options",
    "help.options_metavar",
    "help.usage",
    "help.value_metavar",
    "key.about",
    "key.in_use",
    "key.replace",
    "key.replaced",
    "office.missing",
    "office.unusable",
    "office.version",
    "password.again",
    "password.ask",
    "password.differ",
    "password.endless",
    "password.missing",
    "password.stdin",
    "password.weak",
    "program.about",
    "registrations.unusable",
    "reports.about",
    "reports.limit",
    "reports.message",
    "reports.none",
    "reports.room",
    "reports.user",
    "serve.about",
    "serve.address",
    "serve.certificate",
    "serve.database",
    "serve.folder",
    "serve.in_use",
    "serve.key",
    "serve.newer",
    "serve.other_name",
    "serve.provider",
    "serve.ready",
    "token.about",
    "token.argument",
    "token.create",
    "token.days",
    "token.invalid",
    "token.list",
    "token.metavar",
    "token.revoke",
    "token.revoked",
    "token.unknown",
    "token.until",
    "token.used",
    "token.used_of",
    "token.uses",
    "token.word",
    "user.about",
    "user.add",
    "user.added",
    "user.admin",
    "user.admin_made",
    "user.confirm",
    "user.deactivate",
    "user.deactivated",
    "user.erase",
    "user.in_use",
    "user.invalid_name",
    "user.keep_sessions",
    "user.list",
    "user.make_admin",
    "user.mark_admin",
    "user.mark_deactivated",
    "user.mark_locked",
    "user.mark_suspended",
    "user.name",
    "user.name_metavar",
    "user.no_admin",
    "user.password_set",
    "user.set_password",
    "user.undo",
    "user.unknown",
    "user.yes",
    "version.about",
    "version.text",
]
FoundKey = FoundInRoom | FoundInStore | FoundInFiles
"""What `hamrasan check` can find."""
TextKey = OwnKey | FoundKey | ProblemKey | ExpectedKey | RegistrationProblemKey | RegistrationExpectedKey


class Texts:
    """The texts of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = load_messages(language)

    def __call__(self, key: TextKey, **values: object) -> str:
        """Return the text `key` with `values` put into its placeholders."""
        return self._texts[key].format(**values)

    def about_setting(self, setting: Setting) -> str:
        """Return the sentence that says what a setting is for."""
        return self._texts[f"setting.{setting.name}"]


def load_messages(language: Language) -> dict[str, str]:
    """Return the messages of `language` by dotted key, as its file has them."""
    file = resources.files("hamrasan.cli") / "messages" / f"{language}.toml"
    return _flat(tomllib.loads(file.read_text("utf-8")), "")


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            texts.update(_flat(value, f"{prefix}{name}."))
        else:
            texts[prefix + name] = str(value)
    return texts


def choose_language(arguments: Sequence[str], environ: Mapping[str, str]) -> Language:
    """Return the language that `--lang`, else `HAMRASAN_LANG`, else the locale asks for; English where none fits."""
    asked = [_option_of(arguments), environ.get(LANGUAGE_ENV)]
    asked += [next((environ[name] for name in _LOCALE_ENV if environ.get(name)), None)]
    for wish in asked:
        if not wish:
            continue
        code = wish.lower().replace("-", "_").split("_")[0].split(".")[0]
        return next((language for language in LANGUAGES if language == code), "en")
    return "en"


def _option_of(arguments: Sequence[str]) -> str | None:
    """Look for `--lang` before the options are parsed: their help, too, is in the language it names."""
    for position, argument in enumerate(arguments):
        if argument == "--":
            return None
        if argument == "--lang" and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith("--lang="):
            return argument.removeprefix("--lang=")
    return None
