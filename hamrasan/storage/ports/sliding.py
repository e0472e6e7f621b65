"""What is kept of connections of sliding sync while the server does not run."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PutSlidingConnection(NamedTuple):
    """A connection as it was when the server was stopped; replaces what was kept of it before."""

    user_id: str
    device_id: str
    conn_id: str
    saved_ts: int
    state: bytes


class ForgetSlidingConnections(NamedTuple):
    """Connections that were kept before a time are forgotten."""

    before_ts: int


class SlidingConnectionReader(Protocol):
    """Reads connections."""

    async def get(self, user_id: str, device_id: str, conn_id: str) -> bytes | None:
        """Return what was kept of a connection."""
