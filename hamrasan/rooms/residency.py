"""Whether this server is in a room, and which others are: who is not in it has others change it ("Joining Rooms")."""

from __future__ import annotations

from collections.abc import Iterable

from hamrasan.rooms.room import Room


def is_resident(room: Room, server_name: str) -> bool:
    """Return whether this server may change a room that it knows: it is in it, or nobody else is."""
    return server_name in room.servers or not room.servers


def servers_of(room: Room | None) -> list[str]:
    """Return the servers that are in a room, those with most users first."""
    if room is None:
        return []
    return sorted(room.servers, key=lambda server: room.servers[server], reverse=True)


def likely_servers(room_id: str, *more: Iterable[str]) -> list[str]:
    """Return the servers of `more`, each once, and the one that made the room last, if its id tells."""
    found: dict[str, None] = {}
    for servers in more:
        found.update(dict.fromkeys(servers))
    server_name = room_id.partition(":")[2]
    if server_name:
        found[server_name] = None
    return list(found)
