"""Which servers are to have an event: those that were in its room when it came.

What is kept here follows the committed events one by one, so that a server which comes to a room now gets nothing that
was sent before, and one that goes still gets what it went with.
"""

from __future__ import annotations

from collections.abc import Collection

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.identifiers import is_of_server
from hamrasan.rooms.room import Room
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.exchange import ExchangeReader, PutRoomServer
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import FORWARD, StoredEvent

MAX_ROOMS = 10_000
"""Rooms that other servers are in which are kept in memory: about 10 MB, more for those with hundreds of servers."""
MEMBER = "m.room.member"


class _Servers:
    """The other servers of one room, as of the last event that was looked at."""

    __slots__ = ("joined", "left")

    def __init__(self) -> None:
        self.joined: dict[str, Position] = {}
        """Each with the position since which it is there."""
        self.left: dict[str, tuple[Position, Position]] = {}
        """Servers that are no longer there, with the positions of their coming and going; of use only after a restart.
        """


class RoomServers:
    """Knows which servers are in which rooms."""

    def __init__(self, reader: ExchangeReader, own: str) -> None:
        self._reader = reader
        self._own = own
        self._rooms: BoundedCache[str, _Servers] = BoundedCache(MAX_ROOMS)
        self._flipped: set[str] = set()
        """Rooms whose state has changed otherwise than by an event."""

    def forget(self) -> None:
        """Read from the store from now on what is known of each room."""
        self._rooms.clear()

    def flipped(self, room_id: str) -> None:
        """Take note that the state of a room changed otherwise than by an event."""
        self._flipped.add(room_id)

    def concerns_nobody_else(self, room: Room, stored: StoredEvent) -> bool:
        """Tell at once, for nearly all rooms that only this server is in, that nobody has to be told of an event.

        Of its end an invite's or a knock's server has to be told, which is not in the room.
        """
        servers, user_id = room.servers, stored.state_key
        if stored.type == MEMBER and user_id is not None and not is_of_server(user_id, self._own):
            return False
        return (
            (not servers or (len(servers) == 1 and self._own in servers))
            and room.id not in self._rooms
            and room.id not in self._flipped
        )

    async def note(self, room: Room, stored: StoredEvent) -> tuple[Collection[str], list[PutRoomServer]]:
        """Take note of the next event of a room; return the servers that are to have it, and what is to be written.

        Each event is to be noted, in the order of positions.
        """
        servers = await self._servers(room)
        writes: list[PutRoomServer] = []
        if room.seeded and not (servers.joined or servers.left):
            self._begin(servers, room, writes)
        concerned = self._concerned(servers, stored)
        if stored.type == MEMBER and stored.state_key is not None:
            self._member_changed(servers, room, stored, writes)
        if stored.position >= room.head and (stored.state_key is not None or room.id in self._flipped):
            self._flipped.discard(room.id)
            self._reconcile(servers, room, stored.position, writes)
        if servers.joined:
            self._rooms.put(room.id, servers)
        else:
            self._rooms.drop(room.id)
        return concerned, writes

    async def _servers(self, room: Room) -> _Servers:
        known = self._rooms.get(room.id)
        if known is None:
            known = _Servers()
            for server, joined, position, since in await self._reader.room_servers(room.number):
                if joined:
                    known.joined[server] = since
                else:
                    known.left[server] = (since, position)
        return known

    def _begin(self, servers: _Servers, room: Room, writes: list[PutRoomServer]) -> None:
        """Take note of the servers that were in a room when this one came into it.

        The room may be past that by now: whoever came in with the last event may have left with the next one already.
        """
        there = {
            user_id.partition(":")[2]
            for user_id, member in room.members.items()
            if member.membership == "join" and member.position < room.seeded
        }
        for server in there - {self._own}:
            self._put(servers, room, server, True, room.seeded, writes)

    def _concerned(self, servers: _Servers, stored: StoredEvent) -> Collection[str]:
        is_own = is_of_server(stored.sender, self._own)
        if not is_own and not stored.flags & FORWARD:
            return ()
        position = stored.position
        concerned = {server for server, since in servers.joined.items() if since < position}
        concerned |= {server for server, (came, went) in servers.left.items() if came < position <= went}
        if stored.type == MEMBER and stored.state_key is not None and is_own:
            # Who is only invited is told when that is taken back, and who is banned before they ever came, that too.
            server = stored.state_key.partition(":")[2]
            if server and parse_json(stored.content).get("membership") in ("leave", "ban"):
                concerned.add(server)
        concerned.discard(self._own)
        if not is_own:
            concerned.discard(stored.sender.partition(":")[2])
        return concerned

    def _member_changed(
        self, servers: _Servers, room: Room, stored: StoredEvent, writes: list[PutRoomServer]
    ) -> None:
        server = (stored.state_key or "").partition(":")[2]
        if server == self._own:
            return
        if parse_json(stored.content).get("membership") == "join":
            if server not in servers.joined:
                self._put(servers, room, server, True, stored.position, writes)
        elif server in servers.joined and server not in room.servers:
            self._put(servers, room, server, False, stored.position, writes)

    def _reconcile(
        self, servers: _Servers, room: Room, position: Position, writes: list[PutRoomServer]
    ) -> None:
        """Make what is known equal to what the room says, where nothing has come after what was looked at."""
        for server in room.servers:
            if server != self._own and server not in servers.joined:
                self._put(servers, room, server, True, position, writes)
        for server in [server for server in servers.joined if server not in room.servers]:
            self._put(servers, room, server, False, position, writes)

    @staticmethod
    def _put(
        servers: _Servers,
        room: Room,
        server: str,
        joined: bool,
        position: Position,
        writes: list[PutRoomServer],
    ) -> None:
        since = servers.joined.pop(server, position)
        servers.left.pop(server, None)
        if joined:
            since = servers.joined[server] = position
        else:
            servers.left[server] = (since, position)
        writes.append(PutRoomServer(room.number, server, joined, position, since))
