"""Every setting of the server, in one table.

A setting is read from the command line, else from the environment, else from the configuration file (TOML),
else it has its default. Adding one means adding a row here, a field to `Settings`, and its sentence to the
message files; the handbook's table is generated from the rows.

Texts for people live with whoever talks to them: a `Problem` names its message and carries the values for it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import check_server_name, check_user_id
from hamrasan.runtime.log import LEVELS, LogFormat, LogLevel

ProblemKey = Literal[
    "problem.contradiction",
    "problem.file_missing",
    "problem.file_unreadable",
    "problem.not_toml",
    "problem.table",
    "problem.unknown",
    "problem.unknown_similar",
    "problem.value",
]
ExpectedKey = Literal[
    "expected.address",
    "expected.boolean",
    "expected.contacts",
    "expected.directory",
    "expected.duration",
    "expected.email",
    "expected.file",
    "expected.log_format",
    "expected.log_level",
    "expected.networks",
    "expected.registration",
    "expected.mail_server",
    "expected.media_delivery",
    "expected.media_store",
    "expected.secret",
    "expected.server_name",
    "expected.server_patterns",
    "expected.server_names",
    "expected.size",
    "expected.turn_uris",
    "expected.url",
]
MediaDelivery = Literal["server", "redirect", "proxy"]
"""Who sends files to those who download them: this server, the object store, or a front proxy that reads the folder."""
Registration = Literal["closed", "token", "open"]

MAX_SERVER_NAME_LENGTH = 230
"""What the specification recommends (appendices, "Server Name"): a user id of 255 bytes has room left for a name."""

MIN_SHARED_SECRET_LENGTH = 16
"""Whoever guesses the shared secret can make administrators; sixteen characters put guessing out of reach."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds: a host (name, IPv4 or IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Size(int):
    """A number of bytes, written with the largest unit that it is whole in."""

    def __str__(self) -> str:
        for letter, power in _SIZE_POWERS.items():
            if self and not self % (1 << power):
                return f"{self >> power}{letter}"
        return str(int(self))


class Duration(int):
    """A number of milliseconds, written with the largest unit that it is whole in."""

    def __str__(self) -> str:
        for letter, length in _DURATIONS.items():
            if self and not self % length:
                return f"{self // length}{letter}"
        return "0"


_DURATIONS: Mapping[str, int] = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_SHORTEST = Duration(86_400_000)
"""A day: who is away for a night still reads what was written."""
_SIZE_POWERS: Mapping[str, int] = {"T": 40, "G": 30, "M": 20, "K": 10}
_UPLOAD_SIZE = Size(100 << 20)
"""A short film; common proxies and other servers stop at about this."""
_QUOTA = Size(10 << 30)
"""Years of photographs, and a hundredth of a usual disk."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. Built by `load_settings`, never changed; a reload makes a new one."""

    server_name: str = "localhost"
    data_dir: Path = Path("hamrasan-data")
    listen: Address = Address("localhost", 8008)
    public_url: str | None = None
    registration: Registration = "closed"
    registration_shared_secret: str | None = field(default=None, repr=False)
    rate_limits: bool = True
    log_level: LogLevel = "info"
    log_format: LogFormat = "auto"
    metrics_listen: Address | None = None
    trusted_proxies: tuple[str, ...] = ()
    max_upload_size: Size = _UPLOAD_SIZE
    media_quota: Size = _QUOTA
    media_store: str | None = None
    media_delivery: MediaDelivery = "server"
    url_previews: bool = False
    unauthenticated_media: bool = False
    reachable_networks: tuple[str, ...] = ()
    mail_server: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    turn_uris: tuple[str, ...] = ()
    turn_shared_secret: str | None = field(default=None, repr=False)
    livekit_service_url: str | None = None
    support_contacts: tuple[str, ...] = ()
    federation_listen: Address | None = None
    federation_certificate: Path | None = None
    federation_key: Path | None = None
    federation_ca: Path | None = None
    federation_allowed: tuple[str, ...] = ()
    federation_denied: tuple[str, ...] = ()
    federation_notaries: tuple[str, ...] = ()
    shortest_message_lifetime: Duration = _SHORTEST
    longest_message_lifetime: Duration | None = None

    @property
    def base_url(self) -> str:
        """The URL under which people and their clients reach this server, without a slash at the end."""
        return self.public_url or f"http://{self.listen}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a setting or a configuration file was refused: `where` it stands, the message, and the message's
    values.
    """

    where: str
    message: ProblemKey
    values: Mapping[str, str]
    expected: ExpectedKey | None = None


class SettingsError(Exception):
    """The settings cannot be used; `problems` names every reason, so that one start shows them all."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{item.where}: {item.message} {dict(item.values)}" for item in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Kind:
    """A form that values have: `parse` returns the value of a text, or raises `ValueError`."""

    name: str
    expected: ExpectedKey
    parse: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. Its other names follow from `name`."""

    name: str
    kind: Kind
    reloadable: bool = False
    secret: bool = False
    is_flag: bool = False
    """A shorter way to say something about another setting; on the command line it has no value, and means yes."""

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"HAMRASAN_{self.name.upper()}"

    @property
    def option(self) -> str:
        """The option of the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def default(self) -> Any:
        """The value when nobody sets it; None for a flag, which then says nothing."""
        return _DEFAULTS.get(self.name)

    @property
    def written_default(self) -> str | None:
        """The default as somebody would write it; None if that is to write nothing."""
        match self.default:
            case None | ():
                return None
            case bool(value):
                return str(value).lower()
            case value:
                return str(value)


