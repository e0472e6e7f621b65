"""Words for tests that search over HTTP. The index follows a little behind, so they ask until they are answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.running import Person

PATIENCE_S = 20.0
T = TypeVar("T")


def until(look: Callable[[], T], expected: Callable[[T], bool]) -> T:
    """Return what `look` gives once it is as expected; fail if it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        seen = look()
        if expected(seen):
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def asked(term: str, **more: Any) -> dict[str, Any]:
    """Return the body of a search."""
    return {"search_categories": {"room_events": {"search_term": term, **more}}}


def search(person: Person, term: str, next_batch: str | None = None, **more: Any) -> Any:
    """Return the answer to one search."""
    query = {} if next_batch is None else {"next_batch": next_batch}
    answer = person.request("POST", "/search", asked(term, **more), **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["search_categories"]["room_events"]


def ids(answer: Any) -> list[str]:
    return [result["result"]["event_id"] for result in answer["results"]]


def find(person: Person, term: str, *expected: str, **more: Any) -> Any:
    """Search until just these events are found, in any order."""
    return until(lambda: search(person, term, **more), lambda answer: sorted(ids(answer)) == sorted(expected))


def caught_up(person: Person, room_id: str) -> None:
    """Wait until everything that was sent before can be found."""
    word = f"landmark{time.monotonic_ns()}"
    find(person, word, person.send(room_id, word))
