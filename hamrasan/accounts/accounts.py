"""Accounts: making them, and proving with a password that one is somebody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hamrasan.accounts.passwords import Passwords
from hamrasan.accounts.throttle import LoginThrottle
from hamrasan.accounts.user_identifier import possible_user_ids
from hamrasan.protocol.errors import MatrixError, forbidden, not_found
from hamrasan.protocol.identifiers import check_new_localpart
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.accounts import (
    AccountChanged,
    AccountCreated,
    AccountLocked,
    AccountReader,
    AccountRow,
    NewAccount,
    RehashPassword,
    SetAdmin,
    SetLocked,
    SetPassword,
    SetSuspended,
)
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.oauth import DeleteUserBrowserSessions

Exclusive = Callable[[str], bool]
"""Tells whether a user id is reserved for an application service."""
Make = Callable[[str], Awaitable[bool]]
"""Asks application services for a user (or an alias) that nobody knows; returns whether it exists now."""


async def nothing_is_made(_identifier: str) -> bool:
    """There are no application services."""
    return False


NOTICES_LOCALPART = "server-notices"
"""Under this name the server itself writes to users; nobody else can have it."""


def nobody_is_reserved(_user_id: str) -> bool:
    """There are no application services."""
    return False


class Accounts:
    """The accounts of this server."""

    def __init__(
        self,
        journal: Journal,
        reader: AccountReader,
        passwords: Passwords,
        throttle: LoginThrottle,
        clock: Clock,
        server_name: str,
        is_exclusive: Exclusive = nobody_is_reserved,
    ) -> None:
        self.server_name = server_name
        self._journal = journal
        self._reader = reader
        self._passwords = passwords
        self._throttle = throttle
        self._clock = clock
        self._is_exclusive = is_exclusive
        self._being_made: set[str] = set()

    async def find(self, user_id: str) -> AccountRow | None:
        """Return the account of this user, active or not."""
        return await self._reader.account(user_id)

    async def access(self, user_id: str) -> AccountRow:
        """Return the active account of this user; raises `M_NOT_FOUND`."""
        account = await self._reader.account(user_id)
        if account is None or account.deactivated:
            raise not_found(f"There is no active account {user_id} on this server.")
        return account

    async def page(self, after: str, limit: int) -> list[AccountRow]:
        """Return at most `limit` accounts with user ids above `after`."""
        return await self._reader.page(after, limit)

    async def check_available(self, localpart: str) -> str:
        """Return the user id that a new account with this localpart gets.

        Raises `M_INVALID_USERNAME`, `M_EXCLUSIVE` or `M_USER_IN_USE` (client-server API, "Account registration").
        """
        check_new_localpart(localpart, self.server_name)
        user_id = f"@{localpart}:{self.server_name}"
        if self._is_exclusive(user_id):
            raise MatrixError(400, "M_EXCLUSIVE", "This user name is reserved for an application service.")
        if localpart == NOTICES_LOCALPART or user_id in self._being_made:
            raise user_in_use()
        if await self._reader.account(user_id) is not None:
            raise user_in_use()
        return user_id

    async def create(
        self,
        user_id: str,
        password: str | None,
        *,
        is_admin: bool = False,
        application_service: str | None = None,
        also: Sequence[Write] = (),
    ) -> None:
        """Make an account whose id is well formed; `also` is written in the same commit.

        Raises `M_USER_IN_USE` if somebody was faster.
        """
        if user_id in self._being_made or await self._reader.account(user_id) is not None:
            raise user_in_use()
        self._being_made.add(user_id)
        try:
            password_hash = None if password is None else await self._passwords.hash(password)
            account = NewAccount(user_id, password_hash, is_admin, self._clock.now_ms(), application_service)
            await self._journal.submit(Batch([account, *also], feed=[AccountCreated(user_id)]))
            # Another process (the command line) may have made an account of this name at the same moment.
            made = await self._reader.account(user_id)
            if made is None or made.password_hash != password_hash:
                raise user_in_use()
        finally:
            self._being_made.discard(user_id)

    async def check_password(self, typed: str, password: str, address: str) -> AccountRow:
        """Return the account that `typed` (a user id or a localpart) names, if the password is its own.

        Raises `M_FORBIDDEN` whatever is wrong, after the same time, so that nobody learns which accounts exist;
        `M_USER_LOCKED` only to whoever has the password; `M_LIMIT_EXCEEDED` after too many failures.
        """
        candidates = possible_user_ids(typed, self.server_name)
        account = await self._first_active(candidates)
        charged = account.user_id if account else candidates[-1] if candidates else ""
        self._throttle.begin(charged, address)
        password_hash = account.password_hash if account else None
        if (
            not await self._passwords.verify(password_hash, password)
            or account is None
            or password_hash is None
        ):
            raise forbidden("The user name or the password is wrong.")
        self._throttle.succeeded(charged, address)
        if account.locked:
            raise user_locked()
        if self._passwords.needs_rehash(password_hash):
            rehashed = await self._passwords.hash(password)
            await self._journal.submit(Batch([RehashPassword(rehashed, account.user_id, password_hash)]))
        return account

    async def hash_password(self, password: str) -> str:
        """Return what is kept of a password."""
        return await self._passwords.hash(password)

    async def set_password(self, user_id: str, password: str, *also: Write) -> None:
        """Give an active account another password and sign its browsers out; raises `M_NOT_FOUND`."""
        await self.access(user_id)
        password_hash = await self._passwords.hash(password)
        await self._journal.submit(
            Batch([SetPassword(password_hash, user_id), DeleteUserBrowserSessions(user_id), *also])
        )

    async def set_admin(self, user_id: str, is_admin: bool, *also: Write) -> None:
        """Make an active account an administrator, or no longer one; raises `M_NOT_FOUND`."""
        await self.access(user_id)
        await self._change(user_id, SetAdmin(is_admin, user_id), *also)

    async def set_locked(self, user_id: str, locked: bool) -> None:
        """Lock or unlock an active account ("Account locking"); raises `M_NOT_FOUND`."""
        await self.access(user_id)
        feed: list[object] = [AccountChanged(user_id)]
        if locked:
            feed.append(AccountLocked(user_id))
        await self._journal.submit(Batch([SetLocked(locked, user_id)], feed=feed))

    async def set_suspended(self, user_id: str, suspended: bool) -> None:
        """Suspend an active account or end that ("Account suspension"); raises `M_NOT_FOUND`."""
        await self.access(user_id)
        await self._change(user_id, SetSuspended(suspended, user_id))

    async def _change(self, user_id: str, *writes: Write) -> None:
        await self._journal.submit(Batch([*writes], feed=[AccountChanged(user_id)]))

    async def _first_active(self, user_ids: Sequence[str]) -> AccountRow | None:
        for user_id in user_ids:
            account = await self._reader.account(user_id)
            if account is not None and not account.deactivated:
                return account
        return None


def user_in_use() -> MatrixError:
    """The user name is taken."""
    return MatrixError(400, "M_USER_IN_USE", "This user name is taken; please choose another one.")


def user_suspended() -> MatrixError:
    """The account is suspended (client-server API, "Account suspension")."""
    return MatrixError(
        403, "M_USER_SUSPENDED", "Your account is suspended: you can read and leave rooms, but not take part."
    )


def user_locked() -> MatrixError:
    """The account is locked (client-server API, "Account locking")."""
    return MatrixError(
        401,
        "M_USER_LOCKED",
        "This account is locked; please ask the server's administrators.",
        {"soft_logout": True},
    )
