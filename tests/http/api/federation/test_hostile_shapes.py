"""Whatever a server sends to any operation, it is answered in its right form, and nothing breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.x_matrix import read_content, sign_request
from tests.federation.visitors import Visitor
from tests.running import Person
from tests.spec.operations import SERVER_OPERATIONS, Operation

DEEP: Any = []
for _ in range(120):
    DEEP = [DEEP]
LONG = "x" * 5_000
IDS = [
    "",
    " ",
    "!",
    "$",
    "@",
    "#",
    "@:",
    "!:x",
    "%00",
    "..",
    "\u202e",
    "😀",
    LONG[:300],
    "@a:" + LONG[:300],
    "*",
]
VALUES: list[Any] = [
    None, True, 0, -1, 2**53, 2**63, 2**64, 1e308, 0.5, "", "x", "\0", "\ud7ff", LONG, [], [[]], [None], {},
    {"": {}}, {"a": {"b": {"c": None}}}, DEEP, ["$a"] * 2_000, {str(number): {} for number in range(500)},
]  # fmt: skip
RAW = [b"", b"{", b"\xff", b'{"a":NaN}', b"[" * 3_000, b'{"a":1,"a":2}', b"x" * 900]
QUERIES = [
    "limit=-1",
    "limit=99999999999999999999",
    "ver=",
    "v=&v=",
    "ts=x&dir=q",
    "event_id=%ff",
    "%=%",
    "&&=",
    "omit_members=2",
]


def members_of(operation: Operation) -> list[str]:
    """Return the names of what the body of an operation has, and of what only some have."""
    found = set[str]()

    def look(schema: Any) -> None:
        if isinstance(schema, dict):
            found.update(schema.get("properties", {}))
            for part in schema.values():
                look(part)
        elif isinstance(schema, list):
            for part in schema:
                look(part)

    look(operation.body)
    return sorted(found | {"type", "content", "event", "pdus", "edus"})


def bodies(operation: Operation) -> Iterator[bytes]:
    yield from RAW
    names = members_of(operation)
    for value in VALUES:
        yield json.dumps(value).encode()
        yield json.dumps(dict.fromkeys(names, value)).encode()


def paths(operation: Operation, room_id: str, user_id: str) -> Iterator[str]:
    names = re.findall(r"\{(\w+)\}", operation.path)
    usual = {"roomId": room_id, "userId": user_id, "eventId": "$" + "e" * 43, "serverName": "there.test"}
    filled = {name: quote(usual.get(name, "x"), safe="") for name in names}
    yield _fill(operation.path, filled)
    for name in names:
        for value in IDS:
            yield _fill(operation.path, {**filled, name: quote(value, safe="%")})


def _fill(template: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)


def state_of(person: Person, room_id: str) -> list[str]:
    return [event["event_id"] for event in person.get(f"/rooms/{room_id}/state")]


class Sender:
    """Sends signed requests on one connection."""

    def __init__(self, visitor: Visitor, http: httpx.Client) -> None:
        self._visitor = visitor
        self._http = http

    def send(self, method: str, uri: str, body: bytes | None = None) -> int:
        """Send bytes, whatever they are, with a signature that is right for them; return the answer's status."""
        request = self._http.build_request(method, uri, content=body)
        try:
            content = None if not body else read_content(body)[1]
        except MatrixError:
            content = None
        target = request.url.raw_path.decode()
        name, key = self._visitor.name, self._visitor.stranger.key
        signature = sign_request(method, target, name, self._visitor.host.name, content, key)
        request.headers["Authorization"] = signature
        return self._http.send(request).status_code


@pytest.mark.parametrize("name", sorted(SERVER_OPERATIONS))
def test_an_operation_with_hostile_input(alice: Person, there: Visitor, name: str) -> None:
    operation, zahra = SERVER_OPERATIONS[name], there.user("hostile")
    room_id = alice.create_room(preset="public_chat")
    there.join(room_id, zahra)
    before = state_of(alice, room_id)
    usual = None if operation.body is None else b"{}"
    path, *others = paths(operation, room_id, zahra)
    with there.host.anonymous() as http:
        sender = Sender(there, http)
        seen = {sender.send(operation.method, each, usual) for each in (path, *others)}
        seen |= {sender.send(operation.method, f"{path}?{query}", usual) for query in QUERIES}
        if usual is not None:
            seen |= {sender.send(operation.method, path, body) for body in bodies(operation)}
    assert max(seen) < 500
    assert seen != {401}, "nothing got past the signature"
    assert state_of(alice, room_id) == before
