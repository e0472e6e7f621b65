"""`hamrasan reports`: what users have reported, in a form that no terminal obeys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hamrasan.cli.plain import plain
from tests.reading import room_path
from tests.running import running

WAIT_S = 60


def reports(data_dir: Path, *options: str, lang: str = "en") -> str:
    """Run the command as an operator does and return what it prints."""
    command = [str(Path(sys.executable).with_name("hamrasan")), "--lang", lang, "reports"]
    done = subprocess.run(
        [*command, "--data-dir", str(data_dir), *options],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        env={"TZ": "UTC"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_reports_are_shown_beside_a_server_the_latest_at_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert reports(tmp_path) == "Nothing has been reported.\n"
        assert reports(tmp_path, lang="fa") == "گزارشی نرسیده است.\n"
        anna, ben = server.register("anna"), server.register("ben")
        room_id = anna.create_room(preset="public_chat")
        ben.join(room_id)
        event_id = ben.send(room_id, "rude")
        anna.post(room_path(room_id, "report", event_id), {"reason": "rude\nand\x1b[2J loud"})
        anna.post(room_path(room_id, "report"), {"reason": ""})
        anna.post(f"/users/{ben.user_id}/report", {"reason": "بی‌ادب است"})
        lines = [line.partition("  ")[2] for line in reports(tmp_path).splitlines()]
        assert lines == [
            f"{anna.user_id} reported a message of {ben.user_id}: {event_id} in {room_id}",
            "  rude",
            "  and\\u001b[2J loud",
            f"{anna.user_id} reported the room {room_id}",
            f"{anna.user_id} reported {ben.user_id}",
            "  بی‌ادب است",
        ]
        assert reports(tmp_path, "--limit", "1").splitlines()[0].endswith(f"reported {ben.user_id}")
        assert f"⁨{anna.user_id}⁩ اتاق ⁨{room_id}⁩ را گزارش کرد" in reports(tmp_path, lang="fa")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("سلام، می‌روم", "سلام، می‌روم"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("a\u202eb\u2066c\x85", "a\\u202eb\\u2066c\\u0085"),
        (5, "5"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_a_number(written: object, shown: str) -> None:
    assert plain(written) == shown
