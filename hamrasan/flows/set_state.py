"""Setting a room's state, whatever its type: memberships and aliases have rules of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.protocol.errors import invalid_param
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.aliases import CANONICAL_ALIAS, Aliases
from hamrasan.rooms.membership import MEMBER, Membership
from hamrasan.rooms.messages import REDACTION
from hamrasan.rooms.new_event import NewEvent, Transaction
from hamrasan.rooms.registry import RoomRegistry


class SetState:
    """Sets state."""

    def __init__(
        self, registry: RoomRegistry, access: RoomAccess, membership: Membership, aliases: Aliases
    ) -> None:
        self._registry = registry
        self._access = access
        self._membership = membership
        self._aliases = aliases

    async def set(
        self,
        room_id: str,
        user_id: str,
        event_type: str,
        state_key: str,
        content: Mapping[str, Any],
        sent_ts: int | None = None,
        txn: Transaction | None = None,
    ) -> str:
        """Set the state under a type and a state key, and return the event's id.

        `sent_ts` is when an application service says that it was sent; of a repeated `txn` the first event is returned,
        except for memberships. Raises `M_FORBIDDEN`, `M_INVALID_PARAM` for a redaction, `M_BAD_ALIAS`, and what
        `Membership.put_state` and `RoomRegistry.send` do.
        """
        if event_type == MEMBER:
            return await self._membership.put_state(room_id, user_id, state_key, content, sent_ts)
        if event_type == REDACTION:
            raise invalid_param("A redaction is no state; please use /redact.")
        room = await self._access.joined(room_id, user_id)
        if event_type == CANONICAL_ALIAS and not state_key:
            await self._aliases.check_canonical(room, content)
        new = NewEvent(event_type, user_id, content, state_key, txn=txn, origin_server_ts=sent_ts)
        return await self._registry.send(room, new)
