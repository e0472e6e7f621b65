"""The ephemeral data units that this server sends (server-server API, "EDUs"), as canonical JSON."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from hamrasan.accounts.presence import Presence
from hamrasan.federation.destination import MAX_EDUS, NOTHING_SENT, Destination
from hamrasan.protocol.canonical_json import encode_canonical, parse_json
from hamrasan.protocol.cross_signing import MASTER, SELF_SIGNING
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.cross_signing import CrossSigningReader
from hamrasan.storage.ports.encryption import EncryptionReader
from hamrasan.storage.ports.exchange import DropServerMessages, ExchangeReader
from hamrasan.storage.ports.journal import Position, Write
from hamrasan.storage.ports.user_data import UNTHREADED, ReceiptChanged

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

TYPING, RECEIPT, PRESENCE = "m.typing", "m.receipt", "m.presence"
DIRECT_TO_DEVICE, DEVICE_LIST_UPDATE = "m.direct_to_device", "m.device_list_update"
SIGNING_KEY_UPDATE = "m.signing_key_update"

MAX_MESSAGES = 80
"""Messages to devices in one transaction: whatever else there is finds room beside them."""
MAX_MESSAGES_BYTES = 256 * 1024
"""Of all messages to devices in one transaction, but at least one."""
MAX_RECEIPTS = 500
"""Receipts in one transaction."""
MAX_PRESENCE_UPDATES = 100
"""Users in one update of presence."""
MAX_DEVICE_USERS = 20
"""Users of one transaction whose devices changed: each makes the other server ask for them."""
KEPT_DEVICE_EDUS = 200
"""Changes of devices whose text is kept, since all servers that share a room with the user get the same."""
NEVER_SENT = 0
"""Stands for the update before: no update has this id. It makes whoever gets it ask for the whole list, which is what
they need: of several changes only the last one is known here."""


class OutgoingEdus:
    """The EDUs of one transaction, and what to do once the other server has taken it."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.writes: list[Write] = []
        self.taken: list[Callable[[], None]] = []

    @property
    def room(self) -> int:
        """How many more there may be."""
        return MAX_EDUS - len(self.texts)

    def add(self, edu_type: str, content: bytes) -> None:
        """Add one."""
        self.texts.append(edu(edu_type, content))


def edu(edu_type: str, content: bytes) -> bytes:
    """Return an EDU as canonical JSON, given its content as canonical JSON."""
    return b'{"content":%b,"edu_type":"%b"}' % (content, edu_type.encode())


