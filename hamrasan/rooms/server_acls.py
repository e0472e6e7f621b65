"""Keeping servers out of rooms (server-server API, "Server Access Control Lists (ACLs)").

Whatever a server sends into a room or asks of it is held against the list: requests, and each event and each piece of
ephemeral data of a transaction.
"""

from __future__ import annotations

from hamrasan.protocol.errors import forbidden
from hamrasan.protocol.server_acl import is_server_allowed
from hamrasan.rooms.room import Room
from hamrasan.runtime.bounded_cache import BoundedCache

SERVER_ACL = "m.room.server_acl"
MAX_ANSWERS = 50_000
"""Servers of which it is remembered whether a list lets them in, for all lists together: about 10 MB. A list may have
thousands of patterns, and is asked for each event that comes.
"""


class ServerAcls:
    """Applies the access control lists of rooms."""

    def __init__(self) -> None:
        self._answers: BoundedCache[tuple[str, str], bool] = BoundedCache(MAX_ANSWERS)
        """By the id of the list's event, and the server."""

    def allows(self, room: Room, server: str) -> bool:
        """Return whether a room's list lets `server` take part; a room without a list lets everybody."""
        event = room.event(SERVER_ACL, "")
        if event is None:
            return True
        key = (event.event_id, server)
        answer = self._answers.get(key)
        if answer is None:
            answer = is_server_allowed(event.content, server)
            self._answers.put(key, answer)
        return answer

    def check(self, room: Room, server: str) -> None:
        """Raise `M_FORBIDDEN` unless the room's list lets `server` take part."""
        if not self.allows(room, server):
            raise forbidden(f"The access control list of this room keeps {server} out.")
