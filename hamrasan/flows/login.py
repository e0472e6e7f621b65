"""Logging in (client-server API, "Login")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hamrasan.accounts.accounts import Accounts, user_locked
from hamrasan.accounts.login_tokens import LIFETIME_MS, LoginTokens
from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.requester import Requester
from hamrasan.accounts.two_step import needs_browser
from hamrasan.flows.open_session import OpenedSession, OpenSession, WantedDevice

HasTwoSteps = Callable[[str], Awaitable[bool]]
"""Tells whether a user's password alone is not enough."""


async def nobody_has_two_steps(_user_id: str) -> bool:
    """Passwords are enough."""
    return False


class Login:
    """Logs people in with what they know or were given."""

    def __init__(
        self,
        accounts: Accounts,
        login_tokens: LoginTokens,
        sessions: OpenSession,
        reauthentication: Reauthentication,
        has_two_steps: HasTwoSteps = nobody_has_two_steps,
    ) -> None:
        self._accounts = accounts
        self._login_tokens = login_tokens
        self._sessions = sessions
        self._reauthentication = reauthentication
        self._has_two_steps = has_two_steps

    async def with_password(
        self, typed: str, password: str, wanted: WantedDevice, address: str
    ) -> OpenedSession:
        """Log in whoever `typed` (a user id or a localpart) names.

        Raises `M_FORBIDDEN` if that or the password is wrong, or not enough, `M_USER_LOCKED`, `M_LIMIT_EXCEEDED`,
        `M_INVALID_PARAM`.
        """
        wanted.check()
        account = await self._accounts.check_password(typed, password, address)
        if await self._has_two_steps(account.user_id):
            raise needs_browser()
        return await self._sessions.open(account.user_id, wanted, address)

    async def with_token(self, token: str, wanted: WantedDevice, address: str) -> OpenedSession:
        """Log in with a login token, which is used up. Raises `M_FORBIDDEN` if it is not valid, `M_USER_LOCKED`."""
        wanted.check()
        user_id = await self._login_tokens.use(token)
        account = await self._accounts.access(user_id)
        if account.locked:
            raise user_locked()
        return await self._sessions.open(user_id, wanted, address)

    async def give_token(self, requester: Requester, auth: object, address: str) -> tuple[str, int]:
        """Return a login token for another device of the requester, and its lifetime in milliseconds.

        Raises `InteractionNeeded` until the requester has confirmed with the password, every time.
        """
        async with self._reauthentication.confirmed(requester.user_id, "login token", auth, address):
            return await self._login_tokens.issue(requester.user_id), LIFETIME_MS
