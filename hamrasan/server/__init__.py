"""The server, put together."""

from hamrasan.server.running import RunningServer, start_server
from hamrasan.server.services import build_services

__all__ = ["RunningServer", "build_services", "start_server"]
