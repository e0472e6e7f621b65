"""Locking and suspending accounts (client-server API, "Account moderation")."""

from __future__ import annotations

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.requester import Requester
from hamrasan.protocol.errors import forbidden, invalid_param
from hamrasan.protocol.identifiers import parse_user_id
from hamrasan.storage.ports.accounts import AccountRow


class ModerateAccounts:
    """What administrators may do to other people's accounts, short of ending them."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def see(self, requester: Requester, user_id: str) -> AccountRow:
        """Return the account of a user, for an administrator.

        Raises `M_FORBIDDEN` for other requesters (before anything is looked up) and for accounts of administrators,
        `M_INVALID_PARAM` for users of other servers, `M_NOT_FOUND`.
        """
        if not requester.is_admin:
            raise forbidden("Only administrators of this server may do this.")
        if parse_user_id(user_id).server_name != self._accounts.server_name:
            raise invalid_param("This is no user of this server.")
        account = await self._accounts.access(user_id)
        if account.is_admin and user_id != requester.user_id:
            raise forbidden("The account of another administrator cannot be moderated.")
        return account

    async def set_locked(self, requester: Requester, user_id: str, locked: bool) -> None:
        """Lock an account, or unlock it; raises as `see`, and `M_FORBIDDEN` for one's own."""
        await self._see_other(requester, user_id)
        await self._accounts.set_locked(user_id, locked)

    async def set_suspended(self, requester: Requester, user_id: str, suspended: bool) -> None:
        """Suspend an account, or end that; raises as `see`, and `M_FORBIDDEN` for one's own."""
        await self._see_other(requester, user_id)
        await self._accounts.set_suspended(user_id, suspended)

    async def _see_other(self, requester: Requester, user_id: str) -> None:
        await self.see(requester, user_id)
        if user_id == requester.user_id:
            raise forbidden("You cannot lock or suspend your own account.")
