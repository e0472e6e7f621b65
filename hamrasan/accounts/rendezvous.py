"""Rendezvous: two devices that see each other's screens exchange sealed messages through the server, to sign one of
them in with the other (MSC4108 in its version of 2024, and MSC4388).

What passes is encrypted, soon over, and of nobody that the server knows; so it lives in memory, within bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.protocol.errors import not_found, too_large
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy

MAX_BYTES = 4096
"""Of a message. The proposals ask for at least this; the largest, the secrets of an account, has about 2 KiB."""
LIFETIME_S = 5 * 60
"""From the beginning, however often something is written: long enough to sign in on a slow phone."""
MAX_SESSIONS = 10_000
"""At the same time (50 MB when all are full); beyond it the oldest end."""
ID_LETTERS = 22
"""125 random bits: whoever knows the id may read and write."""


@dataclass(slots=True)
class Meeting:
    """What two devices have in common."""

    id: str
    data: bytes
    serial: int
    modified_ms: int
    expires_ms: int
    ends_at: float

    @property
    def sequence_token(self) -> str:
        """Return what changes whenever something is written."""
        return f"{self.id[:8]}.{self.serial}"


class ConcurrentWrite(Exception):
    """The other device was faster; `meeting` is as it is now."""

    def __init__(self, meeting: Meeting) -> None:
        super().__init__("something else was written in the meantime")
        self.meeting = meeting


class Rendezvous:
    """The meetings under way."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._meetings: dict[str, Meeting] = {}

    def begin(self, data: bytes) -> Meeting:
        """Begin a meeting with a first message; raises `M_TOO_LARGE`."""
        _check_size(data)
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        while self._meetings:
            oldest = next(iter(self._meetings.values()))
            if oldest.ends_at > now and len(self._meetings) < MAX_SESSIONS:
                break
            del self._meetings[oldest.id]
        meeting = Meeting(
            self._entropy.id(ID_LETTERS), data, 0, now_ms, now_ms + LIFETIME_S * 1000, now + LIFETIME_S
        )
        self._meetings[meeting.id] = meeting
        return meeting

    def find(self, meeting_id: str) -> Meeting:
        """Return a meeting; raises `M_NOT_FOUND` for one that never was, has ended, or whose time is over."""
        meeting = self._meetings.get(meeting_id)
        if meeting is None or meeting.ends_at <= self._clock.monotonic():
            raise not_found("There is no such rendezvous, or it is over.")
        return meeting

    def write(self, meeting_id: str, sequence_token: str, data: bytes) -> Meeting:
        """Put another message in the place of the last one.

        Raises `M_NOT_FOUND`, `M_TOO_LARGE`, and `ConcurrentWrite` unless `sequence_token` is that of the last one.
        """
        meeting = self.find(meeting_id)
        _check_size(data)
        if meeting.sequence_token != sequence_token:
            raise ConcurrentWrite(meeting)
        meeting.data, meeting.serial, meeting.modified_ms = data, meeting.serial + 1, self._clock.now_ms()
        return meeting

    def end(self, meeting_id: str) -> None:
        """End a meeting; raises `M_NOT_FOUND`."""
        del self._meetings[self.find(meeting_id).id]

    def left_ms(self, meeting: Meeting) -> int:
        """Return for how long a meeting goes on."""
        return max(0, round((meeting.ends_at - self._clock.monotonic()) * 1000))


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise too_large(f"A message has at most {MAX_BYTES} bytes.")
