"""`hamrasan user` and `hamrasan token`, beside a server that runs and without one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hamrasan.cli.main import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, main
from hamrasan.storage.sqlite.store import Store, open_store
from tests.running import Running, answered, refused, running

PASSWORD = "a password for tests"
NAME = "hamrasan.test"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command on the test's data folder, and returns status, output and complaints."""
    for name in ("HAMRASAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HAMRASAN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HAMRASAN_SERVER_NAME", NAME)

    def command(*words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main(words)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return command


@pytest.fixture
def data(tmp_path: Path) -> None:
    """Let a server have worked on the test's data folder."""

    async def open_and_close() -> None:
        store: Store = open_store(tmp_path)
        await store.close()

    asyncio.run(open_and_close())


def log_in(server: Running, name: str, password: str) -> Any:
    wanted = {"type": "m.login.password", "user": name, "password": password}
    with server.anonymous() as http:
        return http.post("/_matrix/client/v3/login", json=wanted)


def rows(out: str) -> list[list[str]]:
    """Return the cells of a list; between its lines a server of the same process may log."""
    return [line.split("\t") for line in out.splitlines() if "\t" in line]


def test_before_any_server_there_is_nothing_to_work_on(run: Run, tmp_path: Path) -> None:
    status, out, err = run("user", "add", "alice", typed=PASSWORD)
    assert (status, out) == (EXIT_FAILED, "")
    assert err.startswith(f"No server has worked with the folder {tmp_path} yet.")


def test_adding_and_listing(run: Run, data: None, tmp_path: Path) -> None:
    assert run("user", "add", "Alice", "--admin", typed=PASSWORD + "\n")[:2] == (
        0,
        f"@alice:{NAME} can log in now.\n",
    )
    assert run("user", "add", "bob", typed=PASSWORD)[0] == 0
    status, out, _ = run("user", "list")
    assert status == 0
    assert [(row[0], row[2]) for row in rows(out)] == [
        (f"@alice:{NAME}", "administrator"),
        (f"@bob:{NAME}", ""),
    ]
    with running(tmp_path) as server:
        assert answered(log_in(server, "alice", PASSWORD))["user_id"] == f"@alice:{NAME}"


@pytest.mark.parametrize(
    ("words", "typed", "complaint"),
    [
        (("add", "alice"), PASSWORD, "This user name is taken."),
        (("add", "a b"), PASSWORD, "A user name consists of"),
        (("add", "bob"), "short", "The password is too short"),
        (("add", "bob"), "x" * 600, "The password is too long"),
        (("add", "bob"), "", "A password is needed"),
        (("set-password", "bob"), PASSWORD, "There is no active account of this name."),
        (("make-admin", "@alice:elsewhere.org"), "", "There is no active account of this name."),
        (("deactivate", "bob", "--yes"), "", "There is no active account of this name."),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    run: Run, data: None, words: tuple[str, ...], typed: str, complaint: str
) -> None:
    run("user", "add", "alice", typed=PASSWORD)
    before = run("user", "list")
    status, out, err = run("user", *words, typed=typed)
    assert (status, out) == (EXIT_FAILED, "")
    assert err.startswith(complaint)
    assert run("user", "list") == before


def test_a_running_server_notices(run: Run, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        who = server.register()
        assert run("user", "set-password", who.localpart, typed="quite another password")[0] == 0
        assert f"{who.user_id} is an administrator now.\n" in run("user", "make-admin", who.localpart)[1]
        answered(log_in(server, who.localpart, "quite another password"))
        server.run(server.server.identity.outside_changes.look())
        refused(who.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")
        assert run("user", "make-admin", who.localpart, "--undo")[0] == 0
        assert run("user", "deactivate", who.user_id, "--yes", "--erase")[0] == 0
        refused(log_in(server, who.localpart, "quite another password"), 403, "M_FORBIDDEN")
        assert [row[2] for row in rows(run("user", "list")[1])] == ["deactivated"]


def test_sessions_can_be_kept(run: Run, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        who = server.register()
        words = ("user", "set-password", who.localpart, "--keep-sessions")
        assert run(*words, typed="quite another password")[0] == 0
        server.run(server.server.identity.outside_changes.look())
        assert who.get("/account/whoami")["user_id"] == who.user_id


@pytest.mark.parametrize(("typed", "status"), [("n\n", EXIT_INTERRUPTED), ("", EXIT_INTERRUPTED), ("y\n", 0)])
def test_an_account_is_ended_only_if_that_is_meant(run: Run, data: None, typed: str, status: int) -> None:
    run("user", "add", "alice", typed=PASSWORD)
    assert run("user", "deactivate", "alice", typed=typed)[0] == status
    assert ("deactivated" in run("user", "list")[1]) is (status == 0)


def test_registration_tokens(run: Run, tmp_path: Path) -> None:
    with running(tmp_path, registration="token") as server, server.anonymous() as http:
        assert run("token", "create", "--word", "come-in", "--uses", "2", "--days", "7")[:2] == (
            0,
            "come-in\n",
        )
        run("token", "create")
        auth = {"type": "m.login.registration_token", "token": "come-in"}
        wanted = {"username": "alice", "password": PASSWORD, "auth": auth}
        answered(http.post("/_matrix/client/v3/register", json=wanted))
        first, drawn = rows(run("token", "list")[1])
        assert (first[:2], drawn[1:]) == (["come-in", "used 1 of 2 times"], ["used 0 times"])
        assert first[2].startswith("until 20")
        assert run("token", "revoke", "come-in")[0] == 0
        refused(
            http.post("/_matrix/client/v3/register", json={**wanted, "username": "bob"}),
            401,
            "M_UNAUTHORIZED",
        )
        assert rows(run("token", "list")[1]) == [drawn]


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("create", "--word", "not a word"), EXIT_FAILED, "This cannot be a token"),
        (("create", "--uses", "0"), EXIT_USAGE, "This cannot be understood"),
        (("create", "--days", "many"), EXIT_USAGE, "This cannot be understood"),
        (("revoke", "nothing"), EXIT_FAILED, "There is no such token."),
        (("revoke",), EXIT_USAGE, "TOKEN is missing."),
    ],
)
def test_bad_tokens(run: Run, data: None, words: tuple[str, ...], status: int, complaint: str) -> None:
    found, _, err = run("token", *words)
    assert found == status
    assert err.startswith(complaint)
    assert run("token", "list")[1] == ""


def test_persian(run: Run, data: None) -> None:
    assert (
        run("--lang", "fa", "user", "add", "alice", typed=PASSWORD)[1]
        == f"@alice:{NAME} حالا می‌تواند وارد شود.\n"
    )
    assert run("--lang", "fa", "user", "add", "alice", typed=PASSWORD)[2] == "این نام کاربری گرفته شده است.\n"
    shown = run("--lang", "fa", "user", "deactivate", "--help")[1]
    for word in ("Usage", "Options", "Arguments", "VALUE", "Show", " NAME"):
        assert word not in shown
