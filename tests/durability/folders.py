"""Looking into the data folder of a server that does not run."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hamrasan.rooms.verify import Verified, verify_rooms
from hamrasan.storage.sqlite.store import DATABASE_FILE, open_store


def sound(data_dir: Path) -> Verified:
    """Return what is in a folder after looking at everything in it; fail if anything is not as it should be.

    A copy is looked at: the folder itself stays as it was left, for the server to find.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(
            shutil.copytree(data_dir, Path(temporary) / "data", ignore=shutil.ignore_patterns("filler"))
        )
        verified = asyncio.run(_verify(copy))
        assert verified.problems == []
        with closing(sqlite3.connect(copy / DATABASE_FILE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return verified


async def _verify(data_dir: Path) -> Verified:
    store = open_store(data_dir)
    try:
        return await verify_rooms(store.rooms, store.events, store.state)
    finally:
        await store.close()
