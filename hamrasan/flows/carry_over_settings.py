"""What users have set for a room follows them into the one that replaces it ("Room Upgrades", server behaviour)."""

from __future__ import annotations

from typing import Any

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.push_rules import PushRules
from hamrasan.accounts.tags import Tags
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.user_data import GLOBAL

DIRECT_CHATS = "m.direct"

_log = get_logger(__name__)


class CarryOverSettings:
    """Copies tags, notification settings and the mark of direct chats."""

    def __init__(
        self, registry: RoomRegistry, account_data: AccountData, tags: Tags, push_rules: PushRules
    ) -> None:
        self._registry = registry
        self._account_data = account_data
        self._tags = tags
        self._push_rules = push_rules

    async def to_new_member(self, user_id: str, room: Room) -> None:
        """Copy what a user who has just joined `room` had set for the room that it replaces, if it does.

        What the user has set for `room` already stays. An error is logged: the join stands in any case.
        """
        try:
            before = await self._replaced(room, user_id)
            if before is not None:
                await self._copy_tags(user_id, before.id, room.id)
                await self._copy_rule(user_id, "room", before.id, room.id)
                await self._copy_rule(user_id, "override", before.id, room.id)
                await self._copy_direct(user_id, before.id, room.id)
        except MatrixError as error:
            _log.warning("settings were not carried over", room=room.id, reason=error.message)

    async def _replaced(self, room: Room, user_id: str) -> Room | None:
        """Return the room that `room` replaces, if both rooms say so and the user was there."""
        predecessor = room.content("m.room.create").get("predecessor")
        old_id = predecessor.get("room_id") if isinstance(predecessor, dict) else None
        if not isinstance(old_id, str):
            return None
        try:
            before = await self._registry.get(old_id)
        except MatrixError as error:
            if error.status == 404:
                return None
            raise
        replaced_by = before.content("m.room.tombstone").get("replacement_room")
        known = before.membership(user_id) in ("join", "leave")
        return before if known and replaced_by == room.id else None

    async def _copy_tags(self, user_id: str, old_id: str, new_id: str) -> None:
        if await self._tags.of_room(user_id, new_id):
            return
        for tag, info in (await self._tags.of_room(user_id, old_id)).items():
            if isinstance(info, dict):
                await self._tags.set(user_id, new_id, tag, info)

    async def _copy_rule(self, user_id: str, kind: str, old_id: str, new_id: str) -> None:
        """Copy the user's rule about the old room; clients name such rules after the room."""
        rules = (await self._push_rules.ruleset(user_id))["global"].get(kind, [])
        by_id = {rule["rule_id"]: rule for rule in rules}
        rule = by_id.get(old_id)
        if rule is None or new_id in by_id:
            return
        body: dict[str, Any] = {"actions": rule["actions"]}
        if kind == "override":
            body["conditions"] = [
                {**condition, "pattern": new_id} if condition.get("pattern") == old_id else condition
                for condition in rule.get("conditions", [])
            ]
        await self._push_rules.put(user_id, kind, new_id, body, None, None)
        if not rule.get("enabled", True):
            await self._push_rules.set_enabled(user_id, kind, new_id, {"enabled": False})

    async def _copy_direct(self, user_id: str, old_id: str, new_id: str) -> None:
        content = await self._account_data.load(user_id, GLOBAL, DIRECT_CHATS)
        value = None if content is None else parse_json(content)
        if not isinstance(value, dict):
            return
        changed = {
            other: [*rooms, new_id]
            if isinstance(rooms, list) and old_id in rooms and new_id not in rooms
            else rooms
            for other, rooms in value.items()
        }
        if changed != value:
            await self._account_data.put(user_id, GLOBAL, DIRECT_CHATS, encode_json(changed))
