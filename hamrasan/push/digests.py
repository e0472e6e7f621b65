"""Word of unread messages by e-mail: seldom, only to addresses that were confirmed, and without what was written."""

from __future__ import annotations

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hmac import compare_digest
from typing import Literal

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError, invalid_param, limit_exceeded
from hamrasan.protocol.signing import SigningKey
from hamrasan.push.mails import Envelope, RoomNews, confirmation, digest
from hamrasan.push.notification import Notification, Notifications
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.mailer import Mailer, MailFailed
from hamrasan.runtime.slices import Slices
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.push import (
    ActivatePusher,
    DeletePusher,
    ForgetWaitingPushes,
    NoteMailed,
    PusherId,
    PusherRow,
    PushersChanged,
    PushReader,
)

EMAIL_APP = "m.email"
"""The `app_id` of every pusher for e-mail, as the specification says."""
FIRST_DELAY_MS = 10 * 60 * 1000
"""How long something is unread before a mail tells of it: whoever is at a device reads it before that."""
INTERVAL_MS = 6 * 60 * 60 * 1000
"""Between two mails to one address there are at least so many."""
LOOK_S = 60.0
DUE_AT_ONCE = 50
READ_AT_ONCE = 100
CONFIRMATION_INTERVAL_MS = 60 * 60 * 1000
"""Between two questions to one address, and between two of one user: nobody can fill somebody's mailbox with them."""
LINK_LIFETIME_MS = 3 * 24 * 60 * 60 * 1000
"""How long an address can be confirmed; the links to unsubscribe are good for ever."""
MAX_REMEMBERED = 100_000
MAX_ADDRESS_CHARS = 254
"""RFC 5321, section 4.5.3.1.3."""
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")

Purpose = Literal["confirm", "unsubscribe"]

_log = get_logger(__name__)


def check_address(text: str) -> str:
    """Return an e-mail address; raises `M_INVALID_PARAM` for what is none, or none that plain SMTP can carry."""
    if len(text) > MAX_ADDRESS_CHARS or _ADDRESS.fullmatch(text) is None or ".." in text:
        raise invalid_param("'pushkey' must be an e-mail address.")
    return text


