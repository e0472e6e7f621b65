"""Spaces as other servers ask for them (server-server API, "Spaces"): one room, and what is right below it."""

from __future__ import annotations

from typing import Any

import orjson

from hamrasan.protocol.errors import not_found
from hamrasan.rooms.discovery import Discovery, FoundRoom
from hamrasan.rooms.spaces import MAX_LIMIT, Spaces, rendered
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices


class ServerSpaces:
    """Tells other servers of spaces and their children."""

    def __init__(self, discovery: Discovery, spaces: Spaces, clock: Clock) -> None:
        self._discovery = discovery
        self._spaces = spaces
        self._clock = clock

    async def of(self, server: str, room_id: str, suggested_only: bool) -> dict[str, Any]:
        """Return a room and its children, as far as users of `server` could come or look into them.

        Of a long list, the first children only. Raises `M_NOT_FOUND` for a room of which the server is not told.
        """
        _, found = await self._find(server, room_id)
        if found is None:
            raise not_found("This room is not known here, or not open to your server.")
        below = await self._spaces.children(found, suggested_only)
        children: list[dict[str, Any]] = []
        inaccessible: list[str] = []
        slices = Slices(self._clock)
        for child in below[:MAX_LIMIT]:
            await slices.pause()
            known, shown = await self._find(server, child.room_id)
            if shown is not None:
                children.append(shown.fields())
            elif known:
                inaccessible.append(child.room_id)
        return {
            "room": orjson.Fragment(rendered(found, below)),
            "children": children,
            "inaccessible_children": inaccessible,
        }

    async def _find(self, server: str, room_id: str) -> tuple[bool, FoundRoom | None]:
        """Return whether this server can tell anything of a room, and what `server` may hear of it."""
        row = await self._discovery.describable(room_id)
        if row is None:
            return False, None
        return True, await self._discovery.find_for_server(row, server)
