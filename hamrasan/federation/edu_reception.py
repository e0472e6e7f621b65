"""The ephemeral data units that other servers push (server-server API, "EDUs").

Each is judged by itself: it has to be about users of the server that sends it, and about rooms that these are in. What
is wrong is passed over; the transaction that it came in is taken all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from hamrasan.accounts.presence import Presence
from hamrasan.encryption.to_device import ToDevice
from hamrasan.federation.edus import (
    DEVICE_LIST_UPDATE,
    DIRECT_TO_DEVICE,
    PRESENCE,
    RECEIPT,
    SIGNING_KEY_UPDATE,
    TYPING,
)
from hamrasan.protocol.errors import MatrixError, bad_json, forbidden
from hamrasan.protocol.identifiers import check_opaque_id, check_user_ids, parse_user_id
from hamrasan.protocol.limits import MAX_ID_BYTES, MAX_TYPE_BYTES
from hamrasan.rooms.receipts import Receipts, RemoteReceipt
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_acls import ServerAcls
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.devices import ChangeDeviceList, DeviceChanged
from hamrasan.storage.ports.journal import Batch, CommitFailed, Journal
from hamrasan.storage.ports.rooms import RoomReader
from hamrasan.storage.ports.user_data import READ, UNTHREADED

TYPING_MS = 60_000
"""How long it is believed that somebody types on another server, which repeats it before."""
MAX_RECEIPTS = 5_000
"""Receipts of one transaction that are looked at: those of a large server that was away."""
MAX_PRESENCE = 1_000
"""Users of one transaction whose presence is looked at."""
MAX_USERS = 200
"""Users in one EDU with messages to devices; a sender addresses those of one room, some at a time."""

_log = get_logger(__name__)


class EduReception:
    """Judges EDUs, and hands on what they say."""

    def __init__(
        self,
        typing: Typing,
        receipts: Receipts,
        presence: Presence,
        to_device: ToDevice,
        registry: RoomRegistry,
        rooms: RoomReader,
        acls: ServerAcls,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._typing = typing
        self._receipts = receipts
        self._presence = presence
        self._to_device = to_device
        self._registry = registry
        self._rooms = rooms
        self._acls = acls
        self._journal = journal
        self._clock = clock

    async def take_messages(self, origin: str, edus: Sequence[Any]) -> None:
        """Take the messages to devices; they are durable after this. Raises `CommitFailed`."""
        for content in _contents(edus, DIRECT_TO_DEVICE):
            try:
                await self._take_message(origin, content)
            except CommitFailed:
                raise
            except MatrixError as error:
                _passed_over(origin, DIRECT_TO_DEVICE, error)

    async def take(self, origin: str, edus: Sequence[Any]) -> None:
        """Take everything but messages to devices. Raises `CommitFailed`."""
        slices = Slices(self._clock)
        for content in _contents(edus, TYPING):
            self._take_typing(origin, content)
        await self._take_receipts(origin, edus, slices)
        await self._take_presence(origin, edus, slices)
        await self._take_device_changes(origin, edus, slices)

    async def _take_message(self, origin: str, content: Mapping[str, Any]) -> None:
        sender, event_type = content.get("sender"), content.get("type")
        message_id, messages = content.get("message_id"), content.get("messages")
        if not _is_of(sender, origin):
            raise forbidden("The sender is not of the server that sends this.")
        if not isinstance(event_type, str) or len(event_type.encode()) > MAX_TYPE_BYTES:
            raise bad_json("A message to a device has a type.")
        if not isinstance(message_id, str):
            raise bad_json("A message to a device has an id.")
        check_opaque_id(message_id, "message id")
        if not _is_nested(messages) or len(messages) > MAX_USERS:
            raise bad_json("The contents are to be given by users and devices.")
        check_user_ids(messages)
        await self._to_device.receive(sender, message_id, event_type, messages)

    def _take_typing(self, origin: str, content: Mapping[str, Any]) -> None:
        """Show that somebody types, or no longer does, in a room that is in memory: nobody looks at others now."""
        room_id, user_id = content.get("room_id"), content.get("user_id")
        room = self._registry.loaded(room_id) if isinstance(room_id, str) else None
        if (
            room is None
            or not _is_of(user_id, origin)
            or room.membership(user_id) != "join"
            or not self._acls.allows(room, origin)
        ):
            return
        if content.get("typing") is True:
            self._typing.start(room.id, user_id, TYPING_MS)
        else:
            self._typing.stop(room.id, user_id)

    async def _take_receipts(self, origin: str, edus: Sequence[Any], slices: Slices) -> None:
        of_rooms: dict[str, list[RemoteReceipt]] = {}
        left = MAX_RECEIPTS
        for content in _contents(edus, RECEIPT):
            for room_id, kinds in content.items():
                marks = kinds.get(READ) if isinstance(kinds, dict) else None
                for user_id, mark in marks.items() if isinstance(marks, dict) else ():
                    receipt = _receipt(user_id, mark) if _is_of(user_id, origin) else None
                    if receipt is not None and left > 0:
                        left -= 1
                        of_rooms.setdefault(room_id, []).append(receipt)
        for room_id, receipts in of_rooms.items():
            await slices.pause()
            room = await self._shared_room(origin, room_id, receipts[0].user_id)
            if room is not None:
                those = [receipt for receipt in receipts if room.membership(receipt.user_id) == "join"]
                await self._receipts.receive(room, those)

    async def _shared_room(self, origin: str, room_id: str, user_id: str) -> Room | None:
        """Return a room that the server is in and may take part in; it is not loaded for who is not in it."""
        room = self._registry.loaded(room_id)
        if room is None:
            rows = await self._rooms.rooms([room_id])
            if not rows or await self._rooms.membership(rows[0].room, user_id) != "join":
                return None
            room = await self._registry.get(room_id)
        return room if origin in room.servers and self._acls.allows(room, origin) else None

    async def _take_presence(self, origin: str, edus: Sequence[Any], slices: Slices) -> None:
        left = MAX_PRESENCE
        for content in _contents(edus, PRESENCE):
            updates = content.get("push")
            for update in updates if isinstance(updates, list) else ():
                await slices.pause()
                user_id = update.get("user_id") if isinstance(update, dict) else None
                left -= 1
                if left < 0 or not _is_of(user_id, origin) or not await self._is_known(user_id):
                    continue
                try:
                    self._receive_presence(user_id, update)
                except MatrixError as error:
                    _passed_over(origin, PRESENCE, error)

    def _receive_presence(self, user_id: str, update: Mapping[str, Any]) -> None:
        state, status = update.get("presence"), update.get("status_msg")
        ago = update.get("last_active_ago")
        self._presence.receive(
            user_id,
            state if isinstance(state, str) else "",
            status if isinstance(status, str) else None,
            ago if type(ago) is int else 0,
            update.get("currently_active") is True,
        )

    async def _take_device_changes(self, origin: str, edus: Sequence[Any], slices: Slices) -> None:
        """Tell those who share rooms with these users that their keys are to be asked for anew."""
        changed: dict[str, None] = {}
        for kind in (DEVICE_LIST_UPDATE, SIGNING_KEY_UPDATE):
            for content in _contents(edus, kind):
                user_id = content.get("user_id")
                if _is_of(user_id, origin):
                    changed[user_id] = None
        known: list[str] = []
        for user_id in changed:
            await slices.pause()
            if await self._is_known(user_id):
                known.append(user_id)
        if known:
            position = self._journal.next_position
            batch = Batch(positions=len(known))
            for number, user_id in enumerate(known):
                batch.writes.append(ChangeDeviceList(user_id, position + number))
                batch.feed.append(DeviceChanged(user_id, position + number))
            await self._journal.submit(batch)

    async def _is_known(self, user_id: str) -> bool:
        """Return whether a user of another server is in a room of this one."""
        return any(row.membership == "join" for row in await self._rooms.memberships(user_id))


def _contents(edus: Sequence[Any], edu_type: str) -> Iterator[dict[str, Any]]:
    for edu in edus:
        if isinstance(edu, dict) and edu.get("edu_type") == edu_type:
            content = edu.get("content")
            if isinstance(content, dict):
                yield content


def _is_of(user_id: Any, origin: str) -> TypeGuard[str]:
    """Tell whether this is the id of a user of a server."""
    try:
        return isinstance(user_id, str) and parse_user_id(user_id).server_name == origin
    except MatrixError:
        return False


def _is_nested(messages: Any) -> TypeGuard[dict[str, dict[str, dict[str, Any]]]]:
    return isinstance(messages, dict) and all(
        isinstance(devices, dict) and all(isinstance(content, dict) for content in devices.values())
        for devices in messages.values()
    )


def _receipt(user_id: str, mark: Any) -> RemoteReceipt | None:
    """Return what a receipt says; None if it has not the specified form."""
    if not isinstance(mark, dict):
        return None
    event_ids, data = mark.get("event_ids"), mark.get("data")
    event_id = event_ids[0] if isinstance(event_ids, list) and event_ids else None
    ts = data.get("ts") if isinstance(data, dict) else None
    thread_id = data.get("thread_id", UNTHREADED) if isinstance(data, dict) else None
    if not isinstance(event_id, str) or type(ts) is not int or not 0 <= ts < 2**53:
        return None
    if not isinstance(thread_id, str) or len(thread_id.encode(errors="replace")) > MAX_ID_BYTES:
        return None
    return RemoteReceipt(user_id, event_id, ts, thread_id)


def _passed_over(origin: str, kind: str, error: MatrixError) -> None:
    _log.info("something of a server was passed over", server=origin, kind=kind, reason=error.message)
