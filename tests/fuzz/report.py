"""What a run says at its end, and the checks that come after the last request."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial

from hamrasan.rooms.verify import verify_rooms
from hamrasan.storage.sqlite.inspection import Inspection
from tests.fuzz.run import Run
from tests.spec.operations import problems_of

SETTLED_SECONDS = 20.0
"""In which the server must have let go of the connections of a run."""
SPARE_FILES = 16
"""Files that a server may hold more than before: readers of the database are opened when they are needed."""


def open_files(pid: int) -> int:
    """Return how many files and sockets a process holds."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def finish(run: Run, files_before: int) -> str:
    """Check the server and its folder after a run, over a restart; return what stands in the folder."""
    server = run.server
    if not server.running:
        return "the server has ended"
    end = time.monotonic() + SETTLED_SECONDS
    while open_files(server.pid) > files_before + SPARE_FILES:
        if time.monotonic() > end:
            held = open_files(server.pid)
            run.findings.add(f"files are still open: {held} instead of {files_before}", lambda: "")
            break
        time.sleep(0.1)
    if run.memory.grows():
        early, late = run.memory.fifth(1), run.memory.fifth(4)
        run.findings.add(f"memory grows: {early / 2**20:.0f} to {late / 2**20:.0f} MiB", lambda: "")
    for user in list(run.world.users.values()):
        run.release(user)
    server.restart()
    synced = sum(map(bool, (_sync(run, user_id) for user_id in list(run.world.users))))
    for line in server.complaints:
        run.findings.add(f"the server complained: {line.strip()[-300:]}", partial(str, line))
    server.stop()
    return f"{_look(run)} were looked at; {synced} users have synced after a restart"


def _look(run: Run) -> str:
    """Note what is wrong with the folder of a server that has ended; return how much is in it."""
    inspection = Inspection(run.server.data_dir)
    try:
        for damage in [*inspection.damages(), *map(str, inspection.misplaced())]:
            run.findings.add(f"in the folder: {damage}", lambda: "")
        verified = asyncio.run(
            verify_rooms(inspection.rooms, inspection.events, inspection.state, inspection.federated_rooms)
        )
    finally:
        inspection.close()
    for problem in verified.problems:
        run.findings.add(f"in the folder: {problem.what}", partial(str, problem))
    return f"{verified.rooms} rooms with {verified.events} events"


def _sync(run: Run, user_id: str) -> bool:
    user = run.world.users[user_id]
    if user.gone or (not user.token and not run.log_in(user)):
        return False
    answer = run.ask("GET", "/sync", user)
    if answer.status == 401:  # a device of theirs was ended by another
        if not run.log_in(user):
            return False
        answer = run.ask("GET", "/sync", user)
    found = problems_of("GET", "/_matrix/client/v3/sync", answer.status, answer.body)
    if answer.status != 200:
        found.append(f"the first sync of a user was answered {answer.status}: {answer.body[:200]!r}")
    for problem in found:
        run.findings.add(f"after a restart: {problem}", lambda: user_id)
    return not found


def tables(run: Run) -> Iterator[str]:
    """Yield the lines of the report."""
    totals: Counter[str] = Counter()
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for (operation, status), count in run.statuses.items():
        rows[operation][status] += count
        totals[status] += count
    yield f"{run.steps} steps, {run.requests} requests: {_line(totals)}"
    yield ""
    yield from (f"  {operation}: {_line(rows[operation])}" for operation in sorted(rows))
    yield ""
    yield "What was wrong with requests, and how they were answered:"
    notes: dict[str, Counter[str]] = defaultdict(Counter)
    for (note, status), count in run.notes.items():
        notes[note][status] += count
    yield from (f"  {note}: {_line(notes[note])}" for note in sorted(notes))
    yield ""
    yield "Refusals with M_UNKNOWN:"
    yield from (f"  {count} x {what}" for what, count in sorted(run.unknown.items()))
    yield ""
    yield "Slowest answers:"
    yield from (f"  {seconds:.2f} s {what}" for seconds, what in sorted(run.slowest, reverse=True)[:10])
    yield ""
    fifths = ", ".join(f"{run.memory.fifth(which) / 2**20:.0f}" for which in range(5))
    yield f"Resident memory by fifths of the run, MiB: {fifths}"


def findings(run: Run) -> Iterator[str]:
    """Yield everything that was found, with the smallest request that shows it."""
    for finding in run.findings.found.values():
        yield f"FOUND ({finding.count} times) {finding.what}"
        yield f"    {finding.example}"
    yield f"{len(run.findings)} findings; seed {run.seed}"


def _line(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items()))