class EduWriter:
    """Writes what waits for a destination."""

    def __init__(
        self,
        presence: Presence,
        exchange: ExchangeReader,
        encryption: EncryptionReader,
        cross_signing: CrossSigningReader,
        clock: Clock,
    ) -> None:
        self._presence = presence
        self._exchange = exchange
        self._encryption = encryption
        self._cross_signing = cross_signing
        self._clock = clock
        self._of_devices: BoundedCache[tuple[str, Position], list[bytes]] = BoundedCache(KEPT_DEVICE_EDUS)

    async def next_of(self, destination: Destination) -> OutgoingEdus:
        """Return the next EDUs for a destination, where they stay until `taken` is called."""
        edus = OutgoingEdus()
        await self._add_messages(destination, edus)
        await self._add_devices(destination, edus)
        self._add_typing(destination, edus)
        self._add_presence(destination, edus)
        self._add_receipts(destination, edus)
        return edus

    async def _add_messages(self, destination: Destination, edus: OutgoingEdus) -> None:
        if not destination.has_messages:
            return
        destination.has_messages = False  # first, so that what comes during the reading is noted again
        rows = await self._exchange.messages(destination.name, destination.messages_upto, MAX_MESSAGES + 1)
        size, last = 0, NOTHING_SENT
        for row in rows[:MAX_MESSAGES]:
            size += len(row.content)
            if size > MAX_MESSAGES_BYTES and last != NOTHING_SENT:
                break
            edus.add(DIRECT_TO_DEVICE, row.content)
            last = row.position, row.number
        if last == NOTHING_SENT:
            return
        if len(edus.texts) < len(rows):
            destination.has_messages = True

        def taken() -> None:
            destination.messages_upto = last

        edus.writes.append(DropServerMessages(destination.name, *last))
        edus.taken.append(taken)

    async def _add_devices(self, destination: Destination, edus: OutgoingEdus) -> None:
        for user_id, position in destination.devices.items()[:MAX_DEVICE_USERS]:
            texts = await self._devices_of(user_id, position)
            if len(texts) > edus.room:
                return
            edus.texts += texts
            edus.taken.append(_forget(destination.devices, user_id, position))

    async def _devices_of(self, user_id: str, position: Position) -> list[bytes]:
        """Return what tells that a user's devices or keys have changed."""
        known = self._of_devices.get((user_id, position))
        if known is not None:
            return known
        rows = await self._encryption.device_keys([user_id])
        content: dict[str, Any] = {
            "user_id": user_id,
            "stream_id": position,
            "prev_id": [NEVER_SENT],
        }
        if rows:
            content["device_id"] = rows[0].device_id
            content["keys"] = parse_json(rows[0].keys)
            if rows[0].display_name is not None:
                content["device_display_name"] = rows[0].display_name
        else:
            content |= {"device_id": "", "deleted": True}
        texts = [edu(DEVICE_LIST_UPDATE, encode_canonical(content))]
        keys = {row.usage: parse_json(row.key) for row in await self._cross_signing.keys_of([user_id])}
        if MASTER in keys:
            content = {"user_id": user_id, "master_key": keys[MASTER]}
            if SELF_SIGNING in keys:
                content["self_signing_key"] = keys[SELF_SIGNING]
            texts.append(edu(SIGNING_KEY_UPDATE, encode_canonical(content)))
        self._of_devices.put((user_id, position), texts)
        return texts

    def _add_typing(self, destination: Destination, edus: OutgoingEdus) -> None:
        for (room_id, user_id), typing in destination.typing.items()[: edus.room]:
            content = {"room_id": room_id, "user_id": user_id, "typing": typing}
            edus.add(TYPING, encode_canonical(content))
            edus.taken.append(_forget(destination.typing, (room_id, user_id), typing))

    def _add_presence(self, destination: Destination, edus: OutgoingEdus) -> None:
        if not len(destination.presence) or not edus.room:
            return
        now, push = self._clock.now_ms(), []
        for user_id, _ in destination.presence.items()[:MAX_PRESENCE_UPDATES]:
            content = self._presence.of(user_id).content(now)
            push.append({"last_active_ago": 0, **content, "user_id": user_id})
            destination.presence.drop(
                user_id
            )  # what changes meanwhile is noted again, and this is soon out of date
        edus.add(PRESENCE, encode_canonical({"push": push}))

    def _add_receipts(self, destination: Destination, edus: OutgoingEdus) -> None:
        """Put receipts together: in one EDU a user has one receipt in a room, so threads take further ones."""
        contents: list[dict[str, dict[str, dict[str, Any]]]] = []
        for key, receipt in destination.receipts.items()[:MAX_RECEIPTS] if edus.room else ():
            place = next((c for c in contents if receipt.user_id not in _marks(c, receipt)), None)
            if place is None:
                if len(contents) == edus.room:
                    break
                place = {}
                contents.append(place)
            data: dict[str, Any] = {"ts": receipt.ts}
            if receipt.thread_id != UNTHREADED:
                data["thread_id"] = receipt.thread_id
            marks = place.setdefault(receipt.room_id, {}).setdefault(receipt.type, {})
            marks[receipt.user_id] = {"event_ids": [receipt.event_id], "data": data}
            edus.taken.append(_forget(destination.receipts, key, receipt))
        for content in contents:
            edus.add(RECEIPT, encode_canonical(content))


def _marks(content: dict[str, dict[str, dict[str, Any]]], receipt: ReceiptChanged) -> Iterable[str]:
    return content.get(receipt.room_id, {}).get(receipt.type, {})


def _forget(cache: BoundedCache[K, V], key: K, value: V) -> Callable[[], None]:
    """Return what takes a thing out of what waits, unless there is a newer one by then."""

    def forget() -> None:
        if cache.get(key) == value:
            cache.drop(key)

    return forget
