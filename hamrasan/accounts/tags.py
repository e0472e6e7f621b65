"""Tags of rooms (client-server API, "Room Tagging"), kept as the room's account data `m.tag`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.accounts.account_data import AccountData
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import bad_json, invalid_param
from hamrasan.protocol.identifiers import check_room_id
from hamrasan.runtime.keyed_locks import KeyedLocks

TAG = "m.tag"

MAX_TAG_BYTES = 255
"""The name of a tag ("Room Tagging")."""


class Tags:
    """Reads and changes the tags that a user has put on a room."""

    def __init__(self, account_data: AccountData, locks: KeyedLocks) -> None:
        self._account_data = account_data
        self._locks = locks

    async def of_room(self, user_id: str, room_id: str) -> dict[str, Any]:
        """Return the tags by name; raises `M_INVALID_PARAM` for what is no room id."""
        check_room_id(room_id)
        content = await self._account_data.load(user_id, room_id, TAG)
        value = None if content is None else parse_json(content)
        # A client may have written the account data itself, in any form.
        tags = value.get("tags") if isinstance(value, dict) else None
        return tags if isinstance(tags, dict) else {}

    async def set(self, user_id: str, room_id: str, tag: str, info: Mapping[str, Any]) -> None:
        """Put a tag on a room, or replace what is known of it.

        Raises `M_INVALID_PARAM` for a name that is too long, `M_BAD_JSON` for an `order` that is no number from 0 to 1,
        `M_TOO_LARGE` if the room's tags become too large.
        """
        if not tag or len(tag.encode()) > MAX_TAG_BYTES:
            raise invalid_param(f"The name of a tag must have 1 to {MAX_TAG_BYTES} bytes.")
        _check_order(info)
        async with self._locks(user_id):
            tags = await self.of_room(user_id, room_id)
            content = encode_json({"tags": {**tags, tag: info}})
            parse_json(content)  # `info` stands two levels deeper now, perhaps too deep to be read again
            await self._account_data.check_room_for(user_id, content)
            await self._account_data.put(user_id, room_id, TAG, content)

    async def remove(self, user_id: str, room_id: str, tag: str) -> None:
        """Take a tag off a room; nothing changes if the room does not have it."""
        async with self._locks(user_id):
            tags = await self.of_room(user_id, room_id)
            if tag in tags:
                del tags[tag]
                await self._account_data.put(user_id, room_id, TAG, encode_json({"tags": tags}))


def _check_order(info: Mapping[str, Any]) -> None:
    if "order" in info:
        order = info["order"]
        if isinstance(order, bool) or not isinstance(order, (int, float)) or not 0 <= order <= 1:
            raise bad_json("The 'order' of a tag must be a number from 0 to 1.")
