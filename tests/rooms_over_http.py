"""Words for tests that change rooms over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from tests.reading import room_path
from tests.running import Person

VERSIONS = [str(version) for version in range(3, 13)]

State = dict[tuple[str, str], dict[str, Any]]


def state_of(person: Person, room_id: str) -> State:
    """Return the contents of a room's state."""
    events = person.get(room_path(room_id, "state"))
    return {(event["type"], event["state_key"]): event["content"] for event in events}


def member_of(person: Person, room_id: str, who: Person) -> dict[str, Any]:
    """Return the content of somebody's membership event."""
    content: dict[str, Any] = person.get(room_path(room_id, "state", "m.room.member", who.user_id))
    return content


def timeline(person: Person, room_id: str) -> list[dict[str, Any]]:
    """Return a room's last events, the oldest first."""
    events: list[dict[str, Any]] = person.get(room_path(room_id, "messages"), dir="b", limit=100)["chunk"]
    return events[::-1]


def act(
    person: Person, room_id: str, action: str, target: Person | None = None, **more: Any
) -> httpx.Response:
    """Ask for a change of membership: invite, join, leave, forget, kick, ban, unban."""
    body = {**({} if target is None else {"user_id": target.user_id}), **more}
    return person.request("POST", room_path(room_id, action), body)


def knock(person: Person, room: str, **body: Any) -> httpx.Response:
    return person.request("POST", f"/knock/{quote(room, safe='')}", body)


def join_any(person: Person, room: str, body: Any = None, **query: Any) -> httpx.Response:
    return person.request("POST", f"/join/{quote(room, safe='')}", {} if body is None else body, **query)


def alias_path(alias: str) -> str:
    return f"/directory/room/{quote(alias, safe='')}"
