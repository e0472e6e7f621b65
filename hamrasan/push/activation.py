"""Activating Web Push: a new subscription is sent a token, and is used once that came back (MSC4174).

So nobody can make the server send messages to a device or a server that did not ask for them. The tokens live in
memory: after a restart, or when five minutes are over, the client sets the pusher again and gets another one.
"""

from __future__ import annotations

import asyncio
from hmac import compare_digest
from typing import NamedTuple

from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.push.senders import WebPushSender
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.push import WEB_PUSH, ActivatePusher, PusherId, PusherRow, PushReader

LIFETIME_S = 5 * 60
"""How long a token is good, as the proposal says."""
TOKEN_BYTES = 24
MAX_PENDING = 10_000
"""Tokens kept; with more the oldest is forgotten, and its client has to set the pusher again."""
MAX_SENDING = 20
"""Tokens on their way at once: whoever names servers that do not answer holds up only who activates."""

_log = get_logger(__name__)


class _Pending(NamedTuple):
    token: str
    until: float


class Activations:
    """Sends tokens to new subscriptions, and takes them back."""

    def __init__(
        self,
        journal: Journal,
        reader: PushReader,
        sender: WebPushSender,
        clock: Clock,
        entropy: Entropy,
        tasks: TaskSupervisor,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._tasks = tasks
        self._pending: BoundedCache[PusherId, _Pending] = BoundedCache(MAX_PENDING)
        self._sending = asyncio.Semaphore(MAX_SENDING)

    def check(self, row: PusherRow) -> None:
        """Let everybody begin; rate limits are the edge's."""

    def begin(self, row: PusherRow) -> None:
        """Send a pusher its token, in the background."""
        token = self._entropy.token(TOKEN_BYTES)
        self._pending.drop(row.id)
        self._pending.put(row.id, _Pending(token, self._clock.monotonic() + LIFETIME_S))
        self._tasks.spawn("push activation", self._send(row, token))

    async def _send(self, row: PusherRow, token: str) -> None:
        async with self._sending:
            result = await self._sender.send_object(row, {"app_id": row.app_id, "ack_token": token}, "high")
        if result.kind != "sent":
            _log.info("a new pusher could not be reached", app=row.app_id, reason=result.reason)

    async def acknowledge(self, user_id: str, app_id: str, token: str) -> None:
        """Activate the pusher that got this token.

        Raises `M_NOT_FOUND` if the user has no such pusher of this application, `M_EXPIRED_ACTIVATION_TOKEN` and
        `M_UNKNOWN_ACTIVATION_TOKEN`.
        """
        rows = [
            row
            for row in await self._reader.pushers(user_id)
            if row.app_id == app_id and row.kind == WEB_PUSH
        ]
        if not rows:
            raise not_found("You have no pusher for Web Push of this application.")
        for row in rows:
            pending = self._pending.get(row.id)
            if pending is None or not compare_digest(pending.token.encode(), token.encode()):
                continue
            if pending.until <= self._clock.monotonic():
                raise MatrixError(
                    400, "M_EXPIRED_ACTIVATION_TOKEN", "The token is too old; set the pusher again."
                )
            self._pending.drop(row.id)
            await self._journal.submit(Batch([ActivatePusher(self._journal.durable, *row.id)]))
            return
        raise MatrixError(400, "M_UNKNOWN_ACTIVATION_TOKEN", "No pusher of yours waits for this token.")
