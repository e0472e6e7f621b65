"""Registration files: one YAML file for each application service, in the data folder (application service API,
"Registration").

Texts for people live with whoever talks to them: a `RegistrationProblem` names its message and carries its values.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from hamrasan.policy.application_services import ApplicationService, Namespace, Pattern
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import parse_user_id
from hamrasan.protocol.limits import MAX_OPAQUE_ID_BYTES

FOLDER = "appservices"
"""Where in the data folder the files are."""
SUFFIXES = (".yaml", ".yml")
"""How the files' names end."""
MAX_FILE_BYTES = 1024 * 1024
"""A registration has some dozen lines; what is this large is another file."""
MIN_TOKEN_CHARS = 16
"""Whoever guesses a token speaks for a bridge and its users; sixteen characters put guessing out of reach."""
DEPTH = 4
"""Levels whose lines are of interest: `namespaces.users.0.regex`."""
SIMILAR = 0.85
"""How alike (0 to 1) an unknown key must be to a known one to be taken for a slip; other unknown keys are left alone,
since bridges write down more than a server needs."""

RegistrationProblemKey = Literal[
    "registration.duplicate_key",
    "registration.in_use",
    "registration.missing",
    "registration.not_yaml",
    "registration.pattern",
    "registration.table",
    "registration.too_large",
    "registration.unknown_similar",
    "registration.unreadable",
    "registration.value",
]
RegistrationExpectedKey = Literal[
    "registration_expected.boolean",
    "registration_expected.localpart",
    "registration_expected.namespaces",
    "registration_expected.namespace",
    "registration_expected.pattern",
    "registration_expected.strings",
    "registration_expected.text",
    "registration_expected.token",
    "registration_expected.url",
]

_EPHEMERAL = ("receive_ephemeral", "de.sorunome.msc2409.push_ephemeral", "push_ephemeral")
_ENCRYPTION = ("org.matrix.msc3202", "msc3202")
_KINDS = ("users", "aliases", "rooms")
_KNOWN = (
    "id",
    "url",
    "as_token",
    "hs_token",
    "sender_localpart",
    "namespaces",
    "rate_limited",
    "protocols",
    *_EPHEMERAL,
    *_ENCRYPTION,
)


@dataclass(frozen=True, slots=True)
class RegistrationProblem:
    """Why a file was refused: `where` (file and line), the message, its values, and what would be right."""

    where: str
    message: RegistrationProblemKey
    values: Mapping[str, str]
    expected: RegistrationExpectedKey | None = None

    def __str__(self) -> str:
        words = " ".join([self.message.partition(".")[2], *map(str, self.values.values())])
        hint = "" if self.expected is None else f" (expected: {self.expected.partition('.')[2]})"
        return f"{self.where}: {words}{hint}"


