"""What an operator does to accounts from the command line, whether or not a server runs on the same data.

Nothing here takes a position, since only the server may: what people see through /sync (devices that are gone, rooms
that are left) the server finishes as soon as it notices, or at its next start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.passwords import check_new_password
from hamrasan.accounts.tokens import end_user_tokens
from hamrasan.accounts.user_identifier import localpart_of, possible_user_ids
from hamrasan.flows.deactivate_account import ending
from hamrasan.protocol.errors import not_found
from hamrasan.storage.ports.accounts import AccountRow
from hamrasan.storage.ports.devices import EndDevices
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.two_step import DeleteTwoStep

PAGE = 500
"""Accounts that are read at once."""


class AdministerAccounts:
    """The operator's hand on accounts. `who` is a user id or a localpart; unknown ones raise `M_NOT_FOUND`."""

    def __init__(self, journal: Journal, accounts: Accounts) -> None:
        self._journal = journal
        self._accounts = accounts

    async def add(self, username: str, password: str, *, is_admin: bool) -> str:
        """Make an account and return its user id.

        Raises `M_INVALID_USERNAME`, `M_USER_IN_USE`, `M_WEAK_PASSWORD`, `M_INVALID_PARAM` for an endless password.
        """
        check_new_password(password)
        user_id = await self._accounts.check_available(localpart_of(username))
        await self._accounts.create(user_id, password, is_admin=is_admin)
        return user_id

    async def all(self) -> AsyncIterator[AccountRow]:
        """Iterate over every account, active or not, in the order of user ids."""
        after = ""
        while page := await self._accounts.page(after, PAGE):
            for account in page:
                yield account
            after = page[-1].user_id

    async def find(self, who: str) -> AccountRow:
        """Return the active account that is meant."""
        for user_id in possible_user_ids(who, self._accounts.server_name):
            account = await self._accounts.find(user_id)
            if account is not None and not account.deactivated:
                return account
        raise not_found(f"There is no active account {who} on this server.")

    async def set_password(self, who: str, password: str, *, logout_devices: bool = True) -> str:
        """Give an account another password, and end all its sessions unless told otherwise; return its user id.

        Two-step login is turned off: whoever asks an administrator for a password has mostly lost the phone, too.

        Raises `M_WEAK_PASSWORD`, `M_INVALID_PARAM`.
        """
        check_new_password(password)
        account = await self.find(who)
        sessions: list[Write] = [EndDevices(account.user_id), *end_user_tokens(account.user_id)]
        also = [DeleteTwoStep(account.user_id), *(sessions if logout_devices else ())]
        await self._accounts.set_password(account.user_id, password, *also)
        return account.user_id

    async def set_admin(self, who: str, is_admin: bool) -> str:
        """Make a user an administrator, or no longer one; return the user id."""
        account = await self.find(who)
        await self._accounts.set_admin(account.user_id, is_admin)
        return account.user_id

    async def deactivate(self, who: str, *, erase: bool) -> str:
        """End an account for good and return its user id; nobody gets in from now on."""
        account = await self.find(who)
        await self._journal.submit(Batch(ending(account.user_id, erase=erase)))
        return account.user_id
