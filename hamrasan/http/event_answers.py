"""Answers with events in federation format; long ones are written while the events are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hamrasan.http.response import Response, StreamResponse, json_bytes
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json, json_string
from hamrasan.rooms.served_events import ServedEvents


def transaction_with(services: Services, pdus: Sequence[dict[str, Any]]) -> Response:
    """Return events in the form of a transaction of this server."""
    members = {
        "origin": services.settings.server_name,
        "origin_server_ts": services.clock.now_ms(),
        "pdus": pdus,
    }
    return json_bytes(encode_json(members))


def answer_with_events(
    served: ServedEvents, members: Mapping[str, Any], lists: Mapping[str, Sequence[str]]
) -> StreamResponse:
    """Return an object with `members`, and a list of events for each list of ids.

    The state of a large room is never in memory as a whole: a hundred thousand members make 70 MB.
    """
    return StreamResponse(200, _written(served, members, lists))


async def _written(
    served: ServedEvents, members: Mapping[str, Any], lists: Mapping[str, Sequence[str]]
) -> AsyncIterator[bytes]:
    begin = b"{"
    for name, value in members.items():
        yield begin + json_string(name) + b":" + encode_json(value)
        begin = b","
    for name, event_ids in lists.items():
        yield begin + json_string(name) + b":["
        begin, between = b",", b""
        async for pdus in served.stream(event_ids):
            if pdus:
                yield between + b",".join(encode_json(pdu) for pdu in pdus)
                between = b","
        yield b"]"
    yield b"}"
