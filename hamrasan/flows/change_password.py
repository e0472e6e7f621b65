"""Changing a password (client-server API, "Password management")."""

from __future__ import annotations

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.passwords import check_new_password
from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.requester import Requester
from hamrasan.flows.end_sessions import EndSessions


class ChangePassword:
    """Changes the password of somebody who is logged in."""

    def __init__(
        self, accounts: Accounts, end_sessions: EndSessions, reauthentication: Reauthentication
    ) -> None:
        self._accounts = accounts
        self._end_sessions = end_sessions
        self._reauthentication = reauthentication

    async def change(
        self, requester: Requester, new_password: str, *, logout_devices: bool, auth: object, address: str
    ) -> None:
        """Change the requester's password; the device of the request stays logged in, others unless `logout_devices`.

        Raises `M_WEAK_PASSWORD`, and `InteractionNeeded` (401) until the requester has confirmed with the old password.
        """
        check_new_password(new_password)
        async with self._reauthentication.confirmed(requester.user_id, "change password", auth, address):
            await self._accounts.set_password(requester.user_id, new_password)
            if logout_devices:
                await self._end_sessions.end_all(requester.user_id, but=requester.device_id)