class Digests:
    """Asks addresses whether they want mails, and sends them."""

    def __init__(
        self,
        journal: Journal,
        reader: PushReader,
        notifications: Notifications,
        mailer: Mailer,
        key: SigningKey,
        base_url: str,
        server_name: str,
        clock: Clock,
        tasks: TaskSupervisor,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._notifications = notifications
        self._mailer = mailer
        self._key = key
        self._base_url = base_url
        self._server_name = server_name
        self._clock = clock
        self._tasks = tasks
        self._asked: BoundedCache[str, int] = BoundedCache(MAX_REMEMBERED)
        """When an address was last asked, and when a user last had one asked."""

    # Whether somebody wants mails.

    def check(self, row: PusherRow) -> None:
        """Raise `M_LIMIT_EXCEEDED` if the address, or an address of the user, was asked a short while ago.

        Otherwise it counts as asked from now on.
        """
        now, names = self._clock.now_ms(), (row.pushkey.lower(), row.user_id)
        for name in names:
            wait = (self._asked.get(name) or 0) + CONFIRMATION_INTERVAL_MS - now
            if wait > 0:
                raise limit_exceeded(wait)
        for name in names:
            self._asked.drop(name)
            self._asked.put(name, now)

    def begin(self, row: PusherRow) -> None:
        """Ask the address of a new pusher, in the background."""
        self._tasks.spawn("mail confirmation", self._ask(row))

    async def _ask(self, row: PusherRow) -> None:
        url = self._link("confirm", row.id, self._clock.now_ms() + LINK_LIFETIME_MS)
        try:
            await self._mailer.send(confirmation(self._envelope(row), url))
        except MailFailed as failure:
            _log.warning("a mail could not be sent", reason=str(failure))

    async def confirm(self, token: str) -> bool:
        """Take a link that asks for mails; return whether it is good."""
        pusher = self._read(token, "confirm")
        row = None if pusher is None else await self._reader.pusher(pusher)
        if row is None:
            return False
        if not row.activated:
            await self._journal.submit(Batch([ActivatePusher(self._journal.durable, *row.id)]))
        return True

    async def unsubscribe(self, token: str) -> bool:
        """Take a link that asks for no more mails; return whether it is good. It may be taken again."""
        pusher = self._read(token, "unsubscribe")
        if pusher is None:
            return False
        await self._delete(pusher)
        return True

    def is_link(self, token: str, purpose: Purpose) -> bool:
        """Return whether a link is one of ours that is still good."""
        return self._read(token, purpose) is not None

    async def _delete(self, pusher: PusherId) -> None:
        feed: list[object] = [PushersChanged(pusher.user_id)]
        await self._journal.submit(
            Batch([DeletePusher(*pusher), ForgetWaitingPushes(pusher.user_id)], feed=feed)
        )

    def _link(self, purpose: Purpose, pusher: PusherId, until_ms: int) -> str:
        payload = urlsafe_b64encode(encode_json([pusher.user_id, pusher.pushkey, until_ms])).decode()
        return f"{self._base_url}/mail/{purpose}?token={payload.rstrip('=')}.{self._sign(purpose, payload)}"

    def _sign(self, purpose: Purpose, payload: str) -> str:
        """Return a signature that nothing else of this server has: no event or request begins like this."""
        signed = f"mail link\0{purpose}\0{payload.rstrip('=')}".encode()
        return self._key.sign(signed).replace("+", "-").replace("/", "_")

    def _read(self, token: str, purpose: Purpose) -> PusherId | None:
        """Return the pusher of a link; None if it was not made here for this purpose, or too long ago."""
        payload, _, signature = token.partition(".")
        if not token.isascii() or not compare_digest(signature, self._sign(purpose, payload)):
            return None
        try:
            user_id, address, until_ms = parse_json(decode_base64(payload))
        except MatrixError:
            return None
        return PusherId(user_id, EMAIL_APP, address) if self._clock.now_ms() < until_ms else None

    # The mails.

    async def run(self) -> None:
        """Send what is due until cancelled."""
        while True:
            await self.send_due()
            await asyncio.sleep(LOOK_S)

    async def send_due(self) -> None:
        """Send every digest that is due, until the mail server takes no more."""
        now = self._clock.now_ms()
        while due := await self._reader.due_mails(now - INTERVAL_MS, now - FIRST_DELAY_MS, DUE_AT_ONCE):
            for row in due:
                try:
                    await self._tell(row)
                except MailFailed as failure:
                    if not failure.permanent:
                        _log.warning("a mail could not be sent", reason=str(failure))
                        return
                    _log.info("an address takes no mail and is given up", reason=str(failure))
                    await self._delete(row.id)

    async def _tell(self, row: PusherRow) -> None:
        waiting = await self._reader.waiting(row.user_id, row.sent_upto, READ_AT_ONCE)
        unread: list[tuple[Notification, bool]] = []
        slices = Slices(self._clock)
        for entry in waiting:
            await slices.pause()
            told = await self._notifications.about(entry, ids_only=False)
            if told is not None:
                unread.append((told, parse_json(entry.tweaks).get("highlight") is True))
        mailed_ts = 0
        if unread:
            link = self._link("unsubscribe", row.id, 2**53)
            await self._mailer.send(digest(self._envelope(row), _by_room(unread), link))
            mailed_ts = self._clock.now_ms()
        upto = waiting[-1].position if waiting else row.sent_upto
        await self._journal.submit(
            Batch([NoteMailed(mailed_ts, upto, *row.id), ForgetWaitingPushes(row.user_id)])
        )

    def _envelope(self, row: PusherRow) -> Envelope:
        return Envelope(self._mailer.sender, row.pushkey, self._server_name, row.user_id, row.lang)


def _by_room(unread: Sequence[tuple[Notification, bool]]) -> list[RoomNews]:
    """Return the news room by room, those first that mention the reader."""
    rooms: dict[str, list[tuple[Notification, bool]]] = {}
    for told, mentioned in unread:
        rooms.setdefault(told["room_id"], []).append((told, mentioned))
    news = [
        RoomNews(
            room_name=found[-1][0].get("room_name"),
            senders=list(
                dict.fromkeys(told.get("sender_display_name") or told["sender"] for told, _ in found)
            ),
            messages=len(found),
            mentioned=any(mentioned for _, mentioned in found),
        )
        for found in rooms.values()
    ]
    return sorted(news, key=lambda each: not each.mentioned)
