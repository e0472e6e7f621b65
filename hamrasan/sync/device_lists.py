"""`device_lists` of a `/sync` answer (client-server API, "Tracking the device list for a user").

Only those who share an encrypted room are told of each other's devices: nobody else needs the keys.
"""

from __future__ import annotations

import orjson

from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.sharing import SharingReader
from hamrasan.sync.companions import Companions
from hamrasan.sync.notifier import Notifier, UserStream


class DeviceLists:
    """Tells clients whose keys to ask for, and whom to forget."""

    def __init__(self, notifier: Notifier, sharing: SharingReader) -> None:
        self._notifier = notifier
        self._sharing = sharing

    def concern(self, stream: UserStream, after: Position) -> bool:
        """Return whether devices may have changed that the user is to be told of."""
        return stream.devices > after or self._notifier.devices_unsettled

    async def part(
        self, stream: UserStream, companions: Companions, after: Position, upto: Position
    ) -> bytes | None:
        """Return the member of an answer to a client that stands at `after`; None if there is nothing to tell."""
        changed, left = await self.changes(stream, companions, after, upto)
        if not changed and not left:
            return None
        return b'"device_lists":' + orjson.dumps({"changed": changed, "left": left})

    async def changes(
        self, stream: UserStream, companions: Companions, after: Position, upto: Position
    ) -> tuple[list[str], list[str]]:
        """Return whose keys have to be asked for again, and whose are of no more concern."""
        changed = set(companions.met_encrypted)
        if self.concern(stream, after):
            changed.update(await self._sharing.device_changes(stream.user_id, after, upto))
        left = companions.parted_encrypted
        if left:
            left = left - await self._sharing.sharing(stream.user_id, list(left))
        return sorted(changed), sorted(left - changed)
