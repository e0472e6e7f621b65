"""A short run of the generator, with requests that are always the same; `python -m tests.fuzz` runs for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.report import findings, finish, open_files
from tests.fuzz.run import Run
from tests.processes import server_process

SEED = 20_261
STEPS = 5_000
SECONDS = 18.0
"""On a busy machine the time ends a run, and fewer requests were sent."""
LEAST_STEPS = 300
PATIENCE = 20.0
"""Other tests run at the same time; that answers come quickly is looked at by hand."""


@pytest.mark.timeout(180)
def test_no_request_does_any_harm(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        run = Run(server, SEED, PATIENCE)
        run.prepare()
        files = open_files(server.pid)
        run.go_on(SECONDS, STEPS)
        finish(run, files)
    assert len(run.findings) == 0, "\n".join(findings(run))
    assert run.steps >= LEAST_STEPS
    assert {status for _, status in run.statuses} >= {"200", "400", "403", "404", "405"}
