"""Ending an account for good (client-server API, "Account deactivation").

From the first commit on nobody gets in any more. What remains - devices, memberships, private data - is left behind
afterwards, and again after a restart if the server stopped meanwhile: the account is "departing" until all is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.erasure import writes_to_erase, writes_to_leave
from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.requester import Requester
from hamrasan.accounts.tokens import end_user_tokens
from hamrasan.flows.end_sessions import EndSessions
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.accounts import (
    AccountDeactivated,
    AccountReader,
    AccountRow,
    FinishDeparture,
)
from hamrasan.storage.ports.accounts import DeactivateAccount as Deactivate
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.two_step import DeleteTwoStep

Departure = Callable[[AccountRow], Awaitable[None]]
"""Leaves behind what a service keeps for an account (leaves its rooms, for one); may be called again for the same."""


class DeactivateAccount:
    """Deactivates accounts, and finishes what a deactivation began."""

    def __init__(
        self,
        journal: Journal,
        reader: AccountReader,
        accounts: Accounts,
        end_sessions: EndSessions,
        reauthentication: Reauthentication,
        tasks: TaskSupervisor,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._accounts = accounts
        self._end_sessions = end_sessions
        self._reauthentication = reauthentication
        self._tasks = tasks
        self._departures: list[Departure] = []
        self._departing: set[str] = set()

    def on_departure(self, departure: Departure) -> None:
        """Let `departure` take part in every deactivation, after those that were added before."""
        self._departures.append(departure)

    async def by_user(self, requester: Requester, *, erase: bool, auth: object, address: str) -> None:
        """End the requester's account; raises `InteractionNeeded` (401) until confirmed with the password."""
        async with self._reauthentication.confirmed(requester.user_id, "deactivate", auth, address):
            await self.by_administrator(requester.user_id, erase=erase)

    async def by_administrator(self, user_id: str, *, erase: bool) -> None:
        """End an account; raises `M_NOT_FOUND` if there is no active one."""
        await self._accounts.access(user_id)
        await self._journal.submit(
            Batch(ending(user_id, erase=erase), feed=[AccountDeactivated(user_id, erase)])
        )
        self.resume_soon()

    def resume_soon(self) -> None:
        """Finish in the background what was begun, here or by the command line."""
        self._tasks.keep_running("departure", self.resume)

    async def resume(self) -> None:
        """Finish every deactivation that was begun, here or by the command line."""
        await self._end_sessions.resume()
        for account in await self._reader.departing():
            if account.user_id not in self._departing:
                self._departing.add(account.user_id)
                try:
                    await self._depart(account)
                finally:
                    self._departing.discard(account.user_id)

    async def _depart(self, account: AccountRow) -> None:
        await self._end_sessions.end_all(account.user_id)
        for departure in self._departures:
            await departure(account)
        erase = writes_to_erase if account.erased else writes_to_leave
        writes = [*erase(account.user_id), FinishDeparture(account.user_id)]
        # Told once more: it may have been the command line that began, and whoever hears it forgets what it remembers.
        await self._journal.submit(Batch(writes, feed=[AccountDeactivated(account.user_id, account.erased)]))


def ending(user_id: str, *, erase: bool) -> list[Write]:
    """Return the writes after which nobody gets into the account any more."""
    return [Deactivate(erase, user_id), *end_user_tokens(user_id), DeleteTwoStep(user_id)]
