"""Sliding sync as Element X begins it: the first answer of a new device, and one after a single message."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from bench.errors import BenchError
from bench.figures import median, percentile
from bench.load.blocking import BlockingClient
from bench.load.wire import send_path
from bench.procfs import cpu_seconds
from bench.results import Sample
from bench.workloads.base import Context
from bench.workloads.syncs import CHANGES_LIMIT_SECONDS, log_in
from bench.world import Hub

_PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0"
_STATE = (
    ("m.room.name", ""),
    ("m.room.encryption", ""),
    ("m.room.member", "$LAZY"),
    ("m.room.member", "$ME"),
    ("m.room.topic", ""),
    ("m.room.avatar", ""),
    ("m.room.canonical_alias", ""),
    ("m.room.power_levels", ""),
    ("org.matrix.msc3401.call.member", "*"),
    ("m.room.join_rules", ""),
    ("m.room.tombstone", ""),
    ("m.room.create", ""),
    ("m.room.history_visibility", ""),
    ("m.space.parent", "*"),
    ("m.space.child", "*"),
)
_FIRST_ROOMS = 20
_REQUEST = msgspec.json.encode(
    {
        "conn_id": "room-list",
        "lists": {
            "all_rooms": {
                "ranges": [[0, _FIRST_ROOMS - 1]],
                "timeline_limit": 1,
                "required_state": _STATE,
                "filters": {},
            }
        },
        "extensions": {
            "account_data": {"enabled": True},
            "receipts": {"enabled": True, "rooms": ["*"]},
            "typing": {"enabled": True},
        },
    }
)
_MESSAGE = b'{"msgtype":"m.text","body":"one change among many rooms"}'


def measure_sliding(context: Context) -> list[Sample]:
    """Measure users in few and in many rooms, one after the other."""
    samples = []
    for dweller in context.world.dwellers:
        if not dweller.changing_rooms:
            raise BenchError("no room of the user could be made in the time")
        with BlockingClient(context.running.port) as client:
            samples.append(
                context.sample("sliding", _measure(context, client, dweller), axis=dweller.reached)
            )
    return samples


def _measure(context: Context, client: BlockingClient, dweller: Hub) -> dict[str, float]:
    times: list[float] = []
    cpu: list[float] = []
    for _ in range(context.scale.sliding_first_answers):
        token = log_in(client, dweller.user.user_id)
        before = cpu_seconds(context.running.pids)
        timed = client.call("POST", _PATH, token, _REQUEST)
        cpu.append(cpu_seconds(context.running.pids) - before)
        times.append(timed.total)
        body = timed.response.expect_success("sliding sync")
        answer = msgspec.json.decode(body)
        rooms, count = len(answer["rooms"]), answer["lists"]["all_rooms"]["count"]
        if rooms != min(_FIRST_ROOMS, dweller.reached) or count != dweller.reached:
            raise BenchError(f"a first answer shows {rooms} rooms of {count}")
    changes = _changes(context, client, dweller, token, answer)
    return {
        "first_p50_ms": median(times) * 1000,
        "first_max_ms": max(times) * 1000,
        "first_cpu_ms": sum(cpu) / len(cpu) * 1000,
        "first_kb": len(body) / 1e3,
        "change_p50_ms": percentile(changes, 0.5) * 1000,
        "change_p99_ms": percentile(changes, 0.99) * 1000,
    }


def _changes(
    context: Context, client: BlockingClient, dweller: Hub, token: str, answer: dict[str, Any]
) -> list[float]:
    """Measure answers after a message in one room each; it brings its room to the top."""
    times: list[float] = []
    deadline = time.monotonic() + CHANGES_LIMIT_SECONDS
    for number in range(context.scale.hub_changes):
        room_id = dweller.changing_rooms[number % len(dweller.changing_rooms)]
        target = f"{send_path(room_id)}{context.tag}sliding{dweller.target}-{number}"
        client.call("PUT", target, dweller.other.token, _MESSAGE).response.expect_success("send")
        timed = client.call("POST", f"{_PATH}&pos={answer['pos']}", token, _REQUEST)
        answer = msgspec.json.decode(timed.response.expect_success("sliding sync"))
        if room_id not in answer["rooms"]:
            raise BenchError("an acknowledged message's room is not in the next answer")
        times.append(timed.total)
        if time.monotonic() >= deadline:
            break
    return times
