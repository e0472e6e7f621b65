"""Signing in through a browser, put together: clients, what they are granted, and the browsers themselves."""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.accounts.browser_sessions import BrowserSessions
from hamrasan.accounts.oauth.approvals import Approvals
from hamrasan.accounts.oauth.clients import Clients
from hamrasan.accounts.oauth.codes import AuthorizationCodes
from hamrasan.accounts.oauth.device_grants import DeviceGrants
from hamrasan.accounts.rendezvous import Rendezvous
from hamrasan.accounts.sealing import Sealing
from hamrasan.accounts.two_step import TwoStep
from hamrasan.flows.identity import Identity
from hamrasan.flows.oauth_tokens import OAuthTokens
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.journal import Journal
from hamrasan.storage.ports.oauth import OAuthReader


@dataclass(frozen=True)
class SigningIn:
    """The services with which people sign in on the server's own pages, and let clients in."""

    browser_sessions: BrowserSessions
    oauth_clients: Clients
    oauth_codes: AuthorizationCodes
    oauth_device_grants: DeviceGrants
    oauth_tokens: OAuthTokens
    approvals: Approvals
    rendezvous: Rendezvous
    two_step: TwoStep
    sealing: Sealing


def assemble_signing_in(
    journal: Journal,
    reader: OAuthReader,
    identity: Identity,
    two_step: TwoStep,
    sealing: Sealing,
    clock: Clock,
    entropy: Entropy,
) -> SigningIn:
    """Put the services together."""
    clients = Clients(journal, reader, clock)
    codes = AuthorizationCodes(journal, reader, clock, entropy)
    device_grants = DeviceGrants(journal, reader, clock, entropy)
    return SigningIn(
        oauth_device_grants=device_grants,
        approvals=identity.approvals,
        rendezvous=Rendezvous(clock, entropy),
        two_step=two_step,
        sealing=sealing,
        browser_sessions=BrowserSessions(journal, reader, clock, entropy),
        oauth_clients=clients,
        oauth_codes=codes,
        oauth_tokens=OAuthTokens(
            identity.accounts,
            clients,
            codes,
            device_grants,
            reader,
            identity.tokens,
            identity.open_session,
            identity.end_sessions,
            clock,
            entropy,
        ),
    )
