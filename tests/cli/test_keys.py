"""`hamrasan key replace`: the server signs with another key, and what it signed before stays valid."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from hamrasan.server.folder import KEY_FILE, OLD_KEYS_FILE
from tests.federation.country import country

WAIT_S = 60


def replace(data_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    command = [str(Path(sys.executable).with_name("hamrasan")), "key", "replace", "--data-dir", str(data_dir)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_S, check=False, env={"HAMRASAN_LANG": "en"}
    )


def test_others_believe_the_new_key_and_the_old_one_for_what_is_old() -> None:
    with country("a", "b") as (a, b):
        before = a.services.own_keys.current
        secret = (a.data_dir / KEY_FILE).read_text()
        refused = replace(a.data_dir)
        assert (refused.returncode, "Stop it first" in refused.stderr) == (1, True)
        a.stop()
        done = replace(a.data_dir)
        assert done.returncode == 0, done.stderr
        replaced_ms = int(time.time() * 1000)
        assert secret.split()[2] not in (a.data_dir / OLD_KEYS_FILE).read_text()
        assert (a.data_dir / OLD_KEYS_FILE).stat().st_mode & 0o077 == 0
        a.start()
        current = a.services.own_keys.current
        assert current.key_id != before.key_id
        assert current.key_id in done.stdout
        ids = [before.key_id, current.key_id]
        at = b.run(b.services.key_ring.keys("a.test", ids, replaced_ms + 1))
        assert at == {current.key_id: current.public_key}
        earlier = b.run(b.services.key_ring.keys("a.test", ids, replaced_ms - 60_000))
        assert earlier == {before.key_id: before.public_key, current.key_id: current.public_key}


def test_where_there_is_no_server_there_is_no_key(tmp_path: Path) -> None:
    refused = replace(tmp_path)
    assert (refused.returncode, list(tmp_path.iterdir())) == (1, [])
