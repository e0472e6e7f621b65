"""Which transaction ids a device has used (client-server API, "Transaction identifiers"), answered from memory.

The store knows the event of every transaction; asking it for each send would cost more than the rest of the send. So a
device's ids are read once, when it first sends, and kept as hashes: only one that may be known is looked up.
"""

from __future__ import annotations

from collections import OrderedDict

from hamrasan.storage.ports.rooms import EventReader

MAX_DEVICES = 10_000
"""Devices whose ids are kept; those that sent longest ago are read again when they send."""
MAX_IDS = 100_000
"""Ids of one device that are kept (about 8 MB); devices with more are looked up each time."""


class TransactionIndex:
    """Tells whether a transaction may have been made before."""

    def __init__(self, events: EventReader) -> None:
        self._events = events
        self._devices: OrderedDict[str, set[int]] = OrderedDict()

    async def may_know(self, device_id: str, txn_id: str) -> bool:
        """Return False if the device surely never used this id."""
        known = self._devices.get(device_id)
        if known is None:
            ids = await self._events.transactions(device_id, MAX_IDS + 1)
            # What was noted while reading belongs to it as well.
            known = self._devices.setdefault(device_id, set())
            known.update(map(hash, ids))
            while len(self._devices) > MAX_DEVICES:
                self._devices.popitem(last=False)
        else:
            self._devices.move_to_end(device_id)
        return len(known) > MAX_IDS or hash(txn_id) in known

    def note(self, device_id: str, txn_id: str) -> None:
        """The device is using this id now."""
        known = self._devices.get(device_id)
        if known is not None and len(known) <= MAX_IDS:
            known.add(hash(txn_id))
