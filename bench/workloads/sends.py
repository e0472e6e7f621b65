"""W1: messages into many ten-member rooms over 64 connections; nobody is online to be told."""

from __future__ import annotations

from bench.load.wrk import Sender, run_sends
from bench.results import Sample
from bench.workloads.base import Context


def measure_sends(context: Context) -> list[Sample]:
    """Measure sends a second, their times under saturation, and the CPU time of each."""
    senders = [
        Sender(room.room_id, room.members[seat].token)
        for seat in range(len(context.world.rooms[0].members))
        for room in context.world.rooms
    ]
    result = run_sends(
        port=context.running.port,
        server_pids=context.running.pids,
        senders=senders,
        connections=context.scale.sends_connections,
        seconds=context.scale.sends_seconds,
        core=context.cores.generator,
        run=f"{context.tag}w1",
    )
    values = {
        "sends_per_s": result.sends_per_second,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "cpu_us": result.cpu_us_per_send,
    }
    return [context.sample("w1", values, generator_share=result.generator_share)]
