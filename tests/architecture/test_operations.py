"""Every operation of the specification is served, or is listed with the reason why it is not."""

from __future__ import annotations

import ast
import re

import httpx

from hamrasan.cli.endpoints_page import client_server_api_page, server_server_api_page
from hamrasan.http.api.federation_routes import FEDERATION_ROUTES
from hamrasan.http.api.refused import REFUSED, SERVER_REFUSED
from hamrasan.http.api.routes import METRICS_ROUTES, ROUTES
from hamrasan.http.api.unserved import SERVER_UNSERVED, UNSERVED
from hamrasan.http.route import Route
from tests.architecture.source import ROOT, files, tree
from tests.spec.exercised import Exercised, is_right, load, merged, operations
from tests.spec.operations import ALL_OPERATIONS, OPERATIONS, SERVER_OPERATIONS

OWN = (
    "/_synapse/admin/",
    "/health",
    "/metrics",
    "/_matrix/client/v3/auth/",
    "/_matrix/client/unstable/",
    "/_matrix/client/v3/pushers/ack",
    "/_matrix/client/v4/sync",
    "/mail/",
    "/oauth/",
    "/account",
    "/link",
    "/signin",
    "/signout",
    "/signup",
    "/sso",
    "/upstream/",
)
"""Where there may be operations that the specification does not know.

It describes the pages under `auth/` in prose only ("Fallback"); the others are the operator's, drafts of the
specification, and pages to which its metadata lead.
"""
LANDING = "/"
WITHOUT_STATE_KEY = frozenset({"getRoomStateWithKey", "setRoomStateWithKey"})
"""An empty state key may be left out with the slash before it, so these have one form more."""

WITHOUT_ROUTE = frozenset({"inviteBy3PID", "peekEvents"})
"""Served by the route of another operation, since both have one address."""

ALL_ROUTES = [*ROUTES, *FEDERATION_ROUTES]
ALL_UNSERVED = [*UNSERVED, *SERVER_UNSERVED]

_PARAMETER = re.compile(r"\{[^}]*\}")


def shape(path: str) -> str:
    """Return a path without the names of its parameters; one of the specification's ends with a blank."""
    return _PARAMETER.sub("{}", path.strip())


def served() -> dict[str, set[tuple[str, str]]]:
    """Return the forms of every operation that has a route."""
    found: dict[str, set[tuple[str, str]]] = {}
    for route in ALL_ROUTES:
        found.setdefault(route.operation, set()).add((route.method, shape(route.path)))
    return found


def is_ours(route: Route) -> bool:
    return route.path == LANDING or route.path.startswith(OWN)


def without_state_key(path: str) -> str:
    return path.removesuffix("/{}")


def test_every_operation_is_served_or_has_a_reason_not_to_be() -> None:
    listed = [row.operation for row in ALL_UNSERVED] + sorted(WITHOUT_ROUTE)
    assert len(listed) == len(set(listed)), "listed twice"
    assert set(listed) & served().keys() == set(), "listed as not served, but there is a route"
    assert ALL_OPERATIONS.keys() - served().keys() - set(listed) == set(), "neither served nor listed"
    assert set(listed) - ALL_OPERATIONS.keys() == set(), "the specification knows no such operation"


def test_routes_have_the_form_that_the_specification_gives_them() -> None:
    for name, forms in served().items():
        if name in ALL_OPERATIONS:
            method, path = ALL_OPERATIONS[name].method, shape(ALL_OPERATIONS[name].path)
            expected = {(method, path)}
            if name in WITHOUT_STATE_KEY:
                expected.add((method, without_state_key(path)))
            assert forms == expected, name


def test_what_is_not_served_is_listed_under_its_address() -> None:
    for row in ALL_UNSERVED:
        operation = ALL_OPERATIONS[row.operation]
        assert (row.method, shape(row.path)) == (operation.method, shape(operation.path)), row.operation
        assert row.reason.endswith("."), row.operation


def test_what_the_specification_does_not_know_is_in_our_own_namespace() -> None:
    strangers = [
        route.operation
        for route in [*ALL_ROUTES, *METRICS_ROUTES]
        if route.operation not in ALL_OPERATIONS and not is_ours(route)
    ]
    assert strangers == []


def test_nothing_that_is_listed_as_not_served_would_be_routed_all_the_same() -> None:
    forms = {(route.method, shape(route.path)) for route in ALL_ROUTES}
    answered = {row.operation for row in ALL_UNSERVED if (row.method, shape(row.path)) in forms}
    assert answered == set(), "there is a route at the address of something that is not served"


def test_the_pages_count_all_operations() -> None:
    for page, operations_of_api in (
        (client_server_api_page(), OPERATIONS),
        (server_server_api_page(), SERVER_OPERATIONS),
    ):
        counts = re.search(r"Served are (\d+) operations .* specification; (\d+) are not", page)
        assert counts is not None
        assert int(counts[1]) + int(counts[2]) == len(operations_of_api)


def test_no_operation_is_served_without_a_test_that_saw_its_answer() -> None:
    untested = operations() - load().keys()
    assert untested == set(), "write a test, then run `python -m tests.spec.exercised FILE_OF_THE_TEST`"


def test_the_tests_that_saw_answers_are_still_there() -> None:
    named = {test for entry in load().values() for test in entry["tests"]}
    written = {
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in files("tests/http/api")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert named - written == set(), "gone or renamed: run `python -m tests.spec.exercised FILE`"
    assert load().keys() - operations() == set(), "no longer served: run `python -m tests.spec.exercised`"


def test_what_is_always_refused_is_served() -> None:
    for row in (*REFUSED, *SERVER_REFUSED):
        assert row.operation in served().keys() | WITHOUT_ROUTE, row.operation
        assert row.reason.endswith("."), row.operation


def test_a_run_replaces_what_its_files_showed_before() -> None:
    known: dict[str, Exercised] = {
        "sync": {"since": "0.0.1", "tests": {"tests/a.py::test_old": 1, "tests/b.py::test_kept": 2}},
        "gone": {"since": "0.0.1", "tests": {"tests/b.py::test_kept": 2}},
    }
    seen = {("sync", "tests/a.py::test_new"), ("login", "tests/a.py::test_new")}
    assert merged(known, seen, ("tests/a.py",), "2.0.0") == {
        "login": {"since": "2.0.0", "tests": {"tests/a.py::test_new": 2}},
        "sync": {"since": "0.0.1", "tests": {"tests/a.py::test_new": 2, "tests/b.py::test_kept": 2}},
    }


def test_a_success_counts_unless_the_right_answer_is_a_refusal() -> None:
    denied = {"errcode": "M_SERVER_NOT_TRUSTED", "error": "?"}
    assert is_right("sync", httpx.Response(200, json={}))
    assert not is_right("sync", httpx.Response(403, json=denied))
    assert is_right("bind3PID", httpx.Response(403, json=denied))
    assert not is_right("bind3PID", httpx.Response(403, json={**denied, "errcode": "M_FORBIDDEN"}))
    assert not is_right("bind3PID", httpx.Response(200, json={}))
