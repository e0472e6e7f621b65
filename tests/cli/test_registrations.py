"""Registrations of application services as an operator meets them: what is wrong is told with its place and remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import server_process
from tests.registrations import registration, write_registration
from tests.running import client, running


def hamrasan(*arguments: str) -> tuple[int, str]:
    """Run the command; return its status and all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "hamrasan.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "HAMRASAN_LANG": "en"},
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with a mistake in a registration."""
    with running(tmp_path):
        pass
    path = write_registration(tmp_path, {**registration(), "as_token": "hunter2", "url": "nowhere"})
    path.write_text("# by hand\n" + path.read_text())
    return tmp_path


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_mistake_is_told_in_both_languages(data_dir: Path, command: str) -> None:
    options = [command, "--data-dir", str(data_dir)]
    if command == "serve":
        options += ["--server-name", "hamrasan.test", "--listen", "127.0.0.1:0"]
    path = data_dir / "appservices" / "bridge.yaml"
    status, shown = hamrasan("--lang", "en", *options)
    assert status == 1
    assert f"{path}:2: 'as_token' cannot be '…'." in shown
    assert "Possible is: at least 16 characters without spaces that nobody can guess" in shown
    assert "'url' cannot be 'nowhere'." in shown
    assert "Possible is: an address such as http://localhost:29317" in shown
    assert "hunter2" not in shown
    status, shown = hamrasan("--lang", "fa", *options)
    assert status == 1
    assert f"{path}:2: مقدار «as_token» نمی‌تواند «…» باشد." in shown
    assert "آنچه می‌شود نوشت: دست‌کم ۱۶ نویسهٔ بی‌فاصله که کسی نتواند حدس بزند" in shown


def test_what_is_right_is_not_complained_about(tmp_path: Path) -> None:
    write_registration(tmp_path, registration())
    with running(tmp_path):
        pass
    status, shown = hamrasan("check", "--data-dir", str(tmp_path))
    assert status == 0
    assert shown.endswith("Everything is as it should be.\n")


def test_sighup_reads_the_files_again(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        values = registration()
        with client(server.url, headers={"Authorization": f"Bearer {values['as_token']}"}) as http:

            def whoami() -> int:
                return http.get("/_matrix/client/v3/account/whoami").status_code

            assert whoami() == 401
            path = write_registration(tmp_path, values)
            server.reload()
            server.wait_for_log("the settings were reloaded")
            assert whoami() == 200
            path.write_text("id: 3\n")
            server.reload()
            server.wait_for_log("the application services were not reloaded")
            assert whoami() == 200
