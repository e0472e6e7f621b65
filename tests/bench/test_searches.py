"""The library of the search workload: rooms filled by the server's own code, and searched over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.errors import BenchError
from bench.load.blocking import BlockingClient
from bench.load.pool import Pool
from bench.scale import QUICK
from bench.servers.hamrasan_library import EVERYWHERE, fill, word
from bench.workloads.searches import WARM_UP, search_times
from bench.world import Builder, Library
from tests.running import Running, running


def port_of(server: Running) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def library_of(server: Running) -> Library:
    async def make() -> Library:
        async with Pool(port_of(server), 4) as pool:
            builder = Builder(pool, replace(QUICK, library_rooms=3))
            await builder.library()
            assert builder.world.library is not None
            return builder.world.library

    return asyncio.run(make())


def test_filled_rooms_are_found_as_the_workload_expects(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        library = library_of(server)
    assert (len(library.rooms), len(library.other_rooms)) == (3, 3)
    fill(tmp_path / "data", library, 300)
    assert library.index_cpu_us > 0
    with running(tmp_path / "data") as server, BlockingClient(port_of(server)) as client:
        token, words = library.reader.token, [word(0)] * (WARM_UP + 2)
        assert len(search_times(client, token, words, "rank", True)) == 2
        search_times(client, token, [EVERYWHERE], "recent", False)
        search_times(client, library.other.token, [EVERYWHERE], "recent", True)
        with pytest.raises(BenchError, match="found"):
            search_times(client, token, [EVERYWHERE], "recent", True)
