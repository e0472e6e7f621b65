"""A server that is killed while people upload: every file that it took is there, and nothing else is left."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import ServerProcess, server_process
from tests.running import Person

SEED = 31
KILLS = 4
PEOPLE = 4
MOST_FILES = 25


class Uploader:
    """Uploads until the server is gone, and remembers what it took."""

    def __init__(self, person: Person, seed: int) -> None:
        self.person = person
        self._chance = random.Random(seed)
        self.taken: dict[str, bytes] = {}

    def run(self, enough: threading.Event, count: int) -> None:
        with suppress(httpx.TransportError):
            while True:
                # Few different files, so that many uploads meet one that is there already.
                content = self._chance.randrange(40).to_bytes(1, "big") * self._chance.choice([10, 300_000])
                answer = self.person.http.post("/_matrix/media/v3/upload", content=content)
                self.taken[answer.json()["content_uri"].removeprefix("mxc://")] = content
                if len(self.taken) >= count:
                    enough.set()


def kill_during(server: ServerProcess, uploaders: list[Uploader], count: int) -> None:
    enough = threading.Event()
    threads = [threading.Thread(target=who.run, args=(enough, len(who.taken) + count)) for who in uploaders]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    server.kill()
    for thread in threads:
        thread.join()


@pytest.mark.timeout(180)
def test_files_that_were_taken_survive_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with server_process(tmp_path / "data") as server:
        uploaders = [Uploader(server.register("uploader"), seed) for seed in range(PEOPLE)]
        for _ in range(KILLS):
            kill_during(server, uploaders, chance.randint(1, MOST_FILES))
            server.start()
            assert list((tmp_path / "data/media/arriving").iterdir()) == []
        for who in uploaders:
            for address, content in who.taken.items():
                answer = who.person.http.get(f"/_matrix/client/v1/media/download/{address}")
                assert answer.content == content
        blobs = {file.read_bytes() for file in (tmp_path / "data/media").glob("??/*")}
        taken = {content for who in uploaders for content in who.taken.values()}
        assert taken <= blobs
        assert len(blobs - taken) <= KILLS * PEOPLE  # committed, but the answer did not get through
        assert server.complaints == []
