"""Account data (client-server API, "Client Config"): what clients keep for their user, globally or for a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import MatrixError, invalid_param, not_found, too_large
from hamrasan.protocol.identifiers import check_room_id
from hamrasan.protocol.limits import MAX_TYPE_BYTES
from hamrasan.storage.ports.journal import Batch, Journal, Position
from hamrasan.storage.ports.user_data import (
    GLOBAL,
    AccountDataChanged,
    AccountDataReader,
    PutAccountData,
)

MAX_CONTENT_BYTES = 256 * 1024
"""One piece of account data. The largest real ones, lists of ignored users and of direct chats, take some dozen KiB;
each is sent to every new device whole.
"""
MAX_USER_BYTES = 32 * 1024 * 1024
"""All account data of one user: a first sync carries all of it, and it must not serve as a file store."""

FULLY_READ = "m.fully_read"
PUSH_RULES = "m.push_rules"

_SERVER_MANAGED: Mapping[str, str] = {
    FULLY_READ: "The fully read marker is moved through /rooms/{roomId}/read_markers, not as account data.",
    PUSH_RULES: "Push rules are changed through /pushrules, not as account data.",
}
"""Types that the server manages ("Client Config", "Server Behaviour"), globally as well as in rooms."""

OnChange = Callable[[AccountDataChanged], None]


def account_data_change(
    position: Position, user_id: str, room_id: str, type: str, content: bytes
) -> tuple[PutAccountData, AccountDataChanged]:
    """Return the write and the feed item of a change, for batches that hold more than it."""
    return (
        PutAccountData(user_id, room_id, type, content, position),
        AccountDataChanged(position, user_id, room_id, type, content),
    )


class AccountData:
    """Reads and sets account data, and tells others of changes once they are durable."""

    def __init__(self, journal: Journal, reader: AccountDataReader) -> None:
        self._journal = journal
        self._reader = reader
        self._listeners: dict[str, list[OnChange]] = {}
        journal.listen(AccountDataChanged, self._committed)

    def on_change(self, type: str, listener: OnChange) -> None:
        """Call `listener` after each durable change of account data of this type."""
        self._listeners.setdefault(type, []).append(listener)

    async def get(self, user_id: str, room_id: str, type: str) -> bytes:
        """Return the content, a JSON object, for a room or `GLOBAL`. Raises `M_NOT_FOUND` if it was never set,
        `M_INVALID_PARAM` if `room_id` is none.
        """
        _check_room(room_id)
        content = await self._reader.get(user_id, room_id, type)
        if content is None:
            where = "for this room" if room_id else "for this user"
            raise not_found(f"There is no account data of the type '{type}' {where}.")
        return content

    async def load(self, user_id: str, room_id: str, type: str) -> bytes | None:
        """Return the content, or None if it was never set; for the server's own use."""
        return await self._reader.get(user_id, room_id, type)

    async def set_by_client(self, user_id: str, room_id: str, type: str, content: Mapping[str, Any]) -> None:
        """Set account data as a client asks for it.

        Raises 405 `M_BAD_JSON` for types that the server manages, `M_INVALID_PARAM` for what is no room id or no usable
        type, `M_TOO_LARGE` if this or all of the user's account data would become too large.
        """
        if (reason := _SERVER_MANAGED.get(type)) is not None:
            raise MatrixError(405, "M_BAD_JSON", reason)
        _check_room(room_id)
        _check_type(type)
        data = encode_json(content)
        await self.check_room_for(user_id, data)
        await self.put(user_id, room_id, type, data)

    async def check_room_for(self, user_id: str, content: bytes) -> None:
        """Raise `M_TOO_LARGE` if `content`, or with it all of the user's account data, is too large."""
        if len(content) > MAX_CONTENT_BYTES:
            raise too_large(f"One piece of account data may have at most {MAX_CONTENT_BYTES} bytes.")
        if await self._reader.bytes_of(user_id) + len(content) > MAX_USER_BYTES:
            raise too_large(f"All account data of a user may have at most {MAX_USER_BYTES} bytes together.")

    def put(self, user_id: str, room_id: str, type: str, content: bytes) -> asyncio.Future[None]:
        """Set account data of any type; the future ends when it is durable, or with `CommitFailed`.

        Whoever calls this has checked what is to be checked.
        """
        change = account_data_change(self._journal.next_position, user_id, room_id, type, content)
        return self._journal.submit(Batch([change[0]], positions=1, feed=[change[1]]))

    def _committed(self, item: AccountDataChanged) -> None:
        for listener in self._listeners.get(item.type, ()):
            listener(item)


def _check_room(room_id: str) -> None:
    if room_id != GLOBAL:
        check_room_id(room_id)


def _check_type(type: str) -> None:
    if not type or "\0" in type or len(type.encode()) > MAX_TYPE_BYTES:
        raise invalid_param(f"A type of account data must have 1 to {MAX_TYPE_BYTES} bytes, none of them 0.")
