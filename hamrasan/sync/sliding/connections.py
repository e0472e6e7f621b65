"""What clients of sliding sync have (MSC4186, "Connections"): per connection, and for each room that was sent on it.

An answer may get lost on its way. So what it adds is kept apart until the client comes back with its `pos`; whoever
asks again with the former one is answered anew, from what they had then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hamrasan.rooms.tokens import sliding_token
from hamrasan.storage.ports.journal import Position
from hamrasan.sync.sliding.required_state import StateChoice

MAX_MEMBERS = 2_000
"""Memberships per connection that are remembered as sent (lazy loading); beyond it some are sent again."""
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

    __slots__ = ("_members", "_serial", "key", "mark", "name", "news", "rooms", "turn", "waiting")

    def __init__(self, key: Key, name: str) -> None:
        self.key = key
        """User, device, `conn_id`."""
        self.name = name
        self.mark = Mark("")
        self.rooms: dict[str, SentRoom] = {}
        self._members: dict[Position, None] = {}
        self.news: News | None = None
        """What the last answer holds, until the client says that it has arrived."""
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
        news = self.news
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
        self.news = None

    def has_member(self, position: Position) -> bool:
        """Return whether the client has the membership that stands at a position."""
        return position in self._members

    def next_pos(self, position: Position) -> str:
        """Return the `pos` of the next answer."""
        self._serial += 1
        return sliding_token(position, self.name, self._serial)

    def answered(self, news: News) -> None:
        """Keep what an answer holds until the client says that it has arrived."""
        self.news = news

    @property
    def weight(self) -> int:
        """How much is remembered: rooms and memberships."""
        weight = len(self.rooms) + len(self._members)
        return weight if self.news is None else weight + len(self.news.rooms) + len(self.news.members)
