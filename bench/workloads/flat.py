"""W2: messages into one room, for growing numbers of members. A good curve is flat."""

from __future__ import annotations

import time

from bench.figures import percentile
from bench.load.blocking import BlockingClient
from bench.load.wire import send_path
from bench.load.wrk import Sender, run_sends
from bench.results import Sample
from bench.workloads.base import Context
from bench.world import FlatRoom

CONNECTIONS = 16
"""Enough to keep the server busy, few enough that a slow server's queue is short."""

_BODY = b'{"msgtype":"m.text","body":"one message among many"}'


def measure_flat(context: Context) -> list[Sample]:
    """Measure each room alone: one sender's median time, then the CPU time of a send under load."""
    return [_measure_room(context, room) for room in context.world.flat]


def _measure_room(context: Context, room: FlatRoom) -> Sample:
    run = f"{context.tag}w2-{room.reached}"
    times = _probe(context, room, run)
    loaded = run_sends(
        port=context.running.port,
        server_pids=context.running.pids,
        senders=[Sender(room.room_id, user.token) for user in room.senders],
        connections=CONNECTIONS,
        seconds=context.scale.flat_seconds,
        core=context.cores.generator,
        run=run,
    )
    values = {
        "p50_ms": percentile(times, 0.5) * 1000,
        "cpu_us": loaded.cpu_us_per_send,
        "join_ms": room.last_join_ms,
    }
    return context.sample("w2", values, axis=room.reached, generator_share=loaded.generator_share)


def _probe(context: Context, room: FlatRoom, run: str) -> list[float]:
    """Send one message after another; the first few warm the room up and do not count."""
    wanted, warm = context.scale.flat_probe_sends, 3
    deadline = time.monotonic() + context.scale.flat_seconds
    times: list[float] = []
    with BlockingClient(context.running.port) as client:
        for number in range(wanted + warm):
            user = room.senders[number % len(room.senders)]
            timed = client.call("PUT", f"{send_path(room.room_id)}{run}-probe-{number}", user.token, _BODY)
            timed.response.expect_success("send")
            if number >= warm:
                times.append(timed.total)
            if times and time.monotonic() >= deadline:
                break
    return times
