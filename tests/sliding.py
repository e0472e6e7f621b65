"""Clients of sliding sync for tests: one keeps the place of a connection, another one what it was told."""

from __future__ import annotations

from typing import Any

import httpx

from tests.running import Person, answered

EXPERIMENTAL = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
STABLE = "/_matrix/client/v4/sync"
Json = dict[str, Any]


def every_room(limit: int = 10, last: int = 99, **more: Any) -> Json:
    """Return a list of all rooms, in the experimental form."""
    return {"ranges": [[0, last]], "timeline_limit": limit, "required_state": [], **more}


class Connection:
    """A connection of a person's device, in the experimental form."""

    def __init__(self, person: Person, conn_id: str | None = None) -> None:
        self.person = person
        self.conn_id = conn_id
        self.pos: str | None = None

    def request(self, timeout: int = 0, pos: str | None = None, **body: Any) -> httpx.Response:
        """Send a request; without `pos` it goes on from the last answer."""
        query: Json = {"timeout": timeout}
        pos = pos or self.pos
        if pos is not None:
            query["pos"] = pos
        if self.conn_id is not None:
            body["conn_id"] = self.conn_id
        return self.person.request("POST", EXPERIMENTAL, body, **query)

    def sync(self, timeout: int = 0, pos: str | None = None, **body: Any) -> Json:
        """Return an answer, and go on from there the next time."""
        answer: Json = answered(self.request(timeout, pos, **body))
        self.pos = answer["pos"]
        return answer

    def rooms(self, timeout: int = 0, **config: Any) -> Json:
        """Return the rooms of an answer to a request for all rooms."""
        rooms: Json = self.sync(timeout, lists={"all": every_room(**config)})["rooms"]
        return rooms


class StableConnection:
    """A connection of a person's device, in the form of the proposal."""

    def __init__(self, person: Person, conn_id: str = "main") -> None:
        self.person = person
        self.conn_id = conn_id
        self.pos: str | None = None

    def request(self, timeout: int = 0, **body: Any) -> httpx.Response:
        """Send a request that goes on from the last answer."""
        body = {"conn_id": self.conn_id, "timeout": timeout, **body}
        if self.pos is not None:
            body.setdefault("pos", self.pos)
        return self.person.request("POST", STABLE, body)

    def sync(self, timeout: int = 0, **body: Any) -> Json:
        """Return an answer, and go on from there the next time."""
        answer: Json = answered(self.request(timeout, **body))
        self.pos = answer["pos"]
        return answer


def texts(room: Json) -> list[str]:
    """Return the bodies of the messages in a room's timeline."""
    return [event["content"]["body"] for event in room.get("timeline", []) if "body" in event["content"]]


def state(room: Json) -> set[tuple[str, str]]:
    """Return the keys of a room's required state."""
    return {(event["type"], event["state_key"]) for event in room.get("required_state", [])}
