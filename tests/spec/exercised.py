"""Which tests got an answer from which operation of the specification, as the tests themselves saw it.

    python -m tests.spec.exercised                     # after all tests of the endpoints
    python -m tests.spec.exercised tests/http/api/client/test_keys.py

runs tests, notes the operations that answered them (`tests/running.py` looks at every answer anyway) and writes
`exercised.json` beside this file, which the handbook's table of operations shows and a test of `tests/architecture`
holds against the routes. With arguments only what the named files show is written anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

import httpx
import pytest

from hamrasan import __version__
from hamrasan.http.api.federation_routes import FEDERATION_ROUTES
from hamrasan.http.api.refused import REFUSED, SERVER_REFUSED
from hamrasan.http.api.routes import ROUTES
from hamrasan.http.router import Router
from hamrasan.protocol.errors import MatrixError

FILE = Path(__file__).with_name("exercised.json")
FOLDER_ENV = "HAMRASAN_TESTS_EXERCISED"
"""Names the folder into which each process of a run writes what it saw; without it nothing is noted."""
ENDPOINT_TESTS = "tests/http/api"
LIMITS_TESTS = "tests/http/api/client/test_limits.py"
"""Tests of limits that all operations have; they say little of any one."""
FOR_CLIENTS = ("/_matrix/", "/.well-known/")
"""Where programs ask; pages for people are tested as people use them."""
KEPT_TESTS = 3
"""Tests that are kept for each operation: some that show what it does, not the hundreds that need it on their way."""

_ROUTES = [*ROUTES, *FEDERATION_ROUTES]
_REFUSED = {row.operation: row.errcode for row in (*REFUSED, *SERVER_REFUSED)}
_WITHOUT_ROUTE = {"peekEvents", *_REFUSED}
_seen: set[tuple[str, str]] = set()


class Exercised(TypedDict):
    """What is known of one operation."""

    since: str
    """The version in which it was first seen to answer."""
    tests: dict[str, int]
    """Tests that got its answer, with the number of operations that answered each: few mean that it is about them."""


def note(response: httpx.Response) -> None:
    """Note which operation gave the running test the answer that is right for it; others are not worth noting."""
    test, _, phase = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    if FOLDER_ENV not in os.environ or phase != "(call)":
        return
    operation = operation_of(response.request)
    if operation is not None and is_right(operation, response):
        _seen.add((operation, test.partition("[")[0]))


def operation_of(request: httpx.Request) -> str | None:
    """Return the operation that a request is for; None where there is none."""
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    try:
        operation = _router().match(request.method, path)[0].operation
    except MatrixError:
        return None
    if operation == "inviteUser" and b'"user_id"' not in request.content:
        return "inviteBy3PID"
    if operation == "getEvents" and "room_id" in request.url.params:
        return "peekEvents"
    return operation


def is_right(operation: str, response: httpx.Response) -> bool:
    """Return whether an answer is a success, or the refusal that this server has for an operation."""
    if response.status_code < 400:
        return operation not in _REFUSED
    return operation in _REFUSED and response.json().get("errcode") == _REFUSED[operation]


@lru_cache(1)
def _router() -> Router:
    return Router(_ROUTES)


def forget(test: str) -> None:
    """Drop what a test saw that failed: it shows nothing."""
    failed = {entry for entry in _seen if entry[1] == test.partition("[")[0]}
    _seen.difference_update(failed)


def write_seen() -> None:
    """Write what this process saw, at the end of its tests."""
    folder = os.environ.get(FOLDER_ENV)
    if folder is not None:
        Path(folder, f"{os.getpid()}.json").write_text(json.dumps(sorted(_seen)), "utf-8")


def load() -> dict[str, Exercised]:
    """Return what the committed file says, by operation."""
    found: dict[str, Exercised] = json.loads(FILE.read_text("utf-8"))
    return found


def merged(
    known: dict[str, Exercised], seen: set[tuple[str, str]], ran: tuple[str, ...], version: str
) -> dict[str, Exercised]:
    """Return `known` with what the files under `ran` show now in place of what they showed before."""
    own_files = {route.operation: _test_file(route.handler.__module__) for route in _ROUTES}
    focus = Counter(test for _, test in seen)
    tests: dict[str, dict[str, int]] = {name: {} for name in sorted(operations())}
    for operation, entry in known.items():
        kept = {test: number for test, number in entry["tests"].items() if not test.startswith(ran)}
        tests.get(operation, {}).update(kept)
    for operation, test in seen:
        if operation in tests:
            tests[operation][test] = focus[test]
    return {
        operation: {
            "since": known[operation]["since"] if operation in known else version,
            "tests": dict(
                sorted(found.items(), key=lambda item: _rank(own_files.get(operation), *item))[:KEPT_TESTS]
            ),
        }
        for operation, found in tests.items()
        if found
    }


def operations() -> set[str]:
    """Return what has to have a test here: every operation for clients with a route, and those that share one."""
    return {route.operation for route in _ROUTES if route.path.startswith(FOR_CLIENTS)} | _WITHOUT_ROUTE


def _test_file(module: str) -> str:
    """Return the file that mirrors a module of the package."""
    folder, _, name = module.removeprefix("hamrasan.").rpartition(".")
    return f"tests/{folder.replace('.', '/')}/test_{name}.py"


def _rank(own_file: str | None, test: str, focus: int) -> tuple[bool, bool, bool, int, str]:
    file = test.partition("::")[0]
    of_other_api = own_file is not None and Path(file).parent != Path(own_file).parent
    return file != own_file, of_other_api, file == LIMITS_TESTS, focus, test


def main(arguments: list[str]) -> int:
    """Run tests and write the file with what those saw that passed; return pytest's status."""
    paths = tuple(arguments) or (ENDPOINT_TESTS,)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *paths]
        status = subprocess.run(command, env={**os.environ, FOLDER_ENV: folder}, check=False).returncode
        if status > pytest.ExitCode.TESTS_FAILED:
            return status
        seen = {
            (operation, test)
            for file in Path(folder).iterdir()
            for operation, test in json.loads(file.read_text())
        }
    found = merged(load() if FILE.exists() else {}, seen, paths, __version__)
    lines = (f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
