"""Who may see which events (client-server API, "Room History Visibility").

`can_see_event` is the rule. `VisibilityTimeline` is the rule for one reader and all events of a room, prepared so that
a page of events costs a binary search per event and no look at any state.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WORLD_READABLE = "world_readable"
SHARED = "shared"
INVITED = "invited"
JOINED = "joined"
DEFAULT_VISIBILITY = SHARED
"""What applies where a room says nothing, or something that is not understood."""

NO_FLOOR = -(2**62)
"""Before every position."""

JOIN, INVITE, LEAVE = "join", "invite", "leave"

_VISIBILITIES = frozenset((WORLD_READABLE, SHARED, INVITED, JOINED))


def parse_visibility(content: Mapping[str, Any] | None) -> str:
    """Return what the content of `m.room.history_visibility` says, with the default where it says nothing useful."""
    visibility = None if content is None else content.get("history_visibility")
    return visibility if isinstance(visibility, str) and visibility in _VISIBILITIES else DEFAULT_VISIBILITY


def can_see_event(visibility: str, membership: str | None, joined_later: bool) -> bool:
    """Return whether a reader may see an event (rules 1 to 5 of "Server behaviour").

    `visibility` and `membership` (the reader's; None: never in the room) are those at the event, `joined_later`
    whether the reader joined at any point after it. For an `m.room.history_visibility` event, and for the reader's
    own `m.room.member` event, it is enough if this holds for the state before or for the state after the event:
    `can_see_change`.
    """
    if visibility == WORLD_READABLE or membership == JOIN:
        return True
    if visibility == SHARED:
        return joined_later
    return visibility == INVITED and membership == INVITE


def can_see_change(
    visibilities: Iterable[str], memberships: Sequence[str | None], joined_later: bool
) -> bool:
    """Return whether a reader may see an event that changes the visibility or the reader's membership.

    Both are given before and after the event; the one that does not change may be given once.
    """
    return any(
        can_see_event(visibility, membership, joined_later)
        for visibility in visibilities
        for membership in memberships
    )


def can_server_see_event(visibility: str, memberships: Iterable[str | None]) -> bool:
    """Return whether a server may be given an event: whether any of its users in the room may see it.

    `memberships` are those that the server's users had at the event. The caller has made sure that the server is in
    the room; so for shared history some user of it has joined, be it after the event.
    """
    if visibility in (WORLD_READABLE, SHARED):
        return True
    return any(
        membership == JOIN or (visibility == INVITED and membership == INVITE) for membership in memberships
    )


class VisibilityTimeline:
    """What one reader may see of a room's events, by their positions.

    Built from the changes of the room's history visibility and the changes of the reader's membership: (position of
    the event, new value), oldest first, from the beginning of the room. A change of visibility is what
    `parse_visibility` returns. An event sees the state that the last change before its position left.
    """

    __slots__ = ("_after", "_at", "_floor", "_positions")

    def __init__(
        self,
        visibilities: Iterable[tuple[int, str]],
        memberships: Iterable[tuple[int, str]],
        floor: int = NO_FLOOR,
    ) -> None:
        """Up to `floor` nobody sees anything, since history has expired."""
        self._floor = floor
        visibility_at, membership_at = dict(visibilities), dict(memberships)
        joins = [position for position, membership in membership_at.items() if membership == JOIN]
        last_join = max(joins, default=None)
        self._positions = sorted(visibility_at.keys() | membership_at.keys())
        self._at: list[bool] = []
        """Whether the event at each position can be seen."""
        visibility, membership = DEFAULT_VISIBILITY, None
        self._after = [can_see_event(visibility, membership, last_join is not None)]
        """Whether events before the first position, and then after each position, can be seen."""
        for position in self._positions:
            joined_later = last_join is not None and last_join > position
            new_visibility = visibility_at.get(position, visibility)
            new_membership = membership_at.get(position, membership)
            self._at.append(
                can_see_change((visibility, new_visibility), (membership, new_membership), joined_later)
            )
            visibility, membership = new_visibility, new_membership
            self._after.append(can_see_event(visibility, membership, joined_later))

    def can_see(self, position: int) -> bool:
        """Return whether the reader may see the event at `position`."""
        if position <= self._floor:
            return False
        index = bisect_left(self._positions, position)
        if index < len(self._positions) and self._positions[index] == position:
            return self._at[index]
        return self._after[index]

    def can_see_all(self, first: int, last: int) -> bool:
        """Return whether the reader may see every event from position `first` to `last`, both included."""
        if first <= self._floor:
            return False
        start = bisect_left(self._positions, first)
        end = bisect_left(self._positions, last + 1)
        if not all(self._at[start:end]):
            return False
        low = first
        for index in range(start, end):
            if low < self._positions[index] and not self._after[index]:
                return False
            low = self._positions[index] + 1
        return low > last or self._after[end]

    def visible_ranges(self, after: int, upto: int) -> list[tuple[int, int]]:
        """Return the stretches of (after, upto] that the reader may see, as pairs of the same kind, oldest first."""
        ranges: list[tuple[int, int]] = []
        after = max(after, self._floor)
        if after >= upto:
            return ranges
        low = after
        for index in range(bisect_left(self._positions, after + 1), len(self._positions)):
            position = self._positions[index]
            if position > upto:
                break
            if self._after[index]:
                _append_range(ranges, low, position - 1)
            if self._at[index]:
                _append_range(ranges, position - 1, position)
            low = position
        if self._after[bisect_left(self._positions, upto + 1)]:
            _append_range(ranges, low, upto)
        return ranges

    @property
    def sees_nothing(self) -> bool:
        """Return whether no event at all can be seen, so that the room's history need not be read."""
        return not any(self._after) and not any(self._at)


def _append_range(ranges: list[tuple[int, int]], after: int, upto: int) -> None:
    """Add (after, upto] to `ranges`, joined to the last one where they touch."""
    if after >= upto:
        return
    if ranges and ranges[-1][1] == after:
        after = ranges.pop()[0]
    ranges.append((after, upto))
