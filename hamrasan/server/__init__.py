"""The server, put together."""

from hamrasan.server.federation import CertificateUnusable
from hamrasan.server.folder import SigningKeyDamaged, WrongServerName, replace_signing_key
from hamrasan.server.running import CannotListen, RunningServer, start_server
from hamrasan.server.services import build_services

__all__ = [
    "CannotListen",
    "CertificateUnusable",
    "RunningServer",
    "SigningKeyDamaged",
    "WrongServerName",
    "build_services",
    "replace_signing_key",
    "start_server",
]
