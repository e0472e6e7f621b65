"""`hamrasan user` and `hamrasan token` as an operator runs them: as processes, at a terminal, beside a server."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import ServerProcess, server_process
from tests.running import Person, answered, refused

WAIT_S = 60
PASSWORD = "eight words are better than one"
_COMMAND = str(Path(sys.executable).with_name("hamrasan"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "data", registration="token") as process:
        yield process


def _environ(server: ServerProcess) -> dict[str, str]:
    """Only the folder: which server it belongs to, the folder knows."""
    return {"HAMRASAN_DATA_DIR": str(server.data_dir), "HAMRASAN_LANG": "en", "PATH": os.environ["PATH"]}


def hamrasan(server: ServerProcess, *words: str, typed: str = "") -> str:
    """Run a command without a terminal and return what it printed."""
    done = subprocess.run(
        [_COMMAND, *words],
        input=typed,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=_environ(server),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def at_terminal(server: ServerProcess, *words: str, answers: dict[str, str]) -> tuple[int, str]:
    """Run a command at a terminal, answer its questions in order; return its status and what the terminal showed."""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [_COMMAND, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=_environ(server),
        start_new_session=True,
    )
    os.close(theirs)
    shown, waiting = "", list(answers.items())
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # what Linux says when the other side has closed the terminal
            break
        if not read:
            break
        shown += read.decode()
        if waiting and waiting[0][0] in shown.rpartition("\n")[2]:
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    os.close(terminal)
    return process.wait(WAIT_S), shown


def log_in(server: ServerProcess, name: str, password: str) -> httpx.Response:
    wish = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": name},
        "password": password,
    }
    with server.anonymous() as http:
        return http.post("/_matrix/client/v3/login", json=wish)


@pytest.fixture
def anna(server: ServerProcess) -> Iterator[Person]:
    """Somebody whose account the operator made, and who has logged in."""
    hamrasan(server, "user", "add", "anna", "--password-stdin", typed=f"{PASSWORD}\n")
    session = answered(log_in(server, "anna", PASSWORD))
    person = Person(server.url, session["user_id"], session["device_id"], session["access_token"])
    yield person
    person.http.close()


def until_refused(who: Person) -> None:
    """Wait until the server has noticed that this session ended; it looks every second."""
    deadline = time.monotonic() + WAIT_S
    while who.request("GET", "/account/whoami").status_code == 200:
        assert time.monotonic() < deadline
    refused(who.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")


def test_a_password_is_asked_for_twice_and_never_shown(server: ServerProcess) -> None:
    status, shown = at_terminal(
        server, "user", "add", "anna", "--admin", answers={"Password: ": PASSWORD, "once more: ": PASSWORD}
    )
    assert status == 0
    assert PASSWORD not in shown
    assert "@anna:hamrasan.test can log in now." in shown
    assert answered(log_in(server, "anna", PASSWORD))["user_id"] == "@anna:hamrasan.test"
    assert "administrator" in hamrasan(server, "user", "list")


def test_two_different_passwords_make_no_account(server: ServerProcess) -> None:
    status, shown = at_terminal(
        server, "user", "add", "anna", answers={"Password: ": PASSWORD, "once more: ": "something else"}
    )
    assert status == 1
    assert "The two passwords differ" in shown
    assert hamrasan(server, "user", "list") == ""


def test_no_option_takes_a_password(server: ServerProcess) -> None:
    help_text = hamrasan(server, "user", "add", "--help")
    assert "--password-stdin" in help_text
    assert "--password " not in help_text


def test_a_new_password_ends_the_sessions_that_run(server: ServerProcess, anna: Person) -> None:
    hamrasan(server, "user", "set-password", "anna", "--password-stdin", typed="another one altogether\n")
    until_refused(anna)
    refused(log_in(server, "anna", PASSWORD), 403, "M_FORBIDDEN")
    answered(log_in(server, "anna", "another one altogether"))


def test_deactivating_asks_first_and_empties_the_rooms(server: ServerProcess, anna: Person) -> None:
    hamrasan(server, "user", "add", "ben", typed=PASSWORD)
    session = answered(log_in(server, "ben", PASSWORD))
    ben = Person(server.url, session["user_id"], session["device_id"], session["access_token"])
    room_id = anna.create_room(preset="public_chat")
    ben.join(room_id)
    status, shown = at_terminal(server, "user", "deactivate", "anna", answers={"for good?": "n"})
    assert status != 0
    assert "@anna:hamrasan.test" in shown
    assert anna.get("/account/whoami")["user_id"] == anna.user_id
    status, _ = at_terminal(server, "user", "deactivate", "anna", answers={"for good?": "y"})
    assert status == 0
    until_refused(anna)
    deadline = time.monotonic() + WAIT_S
    while anna.user_id in ben.get(f"/rooms/{room_id}/joined_members")["joined"]:
        assert time.monotonic() < deadline
    assert "deactivated" in hamrasan(server, "user", "list")
    ben.http.close()


def test_a_deactivation_without_a_server_is_finished_at_its_next_start(
    server: ServerProcess, anna: Person
) -> None:
    room_id = anna.create_room(preset="public_chat")
    server.stop()
    hamrasan(server, "user", "deactivate", "anna", "--yes")
    hamrasan(server, "user", "add", "ben", typed=PASSWORD)
    server.start()
    session = answered(log_in(server, "ben", PASSWORD))
    ben = Person(server.url, session["user_id"], session["device_id"], session["access_token"])
    deadline = time.monotonic() + WAIT_S
    ben.join(room_id)
    while anna.user_id in ben.get(f"/rooms/{room_id}/joined_members")["joined"]:
        assert time.monotonic() < deadline
    ben.http.close()


def test_a_token_lets_people_in_until_it_is_taken_back(server: ServerProcess) -> None:
    token = hamrasan(server, "token", "create", "--uses", "5").strip()

    def register(name: str) -> httpx.Response:
        with server.anonymous() as http:
            body = {"username": name, "password": PASSWORD}
            session = http.post("/_matrix/client/v3/register", json=body).json()["session"]
            auth = {"type": "m.login.registration_token", "token": token, "session": session}
            return http.post("/_matrix/client/v3/register", json={**body, "auth": auth})

    assert answered(register("anna"))["user_id"] == "@anna:hamrasan.test"
    assert "used 1 of 5 times" in hamrasan(server, "token", "list")
    hamrasan(server, "token", "revoke", token)
    assert register("ben").status_code == 401
    assert hamrasan(server, "token", "list") == ""
