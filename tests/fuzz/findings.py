"""What a run found, and the smallest request that still shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.fuzz.drafts import Draft
from tests.fuzz.wire import Answer
from tests.spec.operations import ERROR, problems_of

MAX_CHECKED_BYTES = 200_000
"""The form of longer answers is looked at in the short ones of the same operation; it takes seconds for these."""
MAX_TRIALS = 80
"""Requests sent to make one reproduction smaller."""
MAX_PROBLEMS = 2
"""Problems with the form of one answer that are told; where one member is wrong, many are."""
_CHANGING = re.compile(r"[!$@#][^\s'\"]{3,}|[A-Za-z0-9_-]{30,}|\d+")


@dataclass(slots=True)
class Finding:
    """One thing that is wrong, however often it was seen."""

    what: str
    example: str
    count: int = 1


class Findings:
    """All of them, each once."""

    def __init__(self) -> None:
        self.found: dict[str, Finding] = {}

    def add(self, what: str, example: Callable[[], str]) -> None:
        """Note something; the example is only made for what is new."""
        key = kind_of(what)
        if key in self.found:
            self.found[key].count += 1
        else:
            self.found[key] = Finding(what, example())

    def __len__(self) -> int:
        return len(self.found)


def kind_of(what: str) -> str:
    """Return a finding without the ids and numbers in which two of a kind differ."""
    return _CHANGING.sub("…", what)


OAUTH_ERROR = ("error", "error_description")
"""What refusals of OAuth 2.0 endpoints consist of (RFC 6749, section 5.2)."""


def problems(draft: Draft, answer: Answer, whole: bool = True) -> list[str]:
    """Return what is wrong with an answer, whatever the request was.

    With `whole` the form is looked at, too: a filter with `event_fields` takes required members out of events.
    """
    is_elsewhere = (
        answer.status == 502 and b'"M_CONNECTION_FAILED"' in answer.body
    )  # no fault of this server's
    if answer.status >= 500 and not is_elsewhere:
        return [f"{draft.operation}: {answer.status} {answer.body[:200]!r}"]
    found = []
    if answer.headers.get("access-control-allow-origin") != "*":
        found.append(f"{draft.operation}: no CORS headers with {answer.status}")
    if not answer.body or draft.method == "HEAD":
        return found
    if answer.headers.get("content-type") == "application/json":
        found += [f"{draft.operation}: {problem}" for problem in _json_problems(draft.path, answer)]
        if whole and len(answer.body) < MAX_CHECKED_BYTES:
            found += problems_of(draft.method, draft.path, answer.status, answer.body)[:MAX_PROBLEMS]
    elif answer.status >= 400 and draft.path.startswith("/_matrix/") and "/fallback/web" not in draft.path:
        found.append(f"{draft.operation}: {answer.status} without JSON")
    return found


def _json_problems(path: str, answer: Answer) -> list[str]:
    try:
        value = json.loads(answer.body.decode("utf-8"))
    except ValueError as error:
        return [f"{answer.status} with a body that is no JSON: {error}"]
    if answer.status >= 400 and "flows" not in value:
        is_oauth = (
            unquote(path).startswith("/oauth/") and "errcode" not in value
        )  # what no endpoint saw has one
        required = OAUTH_ERROR if is_oauth else ERROR["required"]
        missing = [key for key in required if not isinstance(value.get(key), str)]
        if missing:
            return [f"{answer.status} without {missing}: {answer.body[:100]!r}"]
    return []


def shrink(draft: Draft, still: Callable[[Draft], bool]) -> Draft:
    """Return the smallest request for which `still` holds, found by leaving out one thing after another."""
    left = MAX_TRIALS
    smaller = True
    while smaller and left > 0:
        smaller = False
        for candidate in _smaller(draft):
            left -= 1
            if left <= 0:
                break
            if still(candidate):
                draft, smaller = candidate, True
                break
    return draft


def _smaller(draft: Draft) -> Iterator[Draft]:
    for index in range(len(draft.query)):
        candidate = draft.copy()
        del candidate.query[index]
        yield candidate
    for index, (name, _) in enumerate(draft.headers):
        if name != "Authorization":
            candidate = draft.copy()
            del candidate.headers[index]
            yield candidate
    if draft.raw_body is None:
        for path in _paths(draft.body):
            candidate = draft.copy()
            _remove(candidate.body, path)
            yield candidate


def _paths(value: Any) -> Iterator[list[Any]]:
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list) and len(value) < 50:
        keys = list(range(len(value)))
    for key in keys:
        yield [key]
    for key in keys:
        for rest in _paths(value[key]):
            yield [key, *rest]


def _remove(value: Any, path: list[Any]) -> None:
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]
