"""Which events of a room repeated requests have made before (client-server API, "Transaction identifiers").

Whoever repeats a request has had no answer, so its event is among the last ones of the room. Their transactions are
kept in memory as hashes; only one that may have been made before is looked up, and no index has to be written for all
those that are not: nearly every one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable

from hamrasan.rooms.new_event import Transaction

REMEMBERED = 4_096
"""Last events of a room whose transactions are known, also after a restart: more than the clients of a room send while
one of them is out of reach, but for bots. They take 8 bytes each.
"""
_GENERATION = 512
"""Transactions that become one sorted array."""


class Transactions:
    """The transactions of one room's last events."""

    __slots__ = ("_latest", "_older")

    def __init__(self, made: Iterable[tuple[str, Transaction]] = ()) -> None:
        """Begin with senders and their transactions, the oldest first."""
        self._latest: set[int] = set()
        self._older: deque[array[int]] = deque(maxlen=REMEMBERED // _GENERATION)
        for sender, txn in made:
            self.note(sender, txn)

    def __len__(self) -> int:
        return len(self._latest) + sum(map(len, self._older))

    def may_know(self, sender: str, txn: Transaction) -> bool:
        """Return False if surely none of the last events was made by this transaction."""
        key = hash((sender, txn))
        if key in self._latest:
            return True
        for generation in self._older:
            at = bisect_left(generation, key)
            if at < len(generation) and generation[at] == key:
                return True
        return False

    def note(self, sender: str, txn: Transaction) -> None:
        """A transaction makes an event."""
        self._latest.add(hash((sender, txn)))
        if len(self._latest) >= _GENERATION:
            self._older.append(array("q", sorted(self._latest)))
            self._latest = set()

    def forget(self, sender: str, txn: Transaction) -> None:
        """A transaction has come to nothing; that one which is looked up in vain is remembered does no harm."""
        self._latest.discard(hash((sender, txn)))
