"""What is kept of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class NewAccount(NamedTuple):
    """An account comes to exist. If the user id is taken, nothing is written: the writer looks at what is there."""

    user_id: str
    password_hash: str | None
    """None: nobody can log in to it with a password."""
    is_admin: bool
    created_ts: int
    application_service: str | None
    """Id of the application service that made the account."""


class SetPassword(NamedTuple):
    """The account has another password from now on."""

    password_hash: str
    user_id: str


class RehashPassword(NamedTuple):
    """The same password is kept as another hash, unless it was changed in the meantime."""

    password_hash: str
    user_id: str
    former_hash: str


class SetAdmin(NamedTuple):
    """The user may, or may no longer, administer the server."""

    is_admin: bool
    user_id: str


class SetLocked(NamedTuple):
    """The account cannot be used for anything but logging out ("Account locking"), or can again."""

    locked: bool
    user_id: str


class SetSuspended(NamedTuple):
    """The user can only read and leave ("Account suspension"), or may do everything again."""

    suspended: bool
    user_id: str


class DeactivateAccount(NamedTuple):
    """The account ends for good; it is departing until its devices and rooms are left behind as well."""

    erase: bool
    user_id: str


class FinishDeparture(NamedTuple):
    """Nothing is left to be done for a deactivated account."""

    user_id: str


class AnnounceOutsideChange(NamedTuple):
    """Another process than the server changed accounts or tokens: the server has to forget what it remembers."""


class AccountCreated(NamedTuple):
    """Feed: there is a new account."""

    user_id: str


class AccountChanged(NamedTuple):
    """Feed: what an account may do has changed (administrator, locked, suspended)."""

    user_id: str


class AccountLocked(NamedTuple):
    """Feed: an account was locked."""

    user_id: str


class AccountDeactivated(NamedTuple):
    """Feed: an account has ended; `erase`: what is kept of the user is to be erased."""

    user_id: str
    erase: bool


class AccountRow(NamedTuple):
    """An account of this server."""

    user_id: str
    password_hash: str | None
    is_admin: bool
    created_ts: int
    application_service: str | None
    deactivated: bool
    departing: bool
    erased: bool
    locked: bool
    suspended: bool


class AccountReader(Protocol):
    """Reads accounts."""

    async def account(self, user_id: str) -> AccountRow | None:
        """Return the account of this user, whether active or not."""

    async def page(self, after: str, limit: int) -> list[AccountRow]:
        """Return at most `limit` accounts with user ids above `after`, in the order of user ids."""

    async def departing(self) -> list[AccountRow]:
        """Return the deactivated accounts for which something is left to be done."""

    async def erased(self, user_ids: Sequence[str]) -> set[str]:
        """Return those of the users whose content is to be erased."""

    async def outside_changes(self) -> int:
        """Return how many changes other processes have announced so far."""
