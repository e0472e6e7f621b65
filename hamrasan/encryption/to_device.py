"""Messages from device to device (client-server API, "Send-to-Device messaging")."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hamrasan.encryption.waiting import Waiting
from hamrasan.protocol.canonical_json import encode_json, encode_lenient_canonical, json_string
from hamrasan.protocol.errors import MatrixError, invalid_param, too_large
from hamrasan.protocol.identifiers import is_of_server, server_name_of
from hamrasan.protocol.limits import MAX_EVENT_BYTES
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.tasks import ignore_failure
from hamrasan.storage.ports.devices import DeviceReader
from hamrasan.storage.ports.encryption import (
    AcknowledgeToDeviceMessages,
    EncryptionReader,
    ForgetToDeviceTransactions,
    NewToDeviceMessage,
    NoteToDeviceTransaction,
    ToDeviceRow,
    ToDeviceSent,
)
from hamrasan.storage.ports.exchange import NewServerMessage, ServerMessageAdded
from hamrasan.storage.ports.journal import Batch, Journal, Position

MAX_RECIPIENTS = 20_000
"""Devices that one request sends to: everybody in a large encrypted room, with several devices each."""
MAX_SENT_BYTES = 32 * 1024 * 1024
"""Of all messages that come of one request: a room key, sealed, for each of `MAX_RECIPIENTS` devices."""
MAX_DELIVERED = 100
"""Messages in one answer to `/sync`; the others follow with the next ones."""
REMEMBERED_MS = 24 * 60 * 60 * 1000
"""How long a transaction id is remembered: a client that had no answer repeats its request long before that."""
FORGET_INTERVAL_S = 60 * 60
FROM_SERVER = ""
"""Stands for the device of a sender on another server, which does not say it."""
MAX_SERVER_MESSAGE_BYTES = 48 * 1024
"""Of one message to several devices of another server, but at least one: it is part of a transaction."""
MESSAGE_ID_LETTERS = 24
EVERY_DEVICE = "*"
"""Instead of a device id: all devices of the user."""


class ToDevice:
    """Takes messages for devices, keeps them until they are fetched, and hands them over."""

    def __init__(
        self,
        journal: Journal,
        reader: EncryptionReader,
        devices: DeviceReader,
        clock: Clock,
        entropy: Entropy,
        server_name: str,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._devices = devices
        self._entropy = entropy
        self._clock = clock
        self._server_name = server_name
        self._locks = KeyedLocks()
        self._waiting = Waiting(reader)

    async def send(
        self,
        sender: str,
        device_id: str,
        txn_id: str,
        event_type: str,
        messages: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ) -> None:
        """Send contents to devices, given by user and device; a repeated transaction sends nothing.

        Devices that do not exist are passed over; messages to users of other servers wait for these to be sent there.
        Where very much waits for a device (`MAX_WAITING`), the older half goes. Raises `M_TOO_LARGE` and
        `M_INVALID_PARAM` for contents that are too large or for too many.
        """
        async with self._locks(f"{sender} {device_id}"):
            if await self._reader.is_sent(sender, device_id, txn_id):
                return
            local = [user for user in messages if is_of_server(user, self._server_name)]
            existing = await self._devices.ids_of(local)
            texts: list[tuple[str, str, bytes]] = []
            for user in local:
                texts += _texts(sender, event_type, user, existing.get(user, ()), messages[user])
            if len(texts) > MAX_RECIPIENTS:
                raise invalid_param(f"A message can be sent to at most {MAX_RECIPIENTS} devices at once.")
            if sum(len(text) for _, _, text in texts) > MAX_SENT_BYTES:
                raise too_large(f"All messages of one request may have at most {MAX_SENT_BYTES} bytes.")
            drops = await self._waiting.make_room(texts)
            position = self._journal.next_position
            batch = Batch([NoteToDeviceTransaction(sender, device_id, txn_id, self._clock.now_ms())])
            for number, (user, device, text) in enumerate(texts):
                batch.writes.append(NewToDeviceMessage(user, device, position, number, text))
                batch.feed.append(ToDeviceSent(user, device, position))
            elsewhere = self._elsewhere(sender, event_type, messages)
            if sum(len(content) for _, content in elsewhere) > MAX_SENT_BYTES:
                raise too_large(f"All messages of one request may have at most {MAX_SENT_BYTES} bytes.")
            for number, (server, content) in enumerate(elsewhere):
                batch.writes.append(NewServerMessage(server, position, number, content))
                batch.feed.append(ServerMessageAdded(server, position))
            batch.writes += drops
            batch.positions = 1 if texts or elsewhere else 0
            await self._journal.submit(batch)

    async def receive(
        self,
        sender: str,
        message_id: str,
        event_type: str,
        messages: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ) -> None:
        """Take messages that the server of `sender` hands over, of which each id counts once; raises as `send`."""
        ours = {user: of for user, of in messages.items() if is_of_server(user, self._server_name)}
        await self.send(sender, FROM_SERVER, message_id, event_type, ours)

    def _elsewhere(
        self,
        sender: str,
        event_type: str,
        messages: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ) -> list[tuple[str, bytes]]:
        """Return (server, content of an `m.direct_to_device` EDU) for the users of other servers.

        One holds few users, so that none is longer than other servers take.
        """
        by_server: dict[str, list[_ServerMessage]] = {}
        for user_id, contents in messages.items():
            if is_of_server(user_id, self._server_name):
                continue
            parts = by_server.setdefault(server_name_of(user_id), [])
            for device_id, content in contents.items():
                size = len(encode_json(content))
                if size > MAX_EVENT_BYTES:
                    raise too_large(f"A message to a device may have at most {MAX_EVENT_BYTES} bytes.")
                if not parts or parts[-1].size + size > MAX_SERVER_MESSAGE_BYTES:
                    parts.append(_ServerMessage())
                parts[-1].add(user_id, device_id, content, size)
        return [
            (server, part.content(sender, event_type, self._entropy.id(MESSAGE_ID_LETTERS)))
            for server, parts in by_server.items()
            for part in parts
        ]

    async def waiting(
        self, user_id: str, device_id: str, after: Position, upto: Position, limit: int = MAX_DELIVERED
    ) -> tuple[list[bytes], Position]:
        """Return about `limit` messages for a device, as JSON, and the position up to which these are all."""
        # One request sends at most two messages to a device: by its id, and to all devices of its user.
        limit = max(limit, 2)
        rows = await self._reader.waiting(user_id, device_id, after, upto, limit + 1)
        if len(rows) <= limit:
            return [row.message for row in rows], upto
        rest = rows.pop().position
        whole: list[ToDeviceRow] = [row for row in rows if row.position < rest]
        return [row.message for row in whole], whole[-1].position

    def acknowledge(self, user_id: str, device_id: str, upto: Position) -> None:
        """Forget what a device has received: it came back with a token that stands at `upto`."""
        with suppress(
            MatrixError
        ):  # too much waits to be written, or the server is stopping: the next time, then
            done = self._journal.submit(Batch([AcknowledgeToDeviceMessages(user_id, device_id, upto)]))
            self._waiting.forget(user_id, device_id)
            done.add_done_callback(ignore_failure)

    async def forget_old_transactions(self) -> None:
        """Forget transaction ids that nobody will repeat any more."""
        before = self._clock.now_ms() - REMEMBERED_MS
        await self._journal.submit(Batch([ForgetToDeviceTransactions(before)]))

    async def keep_forgetting(self) -> None:
        """Forget old transaction ids for ever."""
        while True:
            await self.forget_old_transactions()
            await asyncio.sleep(FORGET_INTERVAL_S)


class _ServerMessage:
    """Messages of one request to some devices of one other server."""

    def __init__(self) -> None:
        self.size = 0
        self._messages: dict[str, dict[str, Any]] = {}

    def add(self, user_id: str, device_id: str, content: Mapping[str, Any], size: int) -> None:
        """Add the message to one device."""
        self.size += size
        self._messages.setdefault(user_id, {})[device_id] = content

    def content(self, sender: str, event_type: str, message_id: str) -> bytes:
        """Return the content of the EDU as canonical JSON."""
        return encode_lenient_canonical(
            {"sender": sender, "type": event_type, "message_id": message_id, "messages": self._messages}
        )


def _texts(
    sender: str,
    event_type: str,
    user_id: str,
    existing: tuple[str, ...],
    contents: Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, str, bytes]]:
    """Return (user id, device id, event) for each device of a user that is written to."""
    texts: list[tuple[str, str, bytes]] = []
    for device_id, content in contents.items():
        text = b'{"content":%b,"sender":%b,"type":%b}' % (
            encode_json(content),
            json_string(sender),
            json_string(event_type),
        )
        if len(text) > MAX_EVENT_BYTES:
            raise too_large(f"A message to a device may have at most {MAX_EVENT_BYTES} bytes.")
        chosen = existing if device_id == EVERY_DEVICE else (device_id,) if device_id in existing else ()
        texts += [(user_id, device, text) for device in chosen]
    return texts
