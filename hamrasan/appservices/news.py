"""What an application service is told besides events: ephemeral data, messages to devices, what encryption needs
(application service API, "Pushing ephemeral data"; MSC3202, MSC4203).

It is gathered in memory until the next transaction, the newest of each kind; messages to devices stay in the store
until the commit that puts them into a transaction, and changes of device lists have a cursor of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import orjson

from hamrasan.accounts.presence import Presence
from hamrasan.appservices.interest import Interest
from hamrasan.policy.application_services import ApplicationService
from hamrasan.protocol.canonical_json import json_string
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.application_services import ApplicationServiceReader
from hamrasan.storage.ports.cursors import CursorReader, PutCursor
from hamrasan.storage.ports.devices import DeviceChanged, DeviceReader
from hamrasan.storage.ports.encryption import (
    AcknowledgeToDeviceMessages,
    EncryptionReader,
    KeyCounts,
    KeyCountsChanged,
    ToDeviceRow,
    ToDeviceSent,
)
from hamrasan.storage.ports.journal import Position, Write
from hamrasan.storage.ports.rooms import RoomReader
from hamrasan.storage.ports.user_data import UNTHREADED, ReceiptChanged

MAX_GATHERED = 500
"""Rooms with typing, receipts, users with presence that are remembered for a service that is busy; the oldest go."""
MAX_MESSAGES = 100
"""Messages to one device in one transaction."""
MAX_MESSAGES_BYTES = 256 * 1024
"""Of all messages to devices in one transaction, unless a single one is larger."""
MAX_ROOMS_LOOKED_AT = 50
"""Rooms of a user, the latest first, that are looked at to tell whether their presence concerns the service: each may
have to be loaded, and presence is not worth more."""
PRIVATE_RECEIPT = "m.read.private"

Device = tuple[str, str]
"""User id and device id."""


@dataclass(slots=True)
class Extras:
    """What a transaction holds besides events, and what is to be written in the commit that keeps it."""

    ephemeral: list[bytes] = field(default_factory=list)
    to_device: list[bytes] = field(default_factory=list)
    devices_changed: list[str] = field(default_factory=list)
    devices_left: list[str] = field(default_factory=list)
    """Users with whom no room is shared any more."""
    counts: dict[str, dict[str, KeyCounts]] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.ephemeral or self.to_device or self.devices_changed or self.devices_left or self.counts
        )

    def members(self, service: ApplicationService) -> bytes:
        """Return the members of a transaction's body that hold all this, each after a comma."""
        parts: list[bytes] = []
        if self.ephemeral:
            joined = b",".join(self.ephemeral)
            parts.append(b'"ephemeral":[%b]' % joined)
            if service.names_ephemeral_so_too is not None:
                parts.append(b"%b:[%b]" % (json_string(service.names_ephemeral_so_too), joined))
        if self.to_device:
            parts.append(b'"de.sorunome.msc2409.to_device":[%b]' % b",".join(self.to_device))
        if self.devices_changed or self.devices_left:
            lists = orjson.dumps({"changed": self.devices_changed, "left": self.devices_left})
            parts.append(b'"org.matrix.msc3202.device_lists":%b' % lists)
        if self.counts:
            one_time = {
                user: {device: counts.one_time for device, counts in devices.items()}
                for user, devices in self.counts.items()
            }
            unused = {
                user: {device: counts.unused_fallback for device, counts in devices.items()}
                for user, devices in self.counts.items()
            }
            parts.append(b'"org.matrix.msc3202.device_one_time_keys_count":%b' % orjson.dumps(one_time))
            parts.append(b'"org.matrix.msc3202.device_unused_fallback_key_types":%b' % orjson.dumps(unused))
        return b"".join(b"," + part for part in parts)


@dataclass(frozen=True, slots=True)
class NewsSources:
    """Where the news come from."""

    typing: Typing
    presence: Presence
    clock: Clock
    services: ApplicationServiceReader
    rooms: RoomReader
    devices: DeviceReader
    encryption: EncryptionReader
    cursors: CursorReader


