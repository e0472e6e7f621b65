"""Words for tests that read rooms over HTTP."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from tests.running import Person, answered

V1 = "/_matrix/client/v1"
MAX_PAGES = 100
"""No test has a room that takes more pages; a paging that never ends fails instead of running for ever."""


def room_path(room_id: str, *parts: str) -> str:
    """Return the path of something of a room, below a version's prefix."""
    return "/".join([f"/rooms/{quote(room_id, safe='')}", *(quote(part, safe="") for part in parts)])


def walk(person: Person, room_id: str, direction: str = "b", **query: Any) -> list[dict[str, Any]]:
    """Return what `/messages` gives, page by page, until it says that there is no more."""
    events: list[dict[str, Any]] = []
    for _ in range(MAX_PAGES):
        page = person.get(room_path(room_id, "messages"), dir=direction, **query)
        events += page["chunk"]
        if "end" not in page:
            return events
        assert page["end"] != query.get("from"), "a page that leads to itself"
        query["from"] = page["end"]
    raise AssertionError("the paging does not end")


def bodies(events: list[dict[str, Any]]) -> list[str]:
    """Return the texts of the messages among events."""
    return [event["content"]["body"] for event in events if "body" in event["content"]]


def set_state(person: Person, room_id: str, type: str, content: Any, state_key: str = "") -> str:
    event_id: str = person.put(room_path(room_id, "state", type, state_key), content)["event_id"]
    return event_id


def set_visibility(person: Person, room_id: str, visibility: str) -> None:
    content = {"history_visibility": visibility}
    set_state(person, room_id, "m.room.history_visibility", content)


def room_with_visibility(person: Person, visibility: str, **options: Any) -> str:
    """Create a room that had this history visibility from its beginning."""
    state = {"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}
    return person.create_room(initial_state=[state], **options)


def leave(person: Person, room_id: str) -> None:
    person.post(room_path(room_id, "leave"))


def ban(person: Person, room_id: str, who: Person) -> None:
    person.post(room_path(room_id, "ban"), {"user_id": who.user_id})


def redact(person: Person, room_id: str, event_id: str) -> str:
    redaction: str = person.put(room_path(room_id, "redact", event_id, f"redact-{event_id}"))["event_id"]
    return redaction


def reply_in_thread(person: Person, room_id: str, root: str, body: str) -> str:
    return relate(person, room_id, root, "m.thread", body)


def relate(person: Person, room_id: str, parent: str, rel_type: str, body: str, **content: Any) -> str:
    content["m.relates_to"] = {"rel_type": rel_type, "event_id": parent}
    return person.send(room_id, body, **content)


def react(person: Person, room_id: str, parent: str, key: str) -> str:
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": parent, "key": key}}
    return person.send(room_id, key, "m.reaction", **content)


def ignore(person: Person, *others: Person) -> None:
    """Let a person ignore others, and only them."""
    content: dict[str, Any] = {"ignored_users": {other.user_id: {} for other in others}}
    path = f"/user/{quote(person.user_id)}/account_data/m.ignored_user_list"
    person.put(path, content)


def with_filter(**parts: Any) -> str:
    """Return an inline filter."""
    return json.dumps(parts)


def get_v1(person: Person, path: str, **query: Any) -> Any:
    return answered(person.request("GET", V1 + path, **query))
