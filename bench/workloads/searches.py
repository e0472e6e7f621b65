"""Search: a user in many rooms looks for words, on a server with very many messages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.errors import BenchError
from bench.figures import median, percentile
from bench.load.blocking import BlockingClient
from bench.procfs import cpu_seconds
from bench.results import Sample
from bench.servers.hamrasan_library import EVERYWHERE, word
from bench.workloads.base import Context

WARM_UP = 3
"""Searches of each kind that are not counted."""
USUAL_RANKS = range(20, 20_000, 499)
"""Words as people look for them: neither the most frequent nor the rarest."""


def measure_searches(context: Context) -> list[Sample]:
    """Ask for the first page by time and by relevance, of usual words and of the worst ones."""
    library = context.world.library
    if library is None:
        raise BenchError("no rooms to search in could be made")
    count = context.scale.library_searches
    usual = [word(USUAL_RANKS[number % len(USUAL_RANKS)]) for number in range(WARM_UP + count)]
    values: dict[str, float] = {"index_cpu_us": library.index_cpu_us}
    with BlockingClient(context.running.port) as client:
        for name, words, order, found in (
            ("recent", usual, "recent", None),
            ("rank", usual, "rank", None),
            ("frequent_recent", [word(0)] * len(usual), "recent", True),
            ("frequent_rank", [word(0)] * len(usual), "rank", True),
            ("elsewhere", [EVERYWHERE] * len(usual), "recent", False),
            ("both", [f"{word(0)} {word(1)}"] * len(usual), "rank", True),
        ):
            before = cpu_seconds(context.running.pids)
            times = search_times(client, library.reader.token, words, order, found)
            values[f"{name}_cpu_ms"] = (cpu_seconds(context.running.pids) - before) / len(words) * 1000
            values[f"{name}_p50_ms"] = median(times) * 1000
            values[f"{name}_p99_ms"] = percentile(times, 0.99) * 1000
    return [context.sample("search", values, axis=context.scale.library_messages)]


def search_times(
    client: BlockingClient, token: str, words: Sequence[str], order: str, found: bool | None
) -> list[float]:
    """Return how long each search took, but for the first; `found` says whether something has to be found."""
    times: list[float] = []
    for looked_for in words:
        criteria = {"search_term": looked_for, "order_by": order, "event_context": {}}
        body = msgspec.json.encode({"search_categories": {"room_events": criteria}})
        timed = client.call("POST", "/_matrix/client/v3/search", token, body)
        answer = msgspec.json.decode(timed.response.expect_success("search"))
        if found not in (None, bool(answer["search_categories"]["room_events"]["results"])):
            raise BenchError(f"{looked_for} is found where it is not, or is not where it is")
        times.append(timed.total)
    return times[WARM_UP:]
