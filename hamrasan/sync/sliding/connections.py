"""What clients of sliding sync have (MSC4186, "Connections"): per connection, and for each room that was sent on it.

An answer may get lost on its way. So what it adds is kept apart until the client comes back with its `pos`; whoever
asks again with the former one is answered anew, from what they had then.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.tokens import sliding_token
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.devices import DeviceDeleted
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.sync.sliding.required_state import StateChoice

MAX_CONNECTIONS_PER_DEVICE = 8
"""Clients have two or three: for the list of rooms, for encryption, for notifications."""
MAX_CONNECTIONS = 100_000
"""In all; who asked longest ago begins anew."""
MAX_ROOMS = 5_000_000
"""Rooms remembered for all connections together (about 100 bytes each)."""
MAX_MEMBERS = 2_000
"""Memberships per connection that are remembered as sent (lazy loading); beyond it some are sent again."""
CONNECTION_LETTERS = 10
"""Letters that name a connection in its `pos`, so that no other one's is taken for it."""


Key = tuple[str, str, str]
"""User id, device id, `conn_id`."""


class SentRoom(NamedTuple):
    """What a client has of a room."""

    upto: Position
    """It has everything of the room up to here."""
    membership: str
    """What it was told of the user's own membership."""
    have: int
    """So many of the latest events it has, at least, or there are no more."""
    choice: StateChoice
    """What of the state it has."""
    receipts: bool = False
    """It has the receipts up to `upto`, too."""
    account_data: bool = False
    """It has the room's account data and is told of each change."""


class Superseded(Protocol):
    """A request that waits while its client sends another one on the same connection."""

    def supersede(self) -> None:
        """Answer that nothing is new: the client is not there any more."""


@dataclass(slots=True)
class Mark:
    """Where a client stands after an answer."""

    pos: str
    """The token that it was given; empty before the first answer."""
    position: Position = 0
    typing: int = 0
    """Serial of the last typing change that it was told."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many rooms each list had."""
    direct: frozenset[str] = frozenset()
    """Rooms that it knows as direct chats, or would if it had them."""
    account_data: bool = False
    """It has the global account data up to `position`."""
    typists: frozenset[str] = frozenset()
    """Rooms in which it believes that somebody types."""


@dataclass(slots=True)
class News:
    """What an answer adds to what a client has."""

    mark: Mark
    rooms: dict[str, SentRoom] = field(default_factory=dict)
    members: list[Position] = field(default_factory=list)


class Connection:
    """One connection of a device."""

    __slots__ = ("_members", "_news", "_serial", "key", "mark", "name", "rooms", "turn", "waiting")

    def __init__(self, key: Key, name: str) -> None:
        self.key = key
        """User, device, `conn_id`."""
        self.name = name
        self.mark = Mark("")
        self.rooms: dict[str, SentRoom] = {}
        self._members: dict[Position, None] = {}
        self._news: News | None = None
        self._serial = 0
        self.turn = 0
        """Number of the last request; an answer to an earlier one is of no use."""
        self.waiting: Superseded | None = None

    def begin(self) -> int:
        """Take note of a request: whatever was asked before is not waited for any more. Return its turn."""
        self.turn += 1
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.supersede()
        return self.turn

    def accepts(self, pos: str) -> bool:
        """Return whether a client may go on from `pos`; if it names the last answer, that has arrived."""
        news = self._news
        if news is not None and news.mark.pos == pos:
            self._arrived(news)
        return bool(pos) and self.mark.pos == pos

    def _arrived(self, news: News) -> None:
        self.mark = news.mark
        self.rooms.update(news.rooms)
        for position in news.members:
            self._members.pop(position, None)
            self._members[position] = None
        while len(self._members) > MAX_MEMBERS:
            del self._members[next(iter(self._members))]
        self._news = None

    def has_member(self, position: Position) -> bool:
        """Return whether the client has the membership that stands at a position."""
        return position in self._members

    def next_pos(self, position: Position) -> str:
        """Return the `pos` of the next answer."""
        self._serial += 1
        return sliding_token(position, self.name, self._serial)

    def answered(self, news: News) -> None:
        """Keep what an answer holds until the client says that it has arrived."""
        self._news = news

    @property
    def weight(self) -> int:
        """How many rooms are remembered."""
        return len(self.rooms) + (len(self._news.rooms) if self._news is not None else 0)


class Connections:
    """All connections in memory."""

    def __init__(self, journal: Journal, entropy: Entropy) -> None:
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
        others = self._of_device.get((user_id, device_id), [])
        if len(others) >= MAX_CONNECTIONS_PER_DEVICE:
            self._end((user_id, device_id, others[0]))
        connection = Connection(key, self._entropy.id(CONNECTION_LETTERS))
        self._connections[key] = connection
        self._of_device.setdefault((user_id, device_id), []).append(conn_id)
        self._weights[key] = 0
        self._make_room()
        return connection

    def find(self, user_id: str, device_id: str, conn_id: str, pos: str) -> Connection:
        """Return the connection on which `pos` was given last. Raises `M_UNKNOWN_POS`."""
        key = (user_id, device_id, conn_id)
        connection = self._connections.get(key)
        if connection is None or not connection.accepts(pos):
            raise unknown_pos()
        self._connections.move_to_end(key)
        of_device = self._of_device[user_id, device_id]
        if of_device[-1] != conn_id:
            of_device.remove(conn_id)
            of_device.append(conn_id)
        return connection

    def answered(self, connection: Connection, news: News) -> None:
        """Keep what an answer holds until the client says that it has arrived."""
        connection.answered(news)
        known = self._weights.get(connection.key)
        if known is not None and self._connections[connection.key] is connection:
            self._weight += connection.weight - known
            self._weights[connection.key] = connection.weight
            self._make_room()

    def _make_room(self) -> None:
        while len(self._connections) > 1 and (
            self._weight > MAX_ROOMS or len(self._connections) > MAX_CONNECTIONS
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