class News:
    """What is new for one application service."""

    def __init__(self, service: ApplicationService, interest: Interest, sources: NewsSources) -> None:
        self._service = service
        self._interest = interest
        self._sources = sources
        self._cursor = f"application service devices {service.id}"
        self._devices_upto: Position = 0
        self._typing: BoundedCache[str, None] = BoundedCache(MAX_GATHERED)
        self._receipts: BoundedCache[tuple[str, str, str, str], ReceiptChanged] = BoundedCache(MAX_GATHERED)
        self._presence: BoundedCache[str, None] = BoundedCache(MAX_GATHERED)
        self._counts: BoundedCache[Device, KeyCounts] = BoundedCache(MAX_GATHERED)
        self._waited_for: dict[Device, None] = {}
        self._moved: dict[Device, Position] = {}
        """How far the messages of a device are in transactions, some of which may not be durable yet."""
        self._devices_changed = False
        self._met: dict[str, None] = {}
        self._parted: dict[str, None] = {}
        """Users who came into rooms of the service's users, and who left them."""

    async def begin(self, now: Position) -> list[Write]:
        """Find what came while nobody listened; return what is to be written so that nothing is told twice."""
        if not self._service.encrypts:
            return []
        for device in await self._sources.services.devices_waited_for():
            if self._service.owns_user(device[0]):
                self._waited_for[device] = None
        saved = await self._sources.cursors.cursor(self._cursor)
        self._devices_upto = now if saved is None else saved
        self._devices_changed = saved is not None
        return [PutCursor(self._cursor, now)] if saved is None else []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        gathered = len(self._typing) + len(self._receipts) + len(self._presence) + len(self._counts)
        return not (self._devices_changed or gathered or self._waited_for)

    # What happens. Each of these returns whether it may concern the service.

    def typing_changed(self, room_id: str) -> bool:
        """Take note that the typists of a room changed."""
        if self._service.receive_ephemeral:
            self._typing.put(room_id, None)
        return self._service.receive_ephemeral

    def presence_changed(self, user_id: str) -> bool:
        """Take note that the presence of a user changed."""
        if self._service.receive_ephemeral:
            self._presence.put(user_id, None)
        return self._service.receive_ephemeral

    def committed(self, item: object) -> bool:
        """Take note of an item of the committed feed."""
        if isinstance(item, ReceiptChanged):
            return self._receipt(item)
        if not self._service.encrypts:
            return False
        if isinstance(item, DeviceChanged):
            self._devices_changed = True
            return True
        if isinstance(item, ToDeviceSent):
            if not self._service.owns_user(item.user_id):
                return False
            self._waited_for[item.user_id, item.device_id] = None
            return True
        if isinstance(item, KeyCountsChanged) and self._service.owns_user(item.user_id):
            self._counts.put((item.user_id, item.device_id), item.counts)
            return True
        return False

    def met(self, user_ids: Iterable[str]) -> None:
        """Take note of users who may share a room with the service's users from now on: their devices are new to it."""
        self._met.update(dict.fromkeys(user_ids))

    def parted(self, user_id: str) -> None:
        """Take note of a user who may share no room with the service's users any more."""
        self._parted[user_id] = None

    def _receipt(self, item: ReceiptChanged) -> bool:
        if not self._service.receive_ephemeral:
            return False
        if item.type == PRIVATE_RECEIPT and not self._interest.has_user(item.user_id):
            return False
        self._receipts.put((item.room_id, item.type, item.user_id, item.thread_id), item)
        return True

    # What goes into a transaction.

    async def take(self, upto: Position) -> Extras:
        """Return what concerns the service, up to a position that is durable, and forget it.

        What is returned has to become durable, or the service begin anew.
        """
        extras = Extras()
        if self._service.receive_ephemeral:
            await self._take_typing(extras)
            await self._take_receipts(extras)
            await self._take_presence(extras)
        if self._service.encrypts:
            await self._take_messages(extras, upto)
            self._take_counts(extras)
            await self._take_device_changes(extras, upto)
        return extras

    async def _take_typing(self, extras: Extras) -> None:
        slices = Slices(self._sources.clock)
        for room_id, _ in self._typing.drain():
            await slices.pause()
            if await self._interest.in_room(room_id):
                user_ids = orjson.dumps(self._sources.typing.in_room(room_id))
                extras.ephemeral.append(
                    b'{"type":"m.typing","room_id":%b,"content":{"user_ids":%b}}'
                    % (json_string(room_id), user_ids)
                )

    async def _take_receipts(self, extras: Extras) -> None:
        of_room: dict[str, dict[str, dict[str, dict[str, dict[str, object]]]]] = {}
        slices = Slices(self._sources.clock)
        for _, item in self._receipts.drain():
            await slices.pause()
            own = self._interest.has_user(item.user_id)
            if own or await self._interest.in_room(item.room_id):
                mark: dict[str, object] = {"ts": item.ts}
                if item.thread_id != UNTHREADED:
                    mark["thread_id"] = item.thread_id
                kinds = of_room.setdefault(item.room_id, {}).setdefault(item.event_id, {})
                kinds.setdefault(item.type, {})[item.user_id] = mark
        for room_id, content in of_room.items():
            event = {"type": "m.receipt", "room_id": room_id, "content": content}
            extras.ephemeral.append(orjson.dumps(event))

    async def _take_presence(self, extras: Extras) -> None:
        slices = Slices(self._sources.clock)
        for user_id, _ in self._presence.drain():
            await slices.pause()
            rooms = await self._rooms_of(user_id)
            if await self._interest.shares_room(user_id, rooms[:MAX_ROOMS_LOOKED_AT]):
                state = self._sources.presence.of(user_id)
                content = state.content(self._sources.clock.now_ms())
                event = {"type": "m.presence", "sender": user_id, "content": content}
                extras.ephemeral.append(orjson.dumps(event))

    async def _take_messages(self, extras: Extras, upto: Position) -> None:
        """Move messages from the store into the transaction; where there are too many, the rest stays for the next."""
        slices = Slices(self._sources.clock)
        for device in list(self._waited_for):
            await slices.pause()
            user_id, device_id = device
            del self._waited_for[device]  # first, so that what comes during the reading is noted again
            after = self._moved.get(device, 0)
            rows = await self._sources.encryption.waiting(user_id, device_id, after, upto, MAX_MESSAGES + 1)
            moved = _cut(rows, sum(map(len, extras.to_device)))
            if moved:
                to = b'"to_user_id":%b,"to_device_id":%b,' % (json_string(user_id), json_string(device_id))
                extras.to_device += [b"{" + to + row.message[1:] for row in moved]
                self._moved[device] = moved[-1].position
                extras.writes.append(AcknowledgeToDeviceMessages(user_id, device_id, moved[-1].position))
                counts = await self._sources.encryption.key_counts(user_id, device_id)
                extras.counts.setdefault(user_id, {})[device_id] = counts
            if len(moved) < len(rows):
                self._waited_for[device] = None
                return

    def _take_counts(self, extras: Extras) -> None:
        for (user_id, device_id), counts in self._counts.drain():
            extras.counts.setdefault(user_id, {})[device_id] = counts

    async def _take_device_changes(self, extras: Extras, upto: Position) -> None:
        changed, self._met = self._met, {}
        parted, self._parted = self._parted, {}
        if self._devices_changed:
            self._devices_changed = False
            for user_id, position in await self._sources.devices.list_changes(self._devices_upto):
                if position <= upto:
                    changed[user_id] = None
            self._devices_upto = upto
            extras.writes.append(PutCursor(self._cursor, upto))
        slices = Slices(self._sources.clock)
        for user_id in {**changed, **parted}:
            await slices.pause()
            if await self._interest.shares_room(user_id, await self._rooms_of(user_id)):
                if user_id in changed:
                    extras.devices_changed.append(user_id)
            elif user_id in parted:
                extras.devices_left.append(user_id)

    async def _rooms_of(self, user_id: str) -> Sequence[str]:
        """Return the rooms that a user is in, those first whose membership is the latest."""
        rows = [row for row in await self._sources.rooms.memberships(user_id) if row.membership == "join"]
        return [row.room_id for row in sorted(rows, key=lambda row: row.position, reverse=True)]


def _cut(rows: Sequence[ToDeviceRow], size: int) -> Sequence[ToDeviceRow]:
    """Return the first of these messages that fit beside `size` bytes, at least one if there are none yet.

    Messages of one position stay together, since they are acknowledged by it.
    """
    chosen: list[ToDeviceRow] = []
    complete = rows
    if len(rows) > MAX_MESSAGES:
        complete = [row for row in rows if row.position < rows[-1].position] or rows
    for _, group in groupby(complete, key=lambda row: row.position):
        together = list(group)
        size += sum(len(row.message) for row in together)
        if size > MAX_MESSAGES_BYTES and (chosen or size > sum(len(row.message) for row in together)):
            break
        chosen += together
    return chosen
