"""Asking somebody who is logged in for the password once more, before what a thief of a token must not do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.oauth.approvals import Approvals
from hamrasan.accounts.user_identifier import parse_identifier, possible_user_ids
from hamrasan.accounts.user_interactive import (
    OAUTH,
    PASSWORD,
    SSO,
    Operation,
    Session,
    StageFailed,
    UserInteractive,
)
from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, missing_param

IsKnownElsewhere = Callable[[str], Awaitable[bool]]
"""Tells whether a user signs in with another provider."""


async def nobody_is_known_elsewhere(_user_id: str) -> bool:
    """There are no other providers."""
    return False


class Reauthentication:
    """User-interactive authentication with the requester's own password, or in a browser without one."""

    def __init__(
        self,
        accounts: Accounts,
        interactive: UserInteractive,
        approvals: Approvals,
        is_known_elsewhere: IsKnownElsewhere = nobody_is_known_elsewhere,
    ) -> None:
        self._accounts = accounts
        self._interactive = interactive
        self._approvals = approvals
        self._is_known_elsewhere = is_known_elsewhere

    async def is_possible(self, user_id: str) -> bool:
        """Tell whether the user has a password at all."""
        account = await self._accounts.find(user_id)
        return account is not None and account.password_hash is not None

    @asynccontextmanager
    async def confirmed(self, user_id: str, action: str, auth: object, address: str) -> AsyncIterator[None]:
        """Do something inside once the user has confirmed it; `action` says what, and a session is bound to it.

        Whoever signs in with another provider confirms on our page ("SSO during User-Interactive Authentication").
        Raises `InteractionNeeded` (401) until then, and `M_FORBIDDEN` for an account with neither.
        """
        if await self.is_possible(user_id):
            operation = self._with_password(user_id, action, address)
        elif await self._is_known_elsewhere(user_id):
            operation = Operation(
                f"{user_id} {action}", ((SSO,),), {}, elsewhere={SSO: lambda: False}, user_id=user_id
            )
        else:
            raise forbidden(
                "This account has no password to confirm this with; please ask the administrators."
            )
        async with self._interactive.authorized(auth, operation):
            yield

    def _with_password(self, user_id: str, action: str, address: str) -> Operation:
        async def stage(_session: Session, submitted: Mapping[str, Any]) -> str:
            return await self._check(user_id, submitted, address)

        return Operation(f"{user_id} {action}", ((PASSWORD,),), {PASSWORD: stage})

    @asynccontextmanager
    async def approved_in_browser(
        self, user_id: str, action: str, auth: object, page: str
    ) -> AsyncIterator[None]:
        """Do something inside once the user has approved it on the page at the address `page` (`m.oauth`).

        Raises `InteractionNeeded` (401) until then; an approval is good for once.
        """
        operation = Operation(
            f"{user_id} {action}",
            ((OAUTH,),),
            {},
            elsewhere={OAUTH: lambda: self._approvals.is_given(user_id)},
            params={OAUTH: {"url": page}},
        )
        async with self._interactive.authorized(auth, operation):
            self._approvals.use_up(user_id)
            yield

    async def _check(self, user_id: str, submitted: Mapping[str, Any], address: str) -> str:
        typed, password = parse_identifier(submitted), submitted.get("password")
        if password is None:
            raise missing_param("auth.password")
        if not isinstance(password, str):
            raise bad_json("'auth.password' must be a string.")
        if user_id not in possible_user_ids(typed, self._accounts.server_name):
            raise forbidden("This has to be confirmed by the user who is logged in.")
        try:
            await self._accounts.check_password(user_id, password, address)
        except MatrixError as refusal:
            if refusal.errcode != "M_FORBIDDEN":
                raise
            raise StageFailed(refusal.errcode, "The password is wrong.") from None
        return user_id
