"""Signing in with another provider: from there to an account here, which is made if there is none."""

from __future__ import annotations

from typing import Any, NamedTuple

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.profiles import DISPLAY_NAME, MAX_DISPLAY_NAME_CHARS
from hamrasan.accounts.upstream.openid_connect import Identity, OpenIdConnect, ProviderFailed
from hamrasan.accounts.upstream.providers import Provider
from hamrasan.accounts.user_identifier import localpart_of
from hamrasan.flows.change_profile import ChangeProfile
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.upstream import NewUpstreamLink, UpstreamReader

_log = get_logger(__name__)


class Stranger(NamedTuple):
    """Somebody whom a provider knows and who has no account here."""

    issuer: str
    subject: str
    localpart: str
    """What they might be called here."""
    display_name: str


class NameNeeded(Exception):
    """The account cannot get the name that the provider gives: it is taken, reserved, or none."""

    def __init__(self, stranger: Stranger, errcode: str) -> None:
        super().__init__(errcode)
        self.stranger = stranger
        self.errcode = errcode


class SignInUpstream:
    """Finds and makes the accounts of people whom other providers know."""

    def __init__(
        self,
        providers: dict[str, Provider],
        openid_connect: OpenIdConnect,
        reader: UpstreamReader,
        accounts: Accounts,
        change_profile: ChangeProfile,
        clock: Clock,
    ) -> None:
        self.providers = providers
        self.openid_connect = openid_connect
        self._reader = reader
        self._accounts = accounts
        self._change_profile = change_profile
        self._clock = clock
        self._locks = KeyedLocks()

    async def identify(
        self, provider: Provider, redirect_uri: str, code: str, verifier: str, nonce: str
    ) -> Identity:
        """Return whom the provider says somebody is. Raises `ProviderFailed`, whose reason is logged."""
        try:
            return await self.openid_connect.identify(provider, redirect_uri, code, verifier, nonce)
        except ProviderFailed as failure:
            _log.warning("a provider failed", provider=provider.id, reason=str(failure))
            raise

    async def way_there(
        self, provider: Provider, redirect_uri: str, state: str, nonce: str, challenge: str
    ) -> str:
        """Return the address to send a browser to. Raises `ProviderFailed`, whose reason is logged."""
        try:
            return await self.openid_connect.way_there(provider, redirect_uri, state, nonce, challenge)
        except ProviderFailed as failure:
            _log.warning("a provider failed", provider=provider.id, reason=str(failure))
            raise

    async def account_of(self, provider: Provider, identity: Identity) -> str | None:
        """Return the account of somebody; one is made if the provider's file lets it. None if it does not.

        Raises `NameNeeded` if the new account cannot be called as the provider says.
        """
        found = await self._reader.user_of(provider.issuer, identity.subject)
        if found is not None or not provider.sign_up:
            return found
        localpart = _text(identity.claims.get(provider.localpart_claim)).partition("@")[0]
        name = _text(identity.claims.get("name"))[:MAX_DISPLAY_NAME_CHARS]
        return await self.make_account(
            Stranger(provider.issuer, identity.subject, localpart_of(localpart), name)
        )

    async def make_account(self, stranger: Stranger) -> str:
        """Make the account of a stranger and return its user id; raises `NameNeeded`."""
        async with self._locks(f"{stranger.issuer} {stranger.subject}"):
            found = await self._reader.user_of(stranger.issuer, stranger.subject)
            if found is not None:
                return found
            try:
                user_id = await self._accounts.check_available(stranger.localpart)
                link = NewUpstreamLink(stranger.issuer, stranger.subject, user_id, self._clock.now_ms())
                await self._accounts.create(user_id, None, also=[link])
            except MatrixError as refusal:
                if refusal.status != 400:
                    raise
                raise NameNeeded(stranger, refusal.errcode) from None
        if stranger.display_name:
            await self._change_profile.set_field(user_id, DISPLAY_NAME, stranger.display_name)
        return user_id


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
