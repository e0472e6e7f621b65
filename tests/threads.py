"""Words for tests of threads and of who follows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from tests.running import Person

UNSTABLE = "/_matrix/client/unstable"
ALL = f"{UNSTABLE}/io.element.msc4308/thread_subscriptions"
EXTENSION = "io.element.msc4308.thread_subscriptions"
RULES = "/pushrules/global/postcontent/.io.element.msc4306.rule."
Json = dict[str, Any]


def reply(person: Person, room_id: str, root: str, body: str = "a reply", **content: Any) -> str:
    """Send a message in a thread."""
    relation = {"rel_type": "m.thread", "event_id": root}
    return person.send(room_id, body, **{"m.relates_to": relation, **content})


def address(room_id: str, root: str) -> str:
    """Return the address of the requester's subscription to a thread."""
    room, thread = quote(room_id, safe=""), quote(root, safe="")
    return f"{UNSTABLE}/io.element.msc4306/rooms/{room}/thread/{thread}/subscription"


def asked_to_subscribe(person: Person, room_id: str, root: str, cause: Any = None) -> httpx.Response:
    """Ask for a subscription: by hand, or because of an event."""
    body = {} if cause is None else {"automatic": cause}
    return person.request("PUT", address(room_id, root), body)


def subscribe(person: Person, room_id: str, root: str, cause: str | None = None) -> None:
    """Subscribe to a thread."""
    response = asked_to_subscribe(person, room_id, root, cause)
    assert (response.status_code, response.json()) == (200, {})


def unsubscribe(person: Person, room_id: str, root: str) -> None:
    """Unsubscribe from a thread."""
    assert person.delete(address(room_id, root)) == {}


def subscription(person: Person, room_id: str, root: str) -> Json | None:
    """Return what a person has subscribed to, None if they have not."""
    response = person.request("GET", address(room_id, root))
    if response.status_code == 404:
        assert response.json()["errcode"] == "M_NOT_FOUND"
        return None
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def enabled_rules(person: Person) -> dict[str, bool]:
    """Return which of the push rules for threads are enabled."""
    rules = person.get("/pushrules/global/")["postcontent"]
    return {rule["rule_id"].rpartition(".")[2]: rule["enabled"] for rule in rules}
