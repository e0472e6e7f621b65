"""The server, put together."""

from hamrasan.server.folder import SigningKeyDamaged, WrongServerName
from hamrasan.server.running import CannotListen, RunningServer, start_server
from hamrasan.server.services import build_services

__all__ = [
    "CannotListen",
    "RunningServer",
    "SigningKeyDamaged",
    "WrongServerName",
    "build_services",
    "start_server",
]
