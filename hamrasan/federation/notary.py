"""What this server knows of the keys of others, signed for those who ask (server-server API, "Querying Keys Through
Another Server").
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hamrasan.federation.key_ring import KeyRing
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.federation.server_names import AllowedServers
from hamrasan.protocol.canonical_json import encode_canonical, parse_strict_json
from hamrasan.runtime.clock import Clock

PATIENCE_S = 15.0
"""For all servers of a question: whoever asks waits about as long."""


class Notary:
    """Confirms the keys of other servers."""

    def __init__(self, own: OwnKeys, key_ring: KeyRing, allowed: AllowedServers, clock: Clock) -> None:
        self._own = own
        self._key_ring = key_ring
        self._allowed = allowed
        self._clock = clock

    async def answers(self, wanted: Mapping[str, int | None]) -> list[bytes]:
        """Return what each server said of its keys, as JSON, signed by this one, too.

        `wanted` says until when they should be valid at least (None: until now). A server that cannot be reached gives
        what it said last; one of which nothing is known is left out.
        """
        found = await asyncio.gather(*(self._answer(server, least) for server, least in wanted.items()))
        return [answer for answer in found if answer is not None]

    async def _answer(self, server: str, least: int | None) -> bytes | None:
        if server == self._own.server_name:
            return self._own.answer()
        if server not in self._allowed:
            return None
        known = self._key_ring.last_answer(server)
        if not self._key_ring.is_fresh(known, self._clock.now_ms() if least is None else least):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._key_ring.renew(server)
            except TimeoutError:
                pass  # what is known is better than nothing
            known = self._key_ring.last_answer(server)
        return None if known is None else encode_canonical(self._own.sign(parse_strict_json(known.answer)))
