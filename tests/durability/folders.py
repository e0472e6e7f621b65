"""Looking into the data folder of a server that does not run."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from hamrasan.cli.main import main

_LOOKED_AT = re.compile(r"rooms (\d+), events (\d+)")


def sound(data_dir: Path) -> int:
    """Return how many events a folder holds; fail if `hamrasan check` finds anything that is not as it should be.

    A copy is looked at: the folder itself stays as it was left, for the server to find.
    """
    with tempfile.TemporaryDirectory() as temporary, redirect_stdout(io.StringIO()) as printed:
        copy = Path(
            shutil.copytree(data_dir, Path(temporary) / "data", ignore=shutil.ignore_patterns("filler"))
        )
        status = main(["--lang", "en", "check", "--data-dir", str(copy)])
    assert status == 0, printed.getvalue()
    found = _LOOKED_AT.search(printed.getvalue())
    assert found is not None, printed.getvalue()
    return int(found[2])
