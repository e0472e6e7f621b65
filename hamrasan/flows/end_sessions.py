"""Ending sessions: devices and their tokens go in one commit (client-server API, "Logout", "Device Management")."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.requester import Requester
from hamrasan.accounts.tokens import end_device_tokens
from hamrasan.devices.devices import Devices, deletion
from hamrasan.protocol.errors import invalid_param
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.tokens import TokensRevoked

MAX_DEVICES = 1_000
"""Devices that are taken away in one request: one commit holds them all."""


class EndSessions:
    """Logs people out."""

    def __init__(self, journal: Journal, devices: Devices, reauthentication: Reauthentication) -> None:
        self._journal = journal
        self._devices = devices
        self._reauthentication = reauthentication

    async def log_out(self, requester: Requester) -> None:
        """Take the requester's device away."""
        await self.end(requester.user_id, [requester.device_id])

    async def end_all(self, user_id: str, *, but: str | None = None) -> None:
        """Take all devices of a user away, but for one."""
        devices = await self._devices.of_user(user_id)
        await self.end(user_id, [device.device_id for device in devices if device.device_id != but])

    async def delete(
        self, requester: Requester, device_ids: Sequence[str], auth: object, address: str
    ) -> None:
        """Take devices of the requester away, after confirmation; those that do not exist are gone already.

        Application services need not confirm ("Device management").
        Raises `InteractionNeeded` (401) until the requester has confirmed, and `M_FORBIDDEN` if the session was begun
        for other devices.
        """
        if len(device_ids) > MAX_DEVICES:
            raise invalid_param(f"At most {MAX_DEVICES} devices can be deleted in one request.")
        if requester.application_service is not None:
            await self.end(requester.user_id, device_ids)
            return
        action = f"delete devices {sorted(set(device_ids))!r}"
        async with self._reauthentication.confirmed(requester.user_id, action, auth, address):
            await self.end(requester.user_id, device_ids)

    async def resume(self) -> None:
        """Take the devices away that the command line has ended, whose tokens are gone already."""
        ending: dict[str, list[str]] = {}
        for device in await self._devices.ending():
            ending.setdefault(device.user_id, []).append(device.device_id)
        for user_id, device_ids in ending.items():
            await self.end(user_id, device_ids)

    async def end(self, user_id: str, device_ids: Sequence[str]) -> None:
        """Take these devices away, with all their tokens."""
        existing = [
            device_id
            for device_id in dict.fromkeys(device_ids)
            if await self._devices.find(user_id, device_id)
        ]
        if not existing:
            return
        await self._journal.submit(self.ending(user_id, existing))

    def ending(self, user_id: str, device_ids: Sequence[str]) -> Batch:
        """Return the batch that takes devices away with all their tokens, at the journal's next position."""
        batch = deletion(user_id, device_ids, self._journal.next_position)
        for device_id in device_ids:
            batch.writes += end_device_tokens(user_id, device_id)
            batch.feed.append(TokensRevoked(user_id, device_id))
        return batch
