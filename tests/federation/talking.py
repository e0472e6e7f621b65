"""Words for tests of people who talk across servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.running import Person

WAIT_S = 60.0


def share_room(server_name: str, creator: Person, *guests: Person, **options: Any) -> str:
    """Let somebody of a server create a public room, and people of others join it through that; return its id."""
    room_id = creator.create_room(preset="public_chat", **options)
    for guest in guests:
        guest.post(f"/join/{quote(room_id, safe='')}", via=server_name)
    return room_id


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition of a server that runs in another thread holds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "what was waited for never came"
        time.sleep(0.01)


def texts(person: Person, room_id: str, count: int) -> list[str]:
    """Wait until somebody has so many messages of a room; return the texts in their order."""
    events = messages(person, room_id, count)
    return [event["content"].get("body") for event in events]


def messages(person: Person, room_id: str, count: int) -> list[Any]:
    """Wait until a room has so many messages for somebody; return them in their order."""
    end = time.monotonic() + WAIT_S
    since = person.sync()["next_batch"]
    while True:
        found: list[Any] = []
        token = None
        while True:
            query = {"dir": "f", "limit": 1000, **({} if token is None else {"from": token})}
            page = person.get(f"/rooms/{room_id}/messages", **query)
            found += [event for event in page["chunk"] if event["type"] == "m.room.message"]
            token = page.get("end")
            if token is None or not page["chunk"]:
                break
        if len(found) >= count:
            return found
        assert time.monotonic() < end, f"only {len(found)} of {count} messages came"
        since = person.sync(since, timeout=2_000)["next_batch"]


def wait_for(person: Person, found: Callable[[Any], Any], since: str | None = None) -> Any:
    """Sync, from a token on or the beginning, until `found` returns something true of an answer; return that."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        answer = person.sync(since, timeout=0 if since is None else 3_000, set_presence="offline")
        since = answer["next_batch"]
        if result := found(answer):
            return result
    raise AssertionError("what was waited for never came")