_HOST = r"(?: \[ [0-9A-Fa-f:.]{2,45} \] | [0-9A-Za-z.-]{1,255} )"
_ADDRESS = re.compile(rf"(?x) (?P<host> {_HOST} | \* ) : (?P<port> [0-9]{{1,5}} )")
_STORE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9._-]{1,200}){0,10}/?", re.ASCII)
_DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[dhms])|0", re.ASCII | re.IGNORECASE)
_SIZE = re.compile(r"(?P<number>[0-9]{1,12})(?P<unit>[KMGT]?)", re.ASCII | re.IGNORECASE)
_SERVER_PATTERN = re.compile(r"[0-9A-Za-z.:\[\]*?-]{1,255}")
_TURN_URI = re.compile(rf"(?x) turns?: {_HOST} (?: : [0-9]{{1,5}} )? (?: \?transport=(?:udp|tcp) )?")
_MAIL_SERVER = re.compile(rf"(?x) smtps?:// (?: [^\s/@:]+ : [^\s/@]+ @ )? {_HOST} (?: : [0-9]{{1,5}} )?")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_URL = re.compile(rf"(?x) https?:// {_HOST} (?: : [0-9]{{1,5}} )? (?: / [^\s?#]* )?")


def _parse_address(text: str) -> Address:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(text)
    return Address("0.0.0.0" if found["host"] == "*" else found["host"].strip("[]"), int(found["port"]))


def _parse_boolean(text: str) -> bool:
    return {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }[text.lower()]


