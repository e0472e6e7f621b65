"""The parts that reach other servers and know them, put together; and the listener for them."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

from hamrasan.federation.back_off import BackOff
from hamrasan.federation.client import FederationClient
from hamrasan.federation.discovery import Discovery
from hamrasan.federation.key_ring import KeyRing
from hamrasan.federation.names import Names
from hamrasan.federation.notary import Notary
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.federation.request_check import RequestCheck
from hamrasan.federation.server_names import AllowedServers
from hamrasan.federation.well_known import WellKnown
from hamrasan.http.services import FederationServices, Ground
from hamrasan.runtime.outbound import Outbound
from hamrasan.runtime.settings import Settings
from hamrasan.storage.sqlite.store import Store

MAX_CONNECTIONS = 1_000
"""Open connections to other servers: a message for a thousand of them goes out without waiting for the slow ones."""


class CertificateUnusable(Exception):
    """The certificate for other servers, its key or the file of authorities cannot be used; the text says why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def build_federation(store: Store, ground: Ground, names: Names) -> FederationServices:
    """Put together what reaches other servers; nothing heavy is loaded before there is somebody to reach."""
    settings, clock = ground.settings, ground.clock
    allowed = AllowedServers(settings.federation_allowed, settings.federation_denied)
    own_keys = OwnKeys(settings.server_name, ground.signing_key, ground.old_keys, clock)

    async def resolve(host: str, port: int) -> list[str]:
        return list(await discovery.addresses(host, port))

    outbound = Outbound(
        settings.reachable_networks,
        resolve=resolve,
        trust=partial(trusted, settings.federation_ca),
        max_connections=MAX_CONNECTIONS,
    )
    discovery = Discovery(names, WellKnown(outbound, clock), clock)
    back_off = BackOff(store.journal, store.federation, clock)
    client = FederationClient(own_keys, discovery, outbound, back_off, allowed)
    key_ring = KeyRing(own_keys, client, store.journal, store.federation, clock, settings.federation_notaries)
    return FederationServices(
        own_keys=own_keys,
        allowed_servers=allowed,
        federation_outbound=outbound,
        federation=client,
        key_ring=key_ring,
        notary=Notary(own_keys, key_ring, allowed, clock),
        pdu_checks=PduChecks(key_ring),
        request_check=RequestCheck(settings.server_name, key_ring, back_off, allowed, clock),
    )


def trusted(authorities: Path | None) -> ssl.SSLContext:
    """Return what other servers' certificates are checked with: the machine's authorities, and those of a file.

    Raises `ssl.SSLError`, `OSError` for a file that holds none.
    """
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


def check_authorities(settings: Settings) -> None:
    """Raise `CertificateUnusable` if the file of authorities holds none; the machine's are not loaded for that."""
    if settings.federation_ca is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.federation_ca)
        except OSError as error:
            raise CertificateUnusable(settings.federation_ca, _reason(error)) from None


def certified(settings: Settings) -> ssl.SSLContext | None:
    """Return the listener's TLS, None if there is no certificate. Raises `CertificateUnusable`."""
    certificate, key = settings.federation_certificate, settings.federation_key
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise CertificateUnusable(certificate, _reason(error)) from None
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "this is no certificate with its key"
    return error.strerror or str(error)
