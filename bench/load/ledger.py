"""What each member of a room must be shown, and whether it was: the event, and the right unread count."""

from __future__ import annotations

from enum import Enum, auto


class Verdict(Enum):
    """What one `/sync` answer was worth."""

    RIGHT = auto()
    WRONG_COUNT = auto()
    REPEATED = auto()


class RoomLedger:
    """The expected unread counts of one room in which nobody reads and one message is under way at a time.

    The specification ("Marking notifications as read" in the push module): sending an event moves the
    sender's own read receipt, so the sender's count becomes zero; everybody else's grows by one. A server
    that leaves the sender's count alone is measured by that rule instead (`own_send_reads=False`), and the
    report says so.
    """

    __slots__ = ("_counts", "_own_send_reads", "_waiting", "sequence")

    def __init__(self, counts: list[int], own_send_reads: bool) -> None:
        self._counts = counts
        self._own_send_reads = own_send_reads
        self._waiting: set[int] = set()
        self.sequence = 0

    @property
    def complete(self) -> bool:
        """Whether every member has been shown the current message."""
        return not self._waiting

    @property
    def missing(self) -> int:
        """How many members have not been shown the current message."""
        return len(self._waiting)

    def begin(self, sender: int) -> int:
        """Note that `sender` (a member's index) sends; return the sequence number to put into the message."""
        self.sequence += 1
        for member in range(len(self._counts)):
            if member != sender:
                self._counts[member] += 1
            elif self._own_send_reads:
                self._counts[member] = 0
        self._waiting = set(range(len(self._counts)))
        return self.sequence

    def see(self, member: int, sequence: int, count: int | None) -> Verdict:
        """Judge that `member` was shown message `sequence` with this unread count (None: there was none)."""
        if sequence != self.sequence or member not in self._waiting:
            return Verdict.REPEATED
        self._waiting.remove(member)
        return Verdict.RIGHT if count == self._counts[member] else Verdict.WRONG_COUNT
