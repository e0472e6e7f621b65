"""What is kept of the server itself."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class SetServerName(NamedTuple):
    """The data belongs to the server of this name."""

    name: str


class ServerReader(Protocol):
    """Reads what is kept of the server."""

    async def name(self) -> str | None:
        """Return the name of the server whose data this is; None before its first start."""
