"""Words for tests of push notifications over HTTP."""

from __future__ import annotations

from typing import Any

from tests.gateways import Gateway
from tests.running import Person


def push_to(person: Person, gateway: Gateway, pushkey: str | None = None, **data: Any) -> str:
    """Give a person a pusher, and return its key."""
    pushkey = pushkey or f"key of {person.localpart}"
    person.post(
        "/pushers/set",
        {
            "pushkey": pushkey,
            "app_id": "org.example.app",
            "kind": "http",
            "app_display_name": "App",
            "device_display_name": "Phone",
            "lang": "fa",
            "data": {"url": gateway.url, **data},
        },
    )
    return pushkey


def last_event(gateway: Gateway, event_id: str) -> dict[str, Any]:
    """Wait until a gateway was told of an event, and return what it was told."""

    def found() -> dict[str, Any] | None:
        for each in gateway.accepted:
            if each.notification.get("event_id") == event_id:
                return each.notification
        return None

    told: dict[str, Any] = gateway.wait(found)
    return told


def mention(sender: Person, room_id: str, whom: dict[str, Any]) -> str:
    """Send a message that mentions somebody; return its id."""
    content: dict[str, Any] = {"m.mentions": whom}
    return sender.send(room_id, "a secret for you", **content)
