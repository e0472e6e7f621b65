"""The log: its two forms, its levels, its reload, and what never enters it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from hamrasan.runtime.log import REDACTED, LogFormat, LogLevel, configure, get_logger, redact, redact_text


@pytest.fixture(autouse=True)
def _put_logging_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _logged(level: LogLevel, form: LogFormat, **values: Any) -> str:
    stream = io.StringIO()
    configure(level, form, stream)
    get_logger("hamrasan.test").info("something happened", **values)
    return stream.getvalue()


def test_json_is_one_object_a_line_with_time_level_and_module() -> None:
    entry = orjson.loads(_logged("info", "json", rooms=3))
    assert entry["event"] == "something happened"
    assert (entry["level"], entry["module"], entry["rooms"]) == ("info", "hamrasan.test", 3)
    assert entry["timestamp"].endswith("Z")


def test_auto_is_json_where_there_is_no_terminal() -> None:
    assert orjson.loads(_logged("info", "auto"))["event"] == "something happened"


def test_human_is_a_line_to_read() -> None:
    line = _logged("info", "human", rooms=3)
    assert "something happened" in line
    assert "rooms=3" in line
    assert not line.startswith("{")


def test_what_lies_below_the_level_is_left_out() -> None:
    assert _logged("warning", "json") == ""


def test_a_logger_that_exists_follows_a_reload() -> None:
    log = get_logger("hamrasan.test")
    stream = io.StringIO()
    configure("error", "json", stream)
    log.info("first")
    configure("info", "json", stream)
    log.info("second")
    assert [orjson.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["second"]


def test_what_libraries_log_comes_out_in_the_same_form() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    logging.getLogger("asyncio").warning("slow callback %s", "x")
    entry = orjson.loads(stream.getvalue())
    assert (entry["event"], entry["module"], entry["level"]) == ("slow callback x", "asyncio", "warning")


@pytest.mark.parametrize("form", ["json", "human"])
def test_an_exception_is_logged_with_its_trace_and_without_its_secrets(form: LogFormat) -> None:
    stream = io.StringIO()
    configure("info", form, stream)
    try:
        raise ValueError("GET /sync?access_token=hunter2&since=1")
    except ValueError as error:
        get_logger("hamrasan.test").error("failed", exc_info=error)
    assert "Traceback" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "values",
    [
        {"access_token": "hunter2"},
        {"password": "hunter2"},
        {"content": {"body": "hunter2"}},
        {"request": {"headers": {"Authorization": "Bearer hunter2"}}},
        {"pages": [{"events": [{"content": {"body": "hunter2"}}]}]},
        {"uri": "/_matrix/client/v3/sync?access_token=hunter2"},
        {"header": "authorization: bearer hunter2"},
        {"raw": b"hunter2"},
        {"text": '{"password": "hunter2"}'},
        {"text": "the token hma_hunter2hunter2hunter2 is unknown"},
    ],
)
def test_secrets_and_content_never_leave(values: dict[str, Any]) -> None:
    assert "hunter2" not in _logged("info", "json", **values)


def test_what_is_no_secret_stays_as_it_is() -> None:
    entry = {
        "event": "logged in",
        "user_id": "@a:b",
        "tokens": 3,
        "ok": True,
        "none": None,
        "path": ["a", "b"],
    }
    assert redact(None, "info", dict(entry)) == entry


def test_what_lies_too_deep_to_be_searched_is_left_out() -> None:
    value: Any = "deep"
    for _ in range(20):
        value = [value]
    shown = str(redact(None, "info", {"event": "x", "value": value}))
    assert "deep" not in shown
    assert REDACTED in shown


def test_the_rest_of_a_url_stays_readable() -> None:
    assert redact_text("/sync?access_token=abc&since=s1") == f"/sync?access_token={REDACTED}&since=s1"
