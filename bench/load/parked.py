"""Generator of W4: many clients that long-poll and are left alone.

Run by the harness as `python -m bench.load.parked PLAN`. It goes through `PHASES`: it prints a line when it is in
one and waits for a line before it goes on to the next.
"""

from __future__ import annotations

import select
import sys

import msgspec

from bench.load.chat import JoinedRoom, Poller, sync_all
from bench.load.child import print_result, read_plan
from bench.load.epoll import Loop

PHASES = ("synced", "half", "parked")
"""All have their sync token and no connection is open; half of them long-poll; all of them do."""


class ParkedPlan(msgspec.Struct):
    """The clients: one access token (so one device) and one room of its user for each."""

    port: int
    tokens: list[str]
    room_ids: list[str]


class Phase(msgspec.Struct):
    """Where the generator is, and how many clients came to be parked there."""

    phase: str
    clients: int


def main() -> None:
    """Go through the phases."""
    plan = read_plan(ParkedPlan)
    loop = Loop(plan.port)
    pollers = [
        Poller(loop, token, room_id) for token, room_id in zip(plan.tokens, plan.room_ids, strict=True)
    ]
    sync_all(loop, pollers)
    loop.close_links()
    half = len(pollers) // 2
    for phase, newly_parked in zip(PHASES, ([], pollers[:half], pollers[half:]), strict=True):
        for poller in newly_parked:
            poller.park(_ignore)
        print_result(Phase(phase, len(newly_parked)))
        while not select.select([sys.stdin], [], [], 0)[0]:
            loop.turn(0.1)
        sys.stdin.readline()


def _ignore(_room: JoinedRoom, _now: float) -> None:
    pass


if __name__ == "__main__":
    main()
