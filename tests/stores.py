"""Scenarios on a real store in a temporary folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from hamrasan.storage.sqlite.store import Store, open_store

Scenario = Callable[[Store], Awaitable[None]]


def on_store(data_dir: Path, scenario: Scenario) -> None:
    """Open the store in `data_dir`, run `scenario` on it and close it, in an event loop of its own."""

    async def main() -> None:
        store = open_store(data_dir)
        try:
            await scenario(store)
        finally:
            await store.close()

    asyncio.run(main())
