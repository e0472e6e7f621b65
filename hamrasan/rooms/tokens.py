"""Places in the stream of changes, as clients carry them: opaque to them, versioned for us.

A sync token (`s1_...`) names a position and the serials of what lives in memory only; a pagination token (`t1_...`) a
position, below zero among events from before this server was in the room; the `pos` of sliding sync (`p1_...`) a
position, a connection and the number of an answer on it. Any of them can be given where a position is asked for. A
message token (`d1_...`) says up to where a device has its messages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from hamrasan.protocol.errors import MatrixError, invalid_param
from hamrasan.storage.ports.journal import Position

_SYNC = re.compile(
    r"s1_([0-9]{1,18})_([0-9]{1,15})_([0-9]{1,15})_([A-Za-z]{1,16})(?:_([0-9]{1,18}))?", re.ASCII
)
_PAGE = re.compile(r"t1_(-?[0-9]{1,18})", re.ASCII)
_SLIDING = re.compile(r"p1_([0-9]{1,18})_[A-Za-z]{1,16}_[0-9]{1,15}", re.ASCII)
_MESSAGE = re.compile(r"d1_([0-9]{1,18})", re.ASCII)
_RECENT_TOKENS = 1_024
"""Tokens kept parsed: the members of a room come back with the same one."""


class SyncToken(NamedTuple):
    """Where a client's `/sync` stands."""

    position: Position
    typing: int
    """Serial of the last typing change that was sent."""
    presence: int
    """Serial of the last presence change that was sent."""
    epoch: str
    """Names the run of the server that the serials belong to: after a restart they begin anew."""

    handed_over: Position | None = None
    """Up to where messages to the device were sent, if there were too many for one answer; None: up to `position`."""

    def __str__(self) -> str:
        token = f"s1_{self.position}_{self.typing}_{self.presence}_{self.epoch}"
        return token if self.handed_over is None else f"{token}_{self.handed_over}"


@lru_cache(_RECENT_TOKENS)
def parse_sync_token(text: str) -> SyncToken:
    """Read a sync token; raise `M_INVALID_PARAM` for anything else."""
    match = _SYNC.fullmatch(text)
    if match is None:
        raise _unknown_token()
    position, typing, presence, epoch, handed_over = match.groups()
    return SyncToken(
        int(position), int(typing), int(presence), epoch, None if handed_over is None else int(handed_over)
    )


def page_token(position: Position) -> str:
    """Return a pagination token that stands between the event at `position` and the next one."""
    return f"t1_{position}"


def sliding_token(position: Position, connection: str, serial: int) -> str:
    """Return the `pos` of one answer on a connection of sliding sync, which is named by letters."""
    return f"p1_{position}_{connection}_{serial}"


def message_token(position: Position) -> str:
    """Return a token that says that a device has its messages up to a position."""
    return f"d1_{position}"


def parse_message_token(text: str) -> Position:
    """Return the position up to which a device has its messages; raise `M_INVALID_PARAM` for anything else."""
    match = _MESSAGE.fullmatch(text)
    if match is None:
        raise _unknown_token()
    return int(match[1])


def parse_position(text: str) -> Position:
    """Return the position that a pagination or sync token names; raise `M_INVALID_PARAM` for anything else."""
    match = _PAGE.fullmatch(text) or _SLIDING.fullmatch(text)
    return int(match[1]) if match is not None else parse_sync_token(text).position


def _unknown_token() -> MatrixError:
    return invalid_param("This is not a token of this server; begin again without one.")
