"""`hamrasan check`: what is sound is called so, also beside a working server, and every damage is found."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.processes import server_process
from tests.running import running

WAIT_S = 60


def check(data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    command = [
        str(Path(sys.executable).with_name("hamrasan")),
        "check",
        "--data-dir",
        str(data_dir),
        *options,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_S, check=False, env={"HAMRASAN_LANG": "en"}
    )


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a room in which something has happened."""
    folder = tmp_path_factory.mktemp("lived-in")
    with running(folder) as server:
        anna, ben = server.register("anna"), server.register("ben")
        room_id = anna.create_room(preset="public_chat", name="Garden")
        ben.join(room_id)
        event_id = anna.send(room_id, "hello")
        anna.put(f"/rooms/{room_id}/redact/{event_id}/once", {})
        ben.send(room_id, "good day")
        ben.post(f"/rooms/{room_id}/leave")
        anna.http.post("/_matrix/media/v3/upload", content=b"a file").raise_for_status()
    return folder


@pytest.fixture
def folder(lived_in: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    source = sqlite3.connect(lived_in / DATABASE_FILE)
    copy = sqlite3.connect(tmp_path / DATABASE_FILE)
    source.backup(copy)
    source.close()
    copy.close()
    shutil.copytree(lived_in / "media", tmp_path / "media")
    return tmp_path


def test_what_is_sound_is_called_so(folder: Path) -> None:
    done = check(folder)
    assert (done.returncode, done.stderr) == (0, "")
    looked_at, verdict = done.stdout.splitlines()
    assert looked_at.startswith("Looked at: rooms 1, events ")
    assert looked_at.endswith(", files 1.")
    assert verdict == "Everything is as it should be."


def test_the_same_in_persian(folder: Path) -> None:
    done = check(folder, "--lang", "fa")
    assert done.returncode == 2, "--lang belongs before the command"
    command = [sys.executable, "-m", "hamrasan.cli", "--lang", "fa", "check", "--data-dir", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert "همه‌چیز درست است." in told.stdout


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            "UPDATE events SET content = CAST('{\"body\":\"forged\"}' AS BLOB) WHERE type = 'm.room.name'",
            "not what was hashed",
        ),
        ("UPDATE events SET content = CAST('no JSON' AS BLOB) WHERE type = 'm.room.name'", "cannot be read"),
        ("UPDATE events SET content = CAST('[]' AS BLOB) WHERE type = 'm.room.member'", "cannot be read"),
        ("UPDATE events SET envelope = CAST('{}' AS BLOB) WHERE type = 'm.room.name'", "cannot be read"),
        ("UPDATE events SET sender = '@eve:hamrasan.test' WHERE type = 'm.room.name'", "id is not its hash"),
        ("UPDATE events SET depth = depth + 1 WHERE type = 'm.room.name'", "the depth is"),
        ("DELETE FROM events WHERE type = 'm.room.name'", "does not follow the one before"),
        ("DELETE FROM events WHERE type = 'm.room.join_rules'", "the rules do not allow"),
        ("DELETE FROM events; DELETE FROM recent_events", "the room has no event"),
        ("DELETE FROM state_versions WHERE type = 'm.room.name'", "the state of m.room.name"),
        ("UPDATE memberships SET membership = 'join'", "is not that of their last member event"),
        ("UPDATE rooms SET version = 'x'", "there is no room version 'x'"),
        ("UPDATE journal SET durable = 3", "but the journal only came to 3"),
    ],
)
def test_damage_is_found(damage: str, told: str, folder: Path) -> None:
    connection = sqlite3.connect(folder / DATABASE_FILE)
    with connection:
        for statement in damage.split("; "):
            assert connection.execute(statement).rowcount > 0
    connection.close()
    done = check(folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert told in done.stdout
    assert "Problems: " in done.stdout.splitlines()[-1]


def in_persian(folder: Path) -> str:
    command = [sys.executable, "-m", "hamrasan.cli", "--lang", "fa", "check", "--data-dir", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (told.returncode, told.stderr) == (1, "")
    return told.stdout


def test_damage_is_told_in_persian(folder: Path) -> None:
    connection = sqlite3.connect(folder / DATABASE_FILE)
    with connection:
        connection.execute("DELETE FROM state_versions WHERE type = 'm.room.name'")
        connection.execute("UPDATE rooms SET position = 0")
        connection.execute("UPDATE memberships SET membership = 'join'")
    connection.close()
    (blob,) = (folder / "media").glob("??/*")
    blob.unlink()
    told = in_persian(folder)
    for text in (
        "وضعیت ⁨m.room.name⁩ «⁨⁩» آخرین رویداد از این گونه نیست",
        "در ⁨rooms⁩ جایگاه 0 آمده؛ نخستین جایگاه ۱ است",
        "با آخرین رویداد عضویتش یکی نیست",
        f"پروندهٔ ⁨{blob.name}⁩: ثبت شده، ولی سر جایش نیست",
        "شمار ایرادها: ",
    ):
        assert text in told


def test_lost_and_changed_files_are_found(folder: Path) -> None:
    (blob,) = (folder / "media").glob("??/*")
    blob.write_bytes(b"a fire")
    assert check(folder).returncode == 0
    done = check(folder, "--contents")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"File {blob.name}: the bytes are not what was hashed" in done.stdout
    blob.write_bytes(b"a f")
    assert "it has 3 bytes, but should have 6" in check(folder).stdout
    blob.unlink()
    assert "it is known, but not there" in check(folder).stdout


def test_a_damaged_file_is_told(folder: Path) -> None:
    file = folder / DATABASE_FILE
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 20] = b"\xaa" * (4096 * 17)
    file.write_bytes(content)
    done = check(folder)
    assert done.returncode == 1
    assert "database disk image is malformed" in done.stderr or "Database: " in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_without_data_is_told_and_stays_empty(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"No server has worked with the folder {tmp_path} yet.")
    assert list(tmp_path.iterdir()) == []


def test_beside_a_server_that_is_being_written_to(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        anna = server.register("anna")
        room_id = anna.create_room()
        stop = threading.Event()

        def talk() -> None:
            number = 0
            while not stop.is_set():
                anna.send(room_id, f"message {number}")
                anna.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": f"topic {number}"})
                anna.http.post("/_matrix/media/v3/upload", content=b"%d" % number).raise_for_status()
                number += 1

        talking = threading.Thread(target=talk)
        talking.start()
        try:
            for _ in range(3):
                done = check(tmp_path / "data")
                assert (done.returncode, done.stderr) == (0, ""), done.stdout
        finally:
            stop.set()
            talking.join(WAIT_S)
        assert anna.send(room_id, "still here")
