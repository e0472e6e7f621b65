"""Whether the store still takes what is written: asked by writing something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.journal import Batch, Journal, Probe

PATIENCE_S = 5.0
"""A commit that takes longer is as good as none; clients give up after ten to thirty seconds."""
HOLDS_S = 1.0
"""How long an answer holds, so that whoever asks without end costs one write a second."""


class JournalHealth:
    """Says whether the journal can write."""

    def __init__(self, journal: Journal, monotonic: Callable[[], float]) -> None:
        self._journal = journal
        self._monotonic = monotonic
        self._probe: asyncio.Future[None] | None = None
        self._asked_at = 0.0

    async def can_write(self) -> bool:
        """Return whether something could be written just now, or within the last second."""
        now = self._monotonic()
        try:
            if self._probe is None or (self._probe.done() and now - self._asked_at >= HOLDS_S):
                self._asked_at = now
                self._probe = self._journal.submit(Batch([Probe()]))
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.shield(self._probe)
        except (MatrixError, TimeoutError):
            return False
        return True
