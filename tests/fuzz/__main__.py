"""Sends requests at a server of its own and says what was wrong with the answers.

    python -m tests.fuzz --minutes 10 [--seed 7] [--steps 100000]

Nothing found is the exit status 0. The same seed and number of steps give the same requests again.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz.report import findings, finish, open_files, tables
from tests.fuzz.run import Run
from tests.processes import ServerProcess


def main() -> int:
    """Run, report, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="how long")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="for the same requests again"
    )
    parser.add_argument("--steps", type=int, default=None, help="end after so many steps, if that is sooner")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data")
        try:
            server.start()
            run = Run(server, options.seed)
            _say(f"seed {options.seed}, server on {server.url}")
            run.prepare()
            files = open_files(server.pid)
            run.go_on(options.minutes * 60, options.steps)
            for line in tables(run):
                _say(line)
            _say(finish(run, files))
        finally:
            server.close()
            for line in findings(run):
                _say(line)
    return 1 if len(run.findings) else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
