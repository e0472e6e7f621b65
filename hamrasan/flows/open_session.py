"""Opening a session: a device and its tokens, in one commit (client-server API, "Relationship between access tokens
and devices").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hamrasan.accounts.tokens import IssuedTokens, Tokens, end_device_tokens
from hamrasan.devices.devices import Devices, check_display_name
from hamrasan.protocol.errors import forbidden
from hamrasan.protocol.identifiers import check_opaque_id
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.oauth import DeleteOAuthSession
from hamrasan.storage.ports.tokens import TokensRevoked

IsKeyId = Callable[[str, str], Awaitable[bool]]
"""Tells whether a user has a cross-signing key with this id."""


async def nobody_has_keys(_user_id: str, _key_id: str) -> bool:
    """There are no cross-signing keys."""
    return False


@dataclass(frozen=True, slots=True)
class WantedDevice:
    """What a client says about the device that logs in."""

    device_id: str | None = None
    display_name: str | None = None
    refreshable: bool = False
    """The client can refresh tokens."""
    refresh_family: str = ""
    """What its refresh tokens are to have in common."""

    def check(self) -> None:
        """Raise `M_INVALID_PARAM` unless there can be such a device."""
        if self.device_id is not None:
            check_opaque_id(self.device_id, "device id")
        if self.display_name is not None:
            check_display_name(self.display_name)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A user is logged in on a device."""

    user_id: str
    device_id: str
    tokens: IssuedTokens

    def answer(self) -> dict[str, Any]:
        """Return the members of a response that logs somebody in."""
        return {"user_id": self.user_id, "device_id": self.device_id, **self.tokens.answer()}


class OpenSession:
    """Opens sessions for users who have proved who they are."""

    def __init__(
        self, journal: Journal, devices: Devices, tokens: Tokens, is_key_id: IsKeyId = nobody_has_keys
    ) -> None:
        self._journal = journal
        self._devices = devices
        self._tokens = tokens
        self._is_key_id = is_key_id

    async def open(
        self, user_id: str, wanted: WantedDevice, address: str | None, *also: Write
    ) -> OpenedSession:
        """Log a user in on the wanted device, whose former tokens end; `also` is written in the same commit.

        Raises `M_INVALID_PARAM` for a device that cannot be, `M_FORBIDDEN` for the id of a cross-signing key.
        """
        if wanted.device_id is not None and await self._is_key_id(user_id, wanted.device_id):
            raise forbidden("A device cannot have the id of a cross-signing key.")
        device = self._devices.new(user_id, wanted.device_id, wanted.display_name, address)
        issued, writes = self._tokens.issue(
            user_id, device.device_id, refreshable=wanted.refreshable, family=wanted.refresh_family
        )
        batch = Batch([device, *writes, *also])
        if wanted.device_id is not None:
            batch.writes[:0] = [
                *end_device_tokens(user_id, device.device_id),
                DeleteOAuthSession(user_id, device.device_id),
            ]
            batch.feed.append(TokensRevoked(user_id, device.device_id))
        await self._journal.submit(batch)
        return OpenedSession(user_id, device.device_id, issued)
