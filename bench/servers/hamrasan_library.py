"""Fills the rooms of the search workload with messages, in Hamrasan's own store while no server runs on it.

A million messages through the client API would take the generator several minutes, for a workload that does not measure
sends. They are decided, hashed and committed by the server's own code, as if their senders had sent them.
"""

from __future__ import annotations

import asyncio
import random
import time
from itertools import accumulate
from pathlib import Path

from bench.world import Library
from hamrasan.accounts.profiles import Profiles
from hamrasan.rooms.followers import EventFeed
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.clock import SystemClock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.search.indexer import Indexer
from hamrasan.storage.sqlite.store import Store, open_store

VOCABULARY = 50_000
"""Words, of which the nth is used 1/n as often as the first, as in any language."""
WORDS_PER_MESSAGE = 8
AT_ONCE = 500
"""Messages that wait to be committed together."""
SEED = 1394
SERVER_NAME = "localhost"
POLL_SECONDS = 0.2

EVERYWHERE = "everywhere"
"""In every message of the rooms that the reader is not in, and in no other."""
_STEMS = ("کتاب", "خانه", "شهر", "دریا", "book", "house", "city", "river")


def word(rank: int) -> str:
    """Return the word that is the nth most frequent."""
    return f"{_STEMS[rank % len(_STEMS)]}{rank}"


def fill(data_dir: Path, library: Library, messages: int) -> None:
    """Add `messages` messages, spread over the rooms of the reader and of the other user."""
    asyncio.run(_fill(data_dir, library, messages))


async def _fill(data_dir: Path, library: Library, messages: int) -> None:
    store = open_store(data_dir)
    try:
        registry = RoomRegistry(
            store.journal, SystemClock(), store.events, store.state, store.rooms, store.federated_rooms
        )
        generator = random.Random(SEED)
        weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
        words = [word(rank) for rank in range(VOCABULARY)]
        own = [(room_id, library.reader.user_id) for room_id in library.rooms]
        others = [(room_id, library.other.user_id) for room_id in library.other_rooms]
        rooms = [(await registry.get(room_id), user_id) for room_id, user_id in own + others]
        waiting: list[asyncio.Future[None]] = []
        for number in range(messages):
            place = generator.randrange(len(rooms))
            room, sender = rooms[place]
            said = generator.choices(words, cum_weights=weights, k=WORDS_PER_MESSAGE)
            if place >= len(own):
                said.append(EVERYWHERE)
            content = {"msgtype": "m.text", "body": " ".join(said)}
            decision = registry.begin(room)
            decision.add(NewEvent("m.room.message", sender, content))
            waiting.append(decision.submit())
            if len(waiting) == AT_ONCE or number == messages - 1:
                await asyncio.gather(*waiting)
                waiting.clear()
        library.index_cpu_us = await _index(store) / messages * 1e6
    finally:
        await store.close()


async def _index(store: Store) -> float:
    """Let the server's indexer work off everything; return the processor seconds that it took."""
    profiles = Profiles(store.journal, store.profiles, store.accounts, KeyedLocks())
    feed = EventFeed(store.journal, store.events)
    indexer = Indexer(
        store.search,
        feed,
        store.journal,
        store.events,
        store.relations,
        store.state,
        profiles,
        SystemClock(),
        SERVER_NAME,
    )
    before = time.process_time()
    running = asyncio.create_task(indexer.run())
    while (await store.search.cursor()).position < store.journal.durable:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(POLL_SECONDS)
    await store.search.tidy()
    seconds = time.process_time() - before
    running.cancel()
    await asyncio.wait([running])
    return seconds
