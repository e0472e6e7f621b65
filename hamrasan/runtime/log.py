"""The structured log: readable on a terminal, one JSON object a line elsewhere; secrets and content never
enter it.

Modules write `_log = get_logger(__name__)` and `_log.info("what happened", key=value)`. Nothing logs on the
path of a message: what is counted there are metrics.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import orjson
import structlog

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "human", "json"]

LEVELS: Mapping[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

REDACTED = "[redacted]"

_SECRET_KEYS = frozenset(
    [
        "access_token",
        "auth",
        "authorization",
        "body",
        "ciphertext",
        "content",
        "cookie",
        "event",
        "formatted_body",
        "key_backup",
        "login_token",
        "mac",
        "new_password",
        "nonce",
        "passphrase",
        "password",
        "password_hash",
        "private_key",
        "refresh_token",
        "registration_shared_secret",
        "registration_token",
        "secret",
        "seed",
        "session_data",
        "shared_secret",
        "signing_key",
        "token",
        "turn_shared_secret",
        "unsigned",
    ]
)

_SECRET_IN_TEXT = re.compile(
    r"""(?ix)
    (?P<label> (?: access_token | refresh_token | login_token | logintoken | registration_token
                 | password | secret ) ["']? \s* [=:] \s* ["']?
             | \b (?: bearer | basic ) \s+ )
    (?P<value> [^\s"'&,;}]+ )
    | \b hm[a-z]_ [A-Za-z0-9_-]{20,}
    """
)

_DEPTH = 6
"""Deeper than anything that is logged on purpose; what lies below is not searched but left out."""


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the log of the module `name`; it follows `configure` whenever that is called."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def redact_text(text: str) -> str:
    """Return `text` with the values of tokens and passwords taken out (URLs, headers, messages of
    exceptions).
    """
    return _SECRET_IN_TEXT.sub(lambda found: (found["label"] or "") + REDACTED, text)


def redact(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets and the content of messages out of a log entry (a structlog processor)."""
    for key, value in entry.items():
        if key == "event" and isinstance(value, str):
            entry[key] = redact_text(value)
        else:
            entry[key] = _redact_value(key, value, _DEPTH)
    return entry


def _redact_value(key: str, value: Any, depth: int) -> Any:
    if key.lower() in _SECRET_KEYS:
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {str(inner): _redact_value(str(inner), item, depth - 1) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return REDACTED if depth == 0 else [_redact_value("", item, depth - 1) for item in value]
    return value


class _Bridge(logging.Handler):
    """Hands what libraries log through `logging` (asyncio's warnings, for one) to the structured log."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure(level: LogLevel, form: LogFormat, stream: TextIO | None = None) -> None:
    """Set up the log; may be called again at any time (a reload), and the next entry follows the new
    settings.

    `auto` means human on a terminal and JSON otherwise. Entries go to `stream`, by default the standard
    error.
    """
    target = sys.stderr if stream is None else stream
    human = form == "human" or (form == "auto" and target.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            _human_renderer(target) if human else structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=LEVELS[level], force=True)


def _human_renderer(target: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=40
    )


def _to_json(entry: Any, **_options: Any) -> str:
    return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
