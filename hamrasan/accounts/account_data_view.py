"""Account data as clients are shown it: with the push rules of users who never changed them, and with today's rules."""

from __future__ import annotations

from hamrasan.accounts.account_data import PUSH_RULES
from hamrasan.accounts.push_rules import read_ruleset
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.user_data import GLOBAL, AccountDataReader, AccountDataRow


class AccountDataView:
    """An `AccountDataReader` that reads like the one beneath it, but for `m.push_rules`, which everybody has."""

    def __init__(self, reader: AccountDataReader) -> None:
        self._reader = reader

    async def get(self, user_id: str, room_id: str, type: str) -> bytes | None:
        """Return the content under a type, None if it was never set and is none of the push rules."""
        content = await self._reader.get(user_id, room_id, type)
        return _todays_rules(user_id, content) if type == PUSH_RULES and room_id == GLOBAL else content

    async def all_of(self, user_id: str) -> list[AccountDataRow]:
        """Return all account data of a user, of every room and `GLOBAL`."""
        rows = _with_todays_rules(user_id, await self._reader.all_of(user_id))
        if any(_is_push_rules(row) for row in rows):
            return rows
        return [AccountDataRow(GLOBAL, PUSH_RULES, _todays_rules(user_id, None), 0), *rows]

    async def global_of(self, user_id: str) -> list[AccountDataRow]:
        """Return all account data of a user that belongs to no room."""
        rows = await self.of_room(user_id, GLOBAL)
        if any(_is_push_rules(row) for row in rows):
            return rows
        return [AccountDataRow(GLOBAL, PUSH_RULES, _todays_rules(user_id, None), 0), *rows]

    async def of_room(self, user_id: str, room_id: str) -> list[AccountDataRow]:
        """Return a user's account data of one room, or of `GLOBAL` what was set."""
        return _with_todays_rules(user_id, await self._reader.of_room(user_id, room_id))

    async def of_type(self, user_id: str, type: str) -> list[AccountDataRow]:
        """Return a user's account data of one type, as far as it was set."""
        return _with_todays_rules(user_id, await self._reader.of_type(user_id, type))

    async def changed_since(self, user_id: str, after: Position, upto: Position) -> list[AccountDataRow]:
        """Return what was last set with after < position <= upto, in the order of positions."""
        return _with_todays_rules(user_id, await self._reader.changed_since(user_id, after, upto))

    async def bytes_of(self, user_id: str) -> int:
        """Return how many bytes a user's account data takes."""
        return await self._reader.bytes_of(user_id)


def _is_push_rules(row: AccountDataRow) -> bool:
    return row.type == PUSH_RULES and row.room_id == GLOBAL


def _with_todays_rules(user_id: str, rows: list[AccountDataRow]) -> list[AccountDataRow]:
    """Return the rows, in which rules kept by an older version have got what has been defined since."""
    return [
        row._replace(content=_todays_rules(user_id, row.content)) if _is_push_rules(row) else row
        for row in rows
    ]


def _todays_rules(user_id: str, content: bytes | None) -> bytes:
    return encode_json(read_ruleset(user_id, content))