class RegistrationsUnusable(Exception):
    """Registration files cannot be used; `problems` names every reason in every file."""

    def __init__(self, problems: Sequence[RegistrationProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def load_registrations(data_dir: Path, server_name: str) -> list[ApplicationService]:
    """Return the application services that the folder registers, in the order of file names.

    Raises `RegistrationsUnusable` with every problem of every file.
    """
    problems: list[RegistrationProblem] = []
    services: list[tuple[Path, ApplicationService]] = []
    for path in _files(data_dir / FOLDER, problems):
        reader = _Reader(path, problems)
        service = reader.service(server_name)
        if service is not None:
            services.append((path, service))
    _check_unique(services, problems)
    if problems:
        raise RegistrationsUnusable(problems)
    return [service for _, service in services]


def _files(folder: Path, problems: list[RegistrationProblem]) -> list[Path]:
    """Return the files in the order of their names; note a folder that cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = {"reason": error.strerror or str(error)}
        problems.append(RegistrationProblem(str(folder), "registration.unreadable", reason))
        return []


def _check_unique(
    services: Sequence[tuple[Path, ApplicationService]], problems: list[RegistrationProblem]
) -> None:
    """Note where two files have the same id, token or user; tokens are not repeated."""
    for key, name in (("id", "id"), ("as_token", "as_token"), ("sender", "sender_localpart")):
        seen: dict[str, Path] = {}
        for path, service in services:
            other = seen.setdefault(getattr(service, key), path)
            if other is not path:
                problems.append(
                    RegistrationProblem(str(path), "registration.in_use", {"name": name, "other": str(other)})
                )


class _Reader:
    """Reads one file, and notes everything that is wrong with it."""

    def __init__(self, path: Path, problems: list[RegistrationProblem]) -> None:
        self._path = path
        self._problems = problems
        self._known_problems = len(problems)
        self._lines: dict[str, int] = {}
        self._values: dict[str, Any] = {}

    def service(self, server_name: str) -> ApplicationService | None:
        """Return the application service, or None if anything is wrong."""
        if not self._read():
            return None
        localpart = self._text("sender_localpart", "registration_expected.localpart")
        sender = f"@{localpart}:{server_name}"
        if localpart and not _is_user_id(sender):
            self._wrong("sender_localpart", localpart, "registration_expected.localpart")
        namespaces = self._namespaces()
        service = ApplicationService(
            id=self._text("id"),
            url=self._url(),
            as_token=self._token("as_token"),
            hs_token=self._token("hs_token"),
            sender=sender,
            server_name=server_name,
            users=namespaces["users"],
            aliases=namespaces["aliases"],
            rooms=namespaces["rooms"],
            protocols=self._protocols(),
            rate_limited=self._boolean("rate_limited"),
            receive_ephemeral=self._one_of(_EPHEMERAL),
            names_ephemeral_so_too="de.sorunome.msc2409.ephemeral" if self._boolean(_EPHEMERAL[1]) else None,
            encrypts=self._one_of(_ENCRYPTION),
        )
        return service if len(self._problems) == self._known_problems else None

    def _read(self) -> bool:
        """Read the file into values and the lines of its keys; return whether that can be looked at."""
        try:
            data = self._path.read_bytes()
            text = data.decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._add(1, "registration.unreadable", {"reason": reason})
            return False
        if len(data) > MAX_FILE_BYTES:
            self._add(1, "registration.too_large", {"bytes": str(MAX_FILE_BYTES)})
            return False
        try:
            tree = yaml.compose(text, Loader=yaml.SafeLoader)
            values = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or str(error)
            self._add(1 if mark is None else mark.line + 1, "registration.not_yaml", {"reason": reason})
            return False
        if not isinstance(tree, yaml.MappingNode) or not isinstance(values, dict):
            self._add(1, "registration.table", {})
            return False
        self._values = values
        self._note_lines(tree, "")
        self._note_slips()
        return True

    def _note_lines(self, node: yaml.Node, prefix: str, depth: int = DEPTH) -> None:
        if not depth:
            return
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = f"{prefix}{key.value}"
                if name in self._lines:
                    self._add(key.start_mark.line + 1, "registration.duplicate_key", {"name": name})
                self._lines[name] = key.start_mark.line + 1
                self._note_lines(value, f"{name}.", depth - 1)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._lines[f"{prefix}{number}"] = item.start_mark.line + 1
                self._note_lines(item, f"{prefix}{number}.", depth - 1)

    def _note_slips(self) -> None:
        absent = [name for name in _KNOWN if name not in self._values]
        for name in self._values:
            similar = difflib.get_close_matches(str(name), absent, n=1, cutoff=SIMILAR)
            if name not in _KNOWN and similar:
                values = {"name": str(name), "similar": similar[0]}
                self._add(self._line(str(name)), "registration.unknown_similar", values)

    # The keys.

    def _text(self, name: str, expected: RegistrationExpectedKey = "registration_expected.text") -> str:
        value = self._required(name, expected)
        if value is None:
            return ""
        if (
            not isinstance(value, str)
            or not value
            or len(value.encode(errors="replace")) > MAX_OPAQUE_ID_BYTES
        ):
            self._wrong(name, value, expected)
            return ""
        return value

    def _token(self, name: str) -> str:
        value = self._required(name, "registration_expected.token")
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) < MIN_TOKEN_CHARS or not _is_printable(value):
            self._wrong(name, "…", "registration_expected.token")
            return ""
        return value

    def _url(self) -> str | None:
        if "url" not in self._values:
            self._required("url", "registration_expected.url")
        value = self._values.get("url")
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _is_url(value):
            self._wrong("url", value, "registration_expected.url")
            return None
        return value.rstrip("/")

    def _boolean(self, name: str) -> bool:
        value = self._values.get(name, False)
        if isinstance(value, bool):
            return value
        self._wrong(name, value, "registration_expected.boolean")
        return False

    def _one_of(self, names: Sequence[str]) -> bool:
        """Return whether any of these, which are names of the same, is true; each of them is looked at."""
        values = [self._boolean(name) for name in names]
        return any(values)

    def _protocols(self) -> tuple[str, ...]:
        value = self._values.get("protocols")
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self._wrong("protocols", value, "registration_expected.strings")
            return ()
        return tuple(value)

    def _namespaces(self) -> dict[str, tuple[Namespace, ...]]:
        value = self._required("namespaces", "registration_expected.namespaces")
        if value is not None and not isinstance(value, dict):
            self._wrong("namespaces", value, "registration_expected.namespaces")
        found = value if isinstance(value, dict) else {}
        for kind in found:
            if kind not in _KINDS:
                self._wrong(f"namespaces.{kind}", kind, "registration_expected.namespaces")
        return {kind: self._namespaces_of(kind, found.get(kind)) for kind in _KINDS}

    def _namespaces_of(self, kind: str, value: object) -> tuple[Namespace, ...]:
        name = f"namespaces.{kind}"
        if value is None:
            return ()
        if not isinstance(value, list):
            self._wrong(name, value, "registration_expected.namespace")
            return ()
        items = [self._namespace(f"{name}.{number}", item) for number, item in enumerate(value)]
        return tuple(item for item in items if item is not None)

    def _namespace(self, name: str, value: object) -> Namespace | None:
        regex = value.get("regex") if isinstance(value, dict) else None
        exclusive = value.get("exclusive", False) if isinstance(value, dict) else None
        if not isinstance(regex, str) or not isinstance(exclusive, bool):
            self._wrong(name, value, "registration_expected.namespace")
            return None
        try:
            return Namespace(Pattern(regex), exclusive)
        except ValueError as error:
            values = {"name": f"{name}.regex", "value": regex, "reason": str(error)}
            line = self._line(f"{name}.regex")
            self._add(line, "registration.pattern", values, "registration_expected.pattern")
            return None

    # What is wrong.

    def _required(self, name: str, expected: RegistrationExpectedKey) -> Any:
        if name not in self._values:
            self._add(1, "registration.missing", {"name": name}, expected)
            return None
        value = self._values[name]
        if value is None and name != "url":
            self._wrong(name, "null", expected)
        return value

    def _wrong(self, name: str, value: object, expected: RegistrationExpectedKey) -> None:
        # Only what is short: the text of a list that refers to others can be longer than any memory.
        shown = str(value)[:MAX_OPAQUE_ID_BYTES] if isinstance(value, str | int | float) else "…"
        self._add(self._line(name), "registration.value", {"name": name, "value": shown}, expected)

    def _line(self, name: str) -> int:
        return self._lines.get(name, 1)

    def _add(
        self,
        line: int,
        message: RegistrationProblemKey,
        values: Mapping[str, str],
        expected: RegistrationExpectedKey | None = None,
    ) -> None:
        self._problems.append(RegistrationProblem(f"{self._path}:{line}", message, values, expected))


def _is_user_id(text: str) -> bool:
    try:
        parse_user_id(text)
    except MatrixError:
        return False
    return True


def _is_printable(token: str) -> bool:
    """Return whether a token can stand in an Authorization header."""
    return token.isascii() and token.isprintable() and " " not in token


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    del port
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain
