"""What other servers are told besides events: who types, who has read what, who is there, whose devices changed.

It is taken down where it happens, in memory and at once, and given to the servers that it is for a moment later, off
the path of whoever did it.
"""

from __future__ import annotations

import asyncio
from itertools import islice

from hamrasan.accounts.presence import OFFLINE, Presence, PresenceState
from hamrasan.federation.sender import Sender
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import is_of_server
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.devices import DeviceChanged, DeviceReader
from hamrasan.storage.ports.exchange import ExchangeReader, ServerMessageAdded
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import RoomEvents
from hamrasan.storage.ports.user_data import READ, ReceiptChanged

MAX_NOTED = 5_000
"""Changes of each kind that wait to be given to servers; the oldest go first."""
REPEAT_TYPING_S = 30.0
"""Other servers believe for a minute or less that somebody types; who goes on is told of again before."""
REPEAT_PRESENCE_S = 25 * 60.0
"""The same for who is there, which is believed for half an hour."""
MAX_REPEATED = 2_000
"""Users whose presence is told again at once, of those whose presence changed last."""


class FederationNews:
    """Gathers news, and gives them to the servers that they are for."""

    def __init__(
        self,
        sender: Sender,
        typing: Typing,
        presence: Presence,
        registry: RoomRegistry,
        devices: DeviceReader,
        exchange: ExchangeReader,
        journal: Journal,
        clock: Clock,
        own: str,
    ) -> None:
        self._sender = sender
        self._typing = typing
        self._presence = presence
        self._registry = registry
        self._devices = devices
        self._exchange = exchange
        self._clock = clock
        self._own = own
        self._news = asyncio.Event()
        self._typing_rooms: BoundedCache[str, None] = BoundedCache(MAX_NOTED)
        self._typists: dict[str, set[str]] = {}
        """Of each room in which somebody types, those users of this server of whom others are told."""
        self._receipts: BoundedCache[tuple[str, str, str], ReceiptChanged] = BoundedCache(MAX_NOTED)
        self._present: BoundedCache[str, None] = BoundedCache(MAX_NOTED)
        self._changed_devices: BoundedCache[str, Position] = BoundedCache(MAX_NOTED)
        self._came: BoundedCache[tuple[str, str], None] = BoundedCache(MAX_NOTED)
        """Users of this server who came into a room."""
        typing.on_change(self._typing_changed)
        presence.on_change(self._presence_changed)
        journal.listen(ReceiptChanged, self._receipt_changed)
        journal.listen(DeviceChanged, self._devices_changed)
        journal.listen(ServerMessageAdded, self._message_added)
        journal.listen(RoomEvents, self._events_came)

    # Taking down.

    def _typing_changed(self, room_id: str, _serial: int) -> None:
        if room_id in self._typists or self._is_shared(room_id):
            self._typing_rooms.put(room_id, None)
            self._news.set()

    def _presence_changed(self, state: PresenceState) -> None:
        if self._is_own(state.user_id):
            self._present.put(state.user_id, None)
            self._news.set()

    def _receipt_changed(self, item: ReceiptChanged) -> None:
        if item.type == READ and self._is_own(item.user_id) and self._is_shared(item.room_id):
            self._receipts.put((item.room_id, item.user_id, item.thread_id), item)
            self._news.set()

    def _devices_changed(self, item: DeviceChanged) -> None:
        if self._is_own(item.user_id):
            self._changed_devices.put(item.user_id, item.position)
            self._news.set()

    def _message_added(self, item: ServerMessageAdded) -> None:
        self._sender.destination(item.server).has_messages = True

    def _events_came(self, item: RoomEvents) -> None:
        for stored in item.events:
            user_id = stored.state_key
            if stored.type != "m.room.member" or user_id is None or not self._is_own(user_id):
                continue
            if self._is_shared(item.room_id) and parse_json(stored.content).get("membership") == "join":
                self._came.put((item.room_id, user_id), None)
                self._news.set()

    def _is_own(self, user_id: str) -> bool:
        return is_of_server(user_id, self._own)

    def _is_shared(self, room_id: str) -> bool:
        """Return whether another server may be in a room: what is not in memory may be."""
        room = self._registry.loaded(room_id)
        return room is None or len(room.servers) > 1

    # Giving.

    async def run(self) -> None:
        """Give news to servers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._give())
            group.create_task(self._repeat_typing())
            group.create_task(self._repeat_presence())

    async def _give(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            slices = Slices(self._clock)
            await self._give_typing(slices)
            await self._give_receipts(slices)
            await self._give_devices(slices)
            await self._give_presence(slices)

    async def _give_typing(self, slices: Slices) -> None:
        for room_id, _ in self._typing_rooms.drain():
            before = self._typists.get(room_id, set())
            now = {user_id for user_id in self._typing.in_room(room_id) if self._is_own(user_id)}
            if now:
                self._typists[room_id] = now
            else:
                self._typists.pop(room_id, None)
            for server in await self._servers_of(room_id) if before != now else ():
                destination = self._sender.destination(server)
                for user_id in before ^ now:
                    destination.typing.put((room_id, user_id), user_id in now)
                await slices.pause()

    async def _give_receipts(self, slices: Slices) -> None:
        for (room_id, _, _), receipt in self._receipts.drain():
            for server in await self._servers_of(room_id):
                self._sender.destination(server).note_receipt(receipt)
                await slices.pause()

    async def _give_devices(self, slices: Slices) -> None:
        for user_id, position in self._changed_devices.drain():
            for server in await self._exchange.servers_of_user(user_id):
                self._sender.destination(server).note_devices(user_id, position)
                await slices.pause()
        for (room_id, user_id), _ in self._came.drain():
            position = await self._devices.last_list_change(user_id)
            for server in await self._servers_of(room_id) if position else ():
                self._sender.destination(server).note_devices(user_id, position)
                await slices.pause()

    async def _give_presence(self, slices: Slices) -> None:
        users = self._present.drain()
        if not users or not await self._exchange.has_remote_rooms(self._own):
            return
        for user_id, _ in users:
            for server in await self._exchange.servers_of_user(user_id):
                self._sender.destination(server).presence.put(user_id, None)
                await slices.pause()

    async def _servers_of(self, room_id: str) -> list[str]:
        """Return the other servers in a room."""
        room: Room | None = self._registry.loaded(room_id)
        if room is None:
            try:
                room = await self._registry.get(room_id)
            except MatrixError:
                return []
        return [server for server in room.servers if server != self._own]

    # Telling again.

    async def _repeat_typing(self) -> None:
        while True:
            await asyncio.sleep(REPEAT_TYPING_S)
            for room_id, user_ids in list(self._typists.items()):
                for server in await self._servers_of(room_id):
                    destination = self._sender.destination(server)
                    for user_id in user_ids:
                        destination.typing.put((room_id, user_id), True)

    async def _repeat_presence(self) -> None:
        while True:
            await asyncio.sleep(REPEAT_PRESENCE_S)
            states = self._presence.changed_since(0)
            for state in islice(states, MAX_REPEATED):
                if state.state != OFFLINE and self._is_own(state.user_id):
                    self._present.put(state.user_id, None)
            self._news.set()
