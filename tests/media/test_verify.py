"""Comparing what is known of files with what is there: every damage is found, and a server at work causes none."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hamrasan.media import verify
from hamrasan.media.spool import is_marked
from hamrasan.media.verify import FileProblem, VerifiedFiles, verify_files
from hamrasan.server.media import ARRIVING, FOLDER, open_blobs
from hamrasan.storage.blobs.folder import BlobFolder
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.media_files import halves
from tests.object_store import object_store
from tests.running import Person, running

UPLOAD = "/_matrix/media/v3/upload"


def upload(who: Person, content: bytes, type: str = "text/plain") -> str:
    """Upload a file and return server name and media id as addresses have them."""
    answer = who.http.post(UPLOAD, content=content, headers={"Content-Type": type})
    assert answer.status_code == 200, answer.text
    address: str = answer.json()["content_uri"].removeprefix("mxc://")
    return address


def verified(
    data_dir: Path,
    media_store: str | None = None,
    *,
    contents: bool = False,
    before: Callable[[], None] | None = None,
) -> VerifiedFiles:
    """Verify the files of a folder; `before` is called once it is known what is known."""
    folder = data_dir / FOLDER
    inspection, blobs = Inspection(data_dir), open_blobs(media_store, folder)
    try:
        if before is not None:
            assert inspection.database.rows("SELECT count(*) FROM media")
            before()
        marked = partial(is_marked, folder / ARRIVING)
        return asyncio.run(
            verify_files(inspection.media, inspection.media_now, blobs, marked, contents=contents)
        )
    finally:
        blobs.close()
        inspection.close()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A data folder with three files, one of them uploaded twice and one a picture with a thumbnail."""
    with running(tmp_path) as server:
        alice = server.register("alice")
        upload(alice, b"one")
        upload(alice, b"one")
        upload(alice, b"the other")
        picture = upload(alice, halves(), "image/png")
        query = {"width": "32", "height": "32", "method": "crop"}
        thumbnail = alice.http.get(f"/_matrix/client/v1/media/thumbnail/{picture}", params=query)
        assert thumbnail.status_code == 200
    return tmp_path


def blobs_of(data_dir: Path) -> list[Path]:
    """Return the files of the blobs, the smallest first: `one`, `the other`, thumbnail and picture."""
    found = (data_dir / FOLDER).glob("??/*")
    return sorted(found, key=lambda file: file.stat().st_size)


def execute(data_dir: Path, sql: str) -> None:
    with closing(sqlite3.connect(data_dir / DATABASE_FILE)) as database, database:
        assert database.execute(sql).rowcount > 0


def test_what_is_sound_has_no_problem(stored: Path) -> None:
    for contents in (False, True):
        found = verified(stored, contents=contents)
        assert (found.files, found.problems) == (4, [])


def test_the_same_in_pages(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PAGE", 1)
    found = verified(stored, contents=True)
    assert (found.files, found.problems) == (4, [])


def test_a_folder_without_any_file(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    found = verified(tmp_path)
    assert (found.files, found.problems) == (0, [])


@pytest.mark.parametrize("number", range(4))
def test_a_file_that_is_lost_is_found(stored: Path, number: int) -> None:
    blob = blobs_of(stored)[number]
    blob.unlink()
    assert verified(stored).problems == [FileProblem(blob.name, "found.file_missing", {})]


def test_a_file_that_was_cut_off_is_found(stored: Path) -> None:
    blob = blobs_of(stored)[1]
    blob.write_bytes(b"the")
    problem = FileProblem(blob.name, "found.file_size", {"size": 3, "expected": 9})
    assert verified(stored).problems == [problem]


def test_a_file_that_was_changed_is_found_by_reading_it(stored: Path) -> None:
    blob = blobs_of(stored)[1]
    blob.write_bytes(b"the 0ther")
    assert verified(stored).problems == []
    assert verified(stored, contents=True).problems == [FileProblem(blob.name, "found.file_content", {})]


def test_what_nobody_has_is_found_unless_it_is_noted(stored: Path) -> None:
    one = blobs_of(stored)[0]
    execute(stored, "DELETE FROM media WHERE size = 3")
    assert verified(stored).problems == [FileProblem(one.name, "found.file_stray", {})]
    mark = stored / FOLDER / ARRIVING / one.name
    mark.touch()
    assert verified(stored).problems == []
    mark.unlink()
    (one.parent / "note.txt").write_text("not a blob")
    (stored / FOLDER / "zz").mkdir()
    assert verified(stored).problems == [FileProblem(one.name, "found.file_stray", {})]


def test_what_comes_and_goes_meanwhile_is_no_problem(stored: Path) -> None:
    one, other = blobs_of(stored)[:2]

    def meanwhile() -> None:
        one.unlink()
        execute(stored, "DELETE FROM media WHERE size = 3")
        new = "ab" * 32
        target = stored / FOLDER / "ab" / new
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"new")
        execute(
            stored,
            "INSERT INTO media SELECT server_name, 'new', user_id, created_ms, NULL,"
            f" CAST(x'{new}' AS BLOB), 3, content_type, NULL FROM media WHERE size = 9",
        )

    found = verified(stored, before=meanwhile)
    assert found.problems == []
    assert other.exists()


def test_files_that_cannot_be_listed_are_told(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlobFolder, "all", lambda self: _Broken())
    (problem,) = verified(stored).problems
    assert problem.what == "found.files_unreadable"


class _Broken:
    """A listing that fails."""

    def __aiter__(self) -> _Broken:
        return self

    async def __anext__(self) -> tuple[str, int]:
        raise PermissionError("no entry")


def test_files_in_an_object_store(tmp_path: Path) -> None:
    with object_store() as store:
        bucket = store.make_bucket()
        with running(tmp_path, media_store=bucket) as server:
            alice = server.register("alice")
            upload(alice, b"one")
            upload(alice, b"the other")
        found = verified(tmp_path, bucket, contents=True)
        assert (found.files, found.problems) == (2, [])
        execute(tmp_path, "DELETE FROM media WHERE size = 3")
        (stray,) = verified(tmp_path, bucket).problems
        assert stray.what == "found.file_stray"
        asyncio.run(open_blobs(bucket, tmp_path / FOLDER).delete(stray.key))
        assert verified(tmp_path, bucket).problems == []
