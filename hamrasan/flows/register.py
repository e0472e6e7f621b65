"""Registering an account (client-server API, "Account registration")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.passwords import check_new_password
from hamrasan.accounts.registration_tokens import RegistrationTokens
from hamrasan.accounts.user_identifier import localpart_of
from hamrasan.accounts.user_interactive import (
    DUMMY,
    REGISTRATION_TOKEN,
    Operation,
    Session,
    UserInteractive,
    dummy_stage,
)
from hamrasan.flows.open_session import OpenedSession, OpenSession, WantedDevice
from hamrasan.protocol.errors import MatrixError, forbidden, missing_param
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.settings import Registration
from hamrasan.storage.ports.tokens import CompleteRegistrationToken

GENERATED_LOCALPART_LETTERS = 12
"""For a client that leaves the choice of a name to the server: nobody else has drawn the same."""


@dataclass(frozen=True, slots=True)
class WantedAccount:
    """What somebody wants to register."""

    username: str | None
    password: str | None
    device: WantedDevice
    inhibit_login: bool = False


class Registered(NamedTuple):
    """An account was made, and unless inhibited a session opened."""

    user_id: str
    session: OpenedSession | None

    def answer(self) -> dict[str, Any]:
        """Return the response's object."""
        return {"user_id": self.user_id} if self.session is None else self.session.answer()


class Register:
    """Registers people, if the server's settings let them."""

    def __init__(
        self,
        mode: Registration,
        accounts: Accounts,
        registration_tokens: RegistrationTokens,
        interactive: UserInteractive,
        sessions: OpenSession,
        entropy: Entropy,
    ) -> None:
        self._mode = mode
        self._accounts = accounts
        self._registration_tokens = registration_tokens
        self._interactive = interactive
        self._sessions = sessions
        self._entropy = entropy
        stage = REGISTRATION_TOKEN if mode == "token" else DUMMY
        stages = {DUMMY: dummy_stage, REGISTRATION_TOKEN: registration_tokens.stage}
        self._operation = Operation("register", ((stage,),), {stage: stages[stage]}, keeps_outcome=True)

    def check_open(self) -> None:
        """Raise `M_FORBIDDEN` if nobody can register."""
        if self._mode == "closed":
            raise forbidden("Registration is closed on this server; its administrators make accounts.")

    async def check_available(self, username: str) -> None:
        """Raise unless somebody could register this name now (`M_INVALID_USERNAME`, `M_EXCLUSIVE`, `M_USER_IN_USE`)."""
        self.check_open()
        await self._accounts.check_available(localpart_of(username))

    async def is_token_valid(self, token: str) -> bool:
        """Tell whether a registration token would do now; raises `M_FORBIDDEN` if none does."""
        self.check_open()
        return await self._registration_tokens.is_valid(token)

    async def register(self, wanted: WantedAccount, auth: object, address: str) -> Registered:
        """Make an account and log in to it.

        The name is checked before anything is asked for, and again at the end. Raises `M_FORBIDDEN` if registration is
        closed, `M_INVALID_USERNAME`, `M_EXCLUSIVE`, `M_USER_IN_USE`, `M_WEAK_PASSWORD`, `M_MISSING_PARAM`, and
        `InteractionNeeded` (401) until a flow is completed. Whoever repeats the request because its answer was lost is
        logged in on the same device.
        """
        self.check_open()
        wanted.device.check()
        if wanted.password is not None:
            check_new_password(wanted.password)
        localpart = self._generated() if wanted.username is None else localpart_of(wanted.username)
        if not self._interactive.done(auth, self._operation):
            await self._accounts.check_available(localpart)
        async with self._interactive.authorized(auth, self._operation) as session:
            if wanted.password is None:
                raise missing_param("password")
            if session.outcome is not None:
                return await self._again(session.outcome, wanted, wanted.password, address)
            return await self._make(session, localpart, wanted, wanted.password, address)

    async def in_browser(self, username: str, password: str, token: str | None) -> str:
        """Make an account for somebody on our own page and return its user id.

        Raises as `register` does, and `StageFailed` for a registration token that is no good.
        """
        self.check_open()
        check_new_password(password)
        user_id = await self._accounts.check_available(localpart_of(username))
        if self._mode != "token":
            await self._accounts.create(user_id, password)
            return user_id
        async with self._registration_tokens.lent(token or ""):
            await self._accounts.create(user_id, password, also=[CompleteRegistrationToken(token or "")])
        return user_id

    async def _make(
        self, session: Session, localpart: str, wanted: WantedAccount, password: str, address: str
    ) -> Registered:
        user_id = await self._accounts.check_available(localpart)
        token = session.completed.get(REGISTRATION_TOKEN)
        used = [] if token is None else [CompleteRegistrationToken(token)]
        await self._accounts.create(user_id, password, also=used)
        registered = Registered(user_id, None)
        session.outcome = registered
        if not wanted.inhibit_login:
            registered = Registered(user_id, await self._sessions.open(user_id, wanted.device, address))
            session.outcome = registered
        return registered

    async def _again(
        self, outcome: Registered, wanted: WantedAccount, password: str, address: str
    ) -> Registered:
        """Answer a request that was answered before; the tokens of that answer, which nobody got, end."""
        await self._accounts.check_password(outcome.user_id, password, address)
        if wanted.inhibit_login:
            return Registered(outcome.user_id, None)
        device = wanted.device
        if outcome.session is not None:
            device = WantedDevice(outcome.session.device_id, device.display_name, device.refreshable)
        return Registered(outcome.user_id, await self._sessions.open(outcome.user_id, device, address))

    def _generated(self) -> str:
        return self._entropy.id(GENERATED_LOCALPART_LETTERS).lower()


def guests_are_refused() -> MatrixError:
    """This server has no guests."""
    return MatrixError(
        403, "M_GUEST_ACCESS_FORBIDDEN", "This server has no guest accounts; please register or log in."
    )
