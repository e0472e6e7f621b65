"""Joining a room (client-server API, "Joining rooms")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.flows.carry_over_settings import CarryOverSettings
from hamrasan.rooms.membership import Membership
from hamrasan.rooms.registry import RoomRegistry


class JoinRoom:
    """Lets users into rooms, with what they had set for a room that was upgraded."""

    def __init__(self, membership: Membership, registry: RoomRegistry, carry_over: CarryOverSettings) -> None:
        self._membership = membership
        self._registry = registry
        self._carry_over = carry_over

    async def join(
        self,
        room_id: str,
        user_id: str,
        reason: str | None = None,
        third_party_signed: Mapping[str, Any] | None = None,
    ) -> None:
        """Let a user join; raises as `Membership.join`."""
        if await self._membership.join(room_id, user_id, reason, third_party_signed):
            await self._carry_over.to_new_member(user_id, await self._registry.get(room_id))
