"""All connections of sliding sync: bounded in memory, and kept while the server does not run.

Nothing is written while it runs, since every answer changes a connection; so after a crash clients begin anew.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.devices import DeviceDeleted
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.sliding import (
    ForgetSlidingConnections,
    PutSlidingConnection,
    SlidingConnectionReader,
)
from hamrasan.sync.sliding.connections import Connection, Key, News
from hamrasan.sync.sliding.kept import decode_connection, encode_connection

MAX_CONNECTIONS_PER_DEVICE = 8
"""Clients have two or three: for the list of rooms, for encryption, for notifications."""
MAX_CONNECTIONS = 100_000
"""In all; who asked longest ago begins anew."""
MAX_WEIGHT = 5_000_000
"""Rooms and memberships remembered for all connections together (about 150 bytes each)."""
CONNECTION_LETTERS = 10
"""Letters that name a connection in its `pos`, so that no other one's is taken for it."""
MAX_KEPT_ROOMS = 500_000
"""Rooms of all connections that are kept at a stop (about 50 MB, and two seconds)."""
KEPT_AT_ONCE = 100
"""Connections in one commit."""
KEPT_MS = 7 * 24 * 60 * 60 * 1000
"""How long a connection is kept whose client does not come back."""


class Connections:
    """All connections in memory."""

    def __init__(
        self, journal: Journal, reader: SlidingConnectionReader, clock: Clock, entropy: Entropy
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._connections: OrderedDict[Key, Connection] = OrderedDict()
        self._of_device: dict[tuple[str, str], list[str]] = {}
        self._weights: dict[Key, int] = {}
        self._weight = 0
        journal.listen(DeviceDeleted, self._device_deleted)

    def __len__(self) -> int:
        return len(self._connections)

    def open(self, user_id: str, device_id: str, conn_id: str) -> Connection:
        """Begin a connection, in the place of the one with the same `conn_id`."""
        key = (user_id, device_id, conn_id)
        self._end(key)
        self._make_room_on((user_id, device_id))
        return self._add(Connection(key, self._entropy.id(CONNECTION_LETTERS)))

    def _add(self, connection: Connection) -> Connection:
        user_id, device_id, conn_id = key = connection.key
        self._connections[key] = connection
        self._of_device.setdefault((user_id, device_id), []).append(conn_id)
        self._weights[key] = connection.weight
        self._weight += connection.weight
        self._make_room()
        return connection

    async def find(self, user_id: str, device_id: str, conn_id: str, pos: str) -> Connection:
        """Return the connection on which `pos` was given last. Raises `M_UNKNOWN_POS`."""
        key = (user_id, device_id, conn_id)
        if key not in self._connections:
            await self._restore(key)
        connection = self._connections.get(key)
        if connection is None or not connection.accepts(pos):
            raise unknown_pos()
        self._connections.move_to_end(key)
        of_device = self._of_device[user_id, device_id]
        if of_device[-1] != conn_id:
            of_device.remove(conn_id)
            of_device.append(conn_id)
        return connection

    async def _restore(self, key: Key) -> None:
        """Take up a connection that was kept when the server was stopped."""
        state = await self._reader.get(*key)
        if state is None or key in self._connections:
            return
        connection = decode_connection(key, self._entropy.id(CONNECTION_LETTERS), state)
        if connection is not None:
            self._make_room_on(key[:2])
            self._add(connection)

    async def keep(self) -> None:
        """Keep what clients have, those who asked last first, until the server runs again.

        Where this fails, they begin anew.
        """
        now = self._clock.now_ms()
        await self._commit([ForgetSlidingConnections(now - KEPT_MS)])
        writes: list[Write] = []
        rooms = 0
        for connection in reversed(self._connections.values()):
            rooms += connection.weight
            if rooms > MAX_KEPT_ROOMS:
                break
            writes.append(PutSlidingConnection(*connection.key, now, encode_connection(connection)))
            if len(writes) == KEPT_AT_ONCE:
                await self._commit(writes)
                writes = []
        await self._commit(writes)

    async def _commit(self, writes: list[Write]) -> None:
        with suppress(MatrixError):
            await self._journal.submit(Batch(writes))

    def answered(self, connection: Connection, news: News) -> None:
        """Keep what an answer holds until the client says that it has arrived."""
        connection.answered(news)
        known = self._weights.get(connection.key)
        if known is not None and self._connections[connection.key] is connection:
            self._weight += connection.weight - known
            self._weights[connection.key] = connection.weight
            self._make_room()

    def _make_room_on(self, device: tuple[str, str]) -> None:
        others = self._of_device.get(device, [])
        if len(others) >= MAX_CONNECTIONS_PER_DEVICE:
            self._end((*device, others[0]))

    def _make_room(self) -> None:
        while len(self._connections) > 1 and (
            self._weight > MAX_WEIGHT or len(self._connections) > MAX_CONNECTIONS
        ):
            self._end(next(iter(self._connections)))

    def _end(self, key: Key) -> None:
        """Forget a connection, and let nobody wait on it."""
        connection = self._connections.get(key)
        if connection is not None:
            self._drop(key)
            connection.begin()

    def _drop(self, key: Key) -> None:
        connection = self._connections.pop(key, None)
        if connection is None:
            return
        self._weight -= self._weights.pop(key)
        of_device = self._of_device[key[:2]]
        of_device.remove(key[2])
        if not of_device:
            del self._of_device[key[:2]]

    def _device_deleted(self, change: DeviceDeleted) -> None:
        # Whoever waits is sent away by the notifier.
        for conn_id in list(self._of_device.get((change.user_id, change.device_id), ())):
            self._drop((change.user_id, change.device_id, conn_id))


def unknown_pos() -> MatrixError:
    """The client has to begin anew (MSC4186, "Connections")."""
    return MatrixError(
        400, "M_UNKNOWN_POS", "This position is not known any more; begin again without 'pos'."
    )