def _parse_directory(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(text).expanduser()


def _parse_server_patterns(text: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    if not all(map(_SERVER_PATTERN.fullmatch, patterns)):
        raise ValueError(text)
    return patterns


def _parse_server_names(text: str) -> tuple[str, ...]:
    return tuple(_parse_server_name(part.strip()) for part in text.split(",")) if text.strip() else ()


def _parse_server_name(text: str) -> str:
    if len(text) > MAX_SERVER_NAME_LENGTH:
        raise ValueError(text)
    try:
        check_server_name(text)
    except MatrixError as error:
        raise ValueError(text) from error
    return text


def _parse_secret(text: str) -> str:
    if len(text) < MIN_SHARED_SECRET_LENGTH:
        raise ValueError("too short")
    return text


def _parse_url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError(text)
    return text.rstrip("/")


def _parse_store(text: str) -> str:
    if not _STORE.fullmatch(text):
        raise ValueError(text)
    return text.rstrip("/")


def _parse_size(text: str) -> Size:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return Size(int(found["number"]) << _SIZE_POWERS.get(found["unit"].upper(), 0))


def _parse_duration(text: str) -> Duration:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return Duration(int(found["number"]) * _DURATIONS[found["unit"].lower()] if found["unit"] else 0)


def _parse_turn_uris(text: str) -> tuple[str, ...]:
    uris = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    if not all(map(_TURN_URI.fullmatch, uris)):
        raise ValueError(text)
    return uris


def _parse_contacts(text: str) -> tuple[str, ...]:
    contacts = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    for contact in contacts:
        if contact.startswith("@"):
            _check_user_id(contact)
        elif not _EMAIL.fullmatch(contact):
            raise ValueError(contact)
    return contacts


def _check_user_id(text: str) -> None:
    try:
        check_user_id(text)
    except MatrixError as error:
        raise ValueError(text) from error


def _parse_mail_server(text: str) -> str:
    if not _MAIL_SERVER.fullmatch(text):
        raise ValueError("not a mail server")
    return text


def _parse_email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError(text)
    return text


def _parse_networks(text: str) -> tuple[str, ...]:
    return tuple(str(ip_network(part.strip())) for part in text.split(",")) if text.strip() else ()


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse


_ADDRESS_KIND = Kind("address", "expected.address", _parse_address)
_BOOLEAN = Kind("boolean", "expected.boolean", _parse_boolean)
_DIRECTORY = Kind("directory", "expected.directory", _parse_directory)
_DURATION_KIND = Kind("duration", "expected.duration", _parse_duration)
_LOG_FORMAT = Kind("log format", "expected.log_format", _one_of("auto", "human", "json"))
_LOG_LEVEL = Kind("log level", "expected.log_level", _one_of(*LEVELS))
_EMAIL_KIND = Kind("e-mail address", "expected.email", _parse_email)
_FILE = Kind("file", "expected.file", _parse_directory)
_CONTACTS_KIND = Kind("contacts", "expected.contacts", _parse_contacts)
_MAIL_SERVER_KIND = Kind("mail server", "expected.mail_server", _parse_mail_server)
_NETWORKS = Kind("networks", "expected.networks", _parse_networks)
_REGISTRATION = Kind("registration", "expected.registration", _one_of("closed", "token", "open"))
_SECRET = Kind("secret", "expected.secret", _parse_secret)
_SERVER_NAME_KIND = Kind("server name", "expected.server_name", _parse_server_name)
_SERVER_NAMES = Kind("server names", "expected.server_names", _parse_server_names)
_SERVER_PATTERNS = Kind("patterns of server names", "expected.server_patterns", _parse_server_patterns)
_STORE_KIND = Kind("object store", "expected.media_store", _parse_store)
_DELIVERY = Kind("delivery", "expected.media_delivery", _one_of("server", "redirect", "proxy"))
_SIZE_KIND = Kind("size", "expected.size", _parse_size)
_TURN_KIND = Kind("TURN URIs", "expected.turn_uris", _parse_turn_uris)
_URL_KIND = Kind("URL", "expected.url", _parse_url)

SETTINGS: tuple[Setting, ...] = (
    Setting("server_name", _SERVER_NAME_KIND),
    Setting("data_dir", _DIRECTORY),
    Setting("listen", _ADDRESS_KIND),
    Setting("public_url", _URL_KIND),
    Setting("registration", _REGISTRATION),
    Setting("open_registration", _BOOLEAN, is_flag=True),
    Setting("registration_shared_secret", _SECRET, secret=True),
    Setting("rate_limits", _BOOLEAN, reloadable=True),
    Setting("log_level", _LOG_LEVEL, reloadable=True),
    Setting("log_format", _LOG_FORMAT, reloadable=True),
    Setting("metrics_listen", _ADDRESS_KIND),
    Setting("trusted_proxies", _NETWORKS),
    Setting("max_upload_size", _SIZE_KIND),
    Setting("media_quota", _SIZE_KIND),
    Setting("media_store", _STORE_KIND),
    Setting("media_delivery", _DELIVERY),
    Setting("url_previews", _BOOLEAN),
    Setting("unauthenticated_media", _BOOLEAN),
    Setting("reachable_networks", _NETWORKS),
    Setting("mail_server", _MAIL_SERVER_KIND, secret=True),
    Setting("mail_from", _EMAIL_KIND),
    Setting("turn_uris", _TURN_KIND),
    Setting("turn_shared_secret", _SECRET, secret=True),
    Setting("livekit_service_url", _URL_KIND),
    Setting("support_contacts", _CONTACTS_KIND),
    Setting("federation_listen", _ADDRESS_KIND),
    Setting("federation_certificate", _FILE, reloadable=True),
    Setting("federation_key", _FILE, reloadable=True),
    Setting("federation_ca", _FILE),
    Setting("federation_allowed", _SERVER_PATTERNS, reloadable=True),
    Setting("federation_denied", _SERVER_PATTERNS, reloadable=True),
    Setting("federation_notaries", _SERVER_NAMES),
    Setting("shortest_message_lifetime", _DURATION_KIND),
    Setting("longest_message_lifetime", _DURATION_KIND),
)

_DEFAULTS: Mapping[str, Any] = {item.name: item.default for item in fields(Settings)}
_BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}

CONFIG_ENV = "HAMRASAN_CONFIG"
"""Names the configuration file when the command line does not."""

NOT_SETTINGS = frozenset({CONFIG_ENV, "HAMRASAN_LANG"})
"""Variables that begin like a setting and are read elsewhere."""


def load_settings(
    args: Mapping[str, str | None], environ: Mapping[str, str], config_path: Path | None = None
) -> Settings:
    """Return the settings from `args` (option texts by setting name), `environ` and the file, in that order.

    The file is `config_path`, else what `HAMRASAN_CONFIG` names, else there is none. Raises `SettingsError`
    with every problem found: unknown names (with the nearest known one), values of the wrong form, a file
    that cannot be read.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    if config_path is None and environ.get(CONFIG_ENV):
        config_path = Path(environ[CONFIG_ENV])
    if config_path is not None:
        _take(values, _from_file(config_path, problems), str(config_path), problems)
    _take(values, _from_environment(environ, problems), "HAMRASAN_OPEN_REGISTRATION", problems)
    _take(values, _from_arguments(args, problems), "--open-registration", problems)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(**values)


def _take(values: dict[str, Any], found: dict[str, Any], where: str, problems: list[Problem]) -> None:
    """Add what one source says to `values`, with `open_registration` as what it says about `registration`.

    A no only takes back what a source of lower order opened.
    """
    opens = found.pop("open_registration", None)
    said: Registration | None = found.get("registration")
    if opens is not None and said is not None and (said == "open") is not opens:
        names = {"name": "open_registration", "other": "registration"}
        problems.append(Problem(where, "problem.contradiction", names))
    elif opens:
        found["registration"] = "open"
    elif opens is False and said is None and values.get("registration") == "open":
        found["registration"] = "closed"
    values.update(found)


def _from_arguments(args: Mapping[str, str | None], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in args.items():
        if text is not None:
            setting = _BY_NAME[name]
            values.update(_parsed(setting, text, setting.option, problems))
    return values


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = {setting.env: setting for setting in SETTINGS}
    for variable in sorted(environ):
        if not variable.startswith("HAMRASAN_") or variable in NOT_SETTINGS:
            continue
        if (setting := names.get(variable)) is None:
            problems.append(_unknown(variable, variable, tuple(names)))
        else:
            values.update(_parsed(setting, environ[variable], variable, problems))
    return values


def _from_file(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        problems.append(Problem(str(path), "problem.file_missing", {}))
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), "problem.file_unreadable", {"reason": str(error)}))
        return {}
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(_not_toml(path, error))
        return {}
    values: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{path}:{_line_of(key, text)}"
        setting = _BY_NAME.get(key)
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            problems.append(Problem(where, "problem.table", {"name": key}))
        elif setting is None:
            problems.append(_unknown(key, where, tuple(_BY_NAME)))
        else:
            values.update(_parsed(setting, _as_text(value), where, problems, path.parent))
    return values


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parsed(
    setting: Setting, text: str, where: str, problems: list[Problem], base: Path | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the setting and its value, or note the problem; a directory in a file is relative to it."""
    try:
        value = setting.kind.parse(text)
    except (ValueError, KeyError):
        shown = "…" if setting.secret else text
        values = {"name": setting.name, "value": shown}
        problems.append(Problem(where, "problem.value", values, setting.kind.expected))
        return
    if base is not None and isinstance(value, Path):
        value = base / value
    yield setting.name, value


def _unknown(name: str, where: str, known: tuple[str, ...]) -> Problem:
    similar = difflib.get_close_matches(name, known, n=1)
    if similar:
        return Problem(where, "problem.unknown_similar", {"name": name, "similar": similar[0]})
    return Problem(where, "problem.unknown", {"name": name})


def _not_toml(path: Path, error: tomllib.TOMLDecodeError) -> Problem:
    """`tomllib` puts the place at the end of its message: "... (at line 3, column 5)"."""
    found = re.search(r" \(at line (\d+), column \d+\)$", str(error))
    where = f"{path}:{found[1]}" if found else str(path)
    reason = str(error)[: found.start()] if found else str(error)
    return Problem(where, "problem.not_toml", {"reason": reason})


def _line_of(key: str, text: str) -> int:
    """Return the line on which `key` is set (tomllib does not tell); the table is flat, so the first one is
    it.
    """
    pattern = re.compile(rf"""\s* \[*\s* ["']? {re.escape(key)} ["']? \s* [=.\]]""", re.VERBOSE)
    for number, line in enumerate(text.splitlines(), start=1):
        if pattern.match(line):
            return number
    return 1
