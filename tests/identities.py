"""The services of accounts and devices on a real store, with time and chance that a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamrasan.accounts.passwords import PasswordCost
from hamrasan.accounts.requester import Requester
from hamrasan.flows.identity import Hooks, Identity, IdentityStore, assemble_identity
from hamrasan.flows.open_session import OpenedSession, WantedDevice
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.sqlite.store import Store, open_store
from tests.worlds import ManualClock, SeededEntropy

ALICE, BOB = "@alice:example.org", "@bob:example.org"
PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.1"

CHEAP = PasswordCost(memory_kib=8, passes=1, lanes=1)
"""The least that Argon2 can do: tests are about what comes of a password, not about its strength."""


@dataclass(slots=True)
class World:
    """One server's accounts and devices."""

    store: Store
    clock: ManualClock
    tasks: TaskSupervisor
    identity: Identity
    feed: list[object]
    """What those who listen were told, in order."""

    async def account(self, user_id: str = ALICE, *, is_admin: bool = False) -> str:
        """Make an account with `PASSWORD` and return its id."""
        await self.identity.accounts.create(user_id, PASSWORD, is_admin=is_admin)
        return user_id

    async def session(self, user_id: str = ALICE, **wanted: Any) -> OpenedSession:
        """Log a user in."""
        return await self.identity.open_session.open(user_id, WantedDevice(**wanted), ADDRESS)

    async def who(self, session: OpenedSession) -> Requester:
        """Return the requester of a session."""
        return await self.identity.authenticator.authenticate(session.tokens.access_token)


Scenario = Callable[[World], Awaitable[None]]

NO_HOOKS = Hooks()
DEFAULTS = Settings(server_name="example.org", registration="open", rate_limits=False)


def in_world(
    data_dir: Path, scenario: Scenario, *, settings: Settings = DEFAULTS, hooks: Hooks = NO_HOOKS
) -> None:
    """Run `scenario` on the services over the store in `data_dir`, in an event loop of its own."""

    async def main() -> None:
        feed: list[object] = []

        def note(_seconds: float, batches: Sequence[Batch]) -> None:
            for batch in batches:
                feed.extend(batch.feed)

        store = open_store(data_dir, note)
        clock, tasks = ManualClock(), TaskSupervisor()
        readers = IdentityStore(store.journal, store.accounts, store.tokens, store.devices)
        identity = assemble_identity(readers, settings, clock, SeededEntropy(), tasks, hooks, CHEAP)
        try:
            await scenario(World(store, clock, tasks, identity, feed))
        finally:
            assert await tasks.close(5.0) == []
            identity.close()
            await store.close()

    asyncio.run(main())
