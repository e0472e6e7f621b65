"""What a client asks of `/sync` (client-server API, "Syncing")."""

from __future__ import annotations

from dataclasses import dataclass, field

from hamrasan.protocol.filters import Filter
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.tokens import SyncToken
from hamrasan.storage.ports.journal import Position


@dataclass(slots=True)
class SyncRequest:
    """What a client asks of `/sync`; never changed (but not frozen, which would cost more than the rest of it)."""

    reader: Reader
    since: SyncToken | None
    filter: Filter
    full_state: bool
    state_after: bool

    after: Position = field(init=False)
    """The position from which on the client knows nothing."""
    typing: int = field(init=False)
    """The serial of the last typing change that the client knows."""
    presence: int = field(init=False)
    """The serial of the last presence change that the client knows."""

    handed_over: Position = field(init=False)
    """The position up to which the device has its messages."""

    def __post_init__(self) -> None:
        since = self.since
        self.after, self.typing, self.presence = (0, 0, 0) if since is None else since[:3]
        handed_over = None if since is None else since[4]
        self.handed_over = self.after if handed_over is None else handed_over

    @property
    def is_plain(self) -> bool:
        """Whether the client wants everything of all rooms as it is, from its token on."""
        chosen = self.filter
        return (
            self.since is not None
            and not self.full_state
            and chosen.room.matches_every_room
            and chosen.room.timeline.matches_everything
            and chosen.keeps_stored_bytes
        )

    @property
    def wants_everything(self) -> bool:
        """Whether every room of the user belongs into the answer, changed or not."""
        return self.since is None or self.full_state

    @property
    def empty_state(self) -> bytes:
        """The member of a room's section that says that no state changed beside the timeline."""
        return b'"state_after":{"events":[]}' if self.state_after else b'"state":{"events":[]}'
