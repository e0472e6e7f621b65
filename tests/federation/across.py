"""Words for tests in which people of several servers do something together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.reading import room_path
from tests.running import Person

T = TypeVar("T")

WITHIN_S = 20.0


def seen(look: Callable[[], T]) -> T:
    """Return what `look` gives as soon as that is something: news of other servers take a moment."""
    end = time.monotonic() + WITHIN_S
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found


def membership(person: Person, room_id: str, who: Person) -> str | None:
    """Return a membership as somebody in the room sees it, None if there is none."""
    response = person.request("GET", room_path(room_id, "state", "m.room.member", who.user_id))
    return None if response.status_code == 404 else str(response.json()["membership"])


def texts(person: Person, room_id: str, limit: int = 100) -> list[str]:
    """Return the texts of a room's last messages, the oldest first."""
    chunk = person.get(room_path(room_id, "messages"), dir="b", limit=limit)["chunk"]
    return [event["content"]["body"] for event in reversed(chunk) if "body" in event["content"]]


def invites(person: Person, **query: Any) -> dict[str, Any]:
    """Return the rooms that somebody is invited to, as `/sync` shows them."""
    rooms: dict[str, Any] = person.sync(**query).get("rooms", {}).get("invite", {})
    return rooms


def stripped(section: Any, kind: str = "invite_state") -> dict[tuple[str, str], dict[str, Any]]:
    """Return the contents of stripped state."""
    return {(event["type"], event["state_key"]): event["content"] for event in section[kind]["events"]}


def knows_as_joined(person: Person, room_id: str) -> bool:
    return room_id in person.get("/joined_rooms")["joined_rooms"]
