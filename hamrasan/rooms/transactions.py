"""Which events of a room repeated requests have made before (client-server API, "Transaction identifiers").

Whoever repeats a request has had no answer, so its event is among the last ones of the room. These are kept in memory;
nothing has to be looked up, and no index written, for the requests that are not repeated: nearly all.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from hamrasan.rooms.new_event import Transaction
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent

REMEMBERED = 256
"""Last events of a room whose transactions are known, also after a restart: more than a client, or all clients of a
room, send before they notice that an answer is missing. In a room that stays in memory it is twice that, about 50 kB.
"""


class Transactions:
    """The transactions of one room's last events, by hashes; whoever finds a position compares the event."""

    __slots__ = ("_positions",)

    def __init__(self, events: Iterable[StoredEvent] = ()) -> None:
        """Begin with `events`, the oldest first."""
        self._positions: dict[int, Position] = {}
        for stored in events:
            if stored.txn_device is not None and stored.txn_id is not None:
                self.note(stored.sender, Transaction(stored.txn_device, stored.txn_id), stored.position)

    def __len__(self) -> int:
        return len(self._positions)

    def find(self, sender: str, txn: Transaction) -> Position | None:
        """Return the position of the event that a transaction has probably made."""
        return self._positions.get(hash((sender, txn)))

    def note(self, sender: str, txn: Transaction, position: Position) -> None:
        """A transaction makes the event at `position`."""
        positions = self._positions
        if len(positions) >= 2 * REMEMBERED:
            for oldest in list(islice(positions, REMEMBERED)):
                del positions[oldest]
        positions[hash((sender, txn))] = position

    def forget(self, sender: str, txn: Transaction) -> None:
        """A transaction has come to nothing."""
        self._positions.pop(hash((sender, txn)), None)


def is_made_by(stored: StoredEvent, sender: str, txn: Transaction) -> bool:
    """Return whether a transaction of `sender` made this event."""
    return stored.sender == sender and (stored.txn_device, stored.txn_id) == txn
