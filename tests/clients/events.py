"""Waiting, as a person who syncs, for what a client library does in a room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.running import Person

SYNCS = 20


def await_event(person: Person, room_id: str, fits: Callable[[Any], bool]) -> Any:
    """Sync until an event of a room fits, and return it."""
    since: str | None = None
    for _ in range(SYNCS):
        answer = person.sync(since, timeout=20_000)
        since = answer["next_batch"]
        section = answer.get("rooms", {}).get("join", {}).get(room_id, {})
        events = [*section.get("state", {}).get("events", ()), *section.get("timeline", {}).get("events", ())]
        for event in events:
            if fits(event):
                return event
    raise AssertionError("it did not come")


def joins(user_id: str) -> Callable[[Any], bool]:
    return lambda e: (
        (e["type"], e.get("state_key")) == ("m.room.member", user_id) and e["content"]["membership"] == "join"
    )


def says(text: str, kind: str = "m.text") -> Callable[[Any], bool]:
    return lambda e: (
        e["type"] == "m.room.message" and (e["content"]["body"], e["content"]["msgtype"]) == (text, kind)
    )
