from __future__ import annotations

import json
from pathlib import Path

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_view import AccountDataView
from hamrasan.accounts.push_rules import PushRules
from hamrasan.protocol.push_rules.defaults import default_ruleset
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.user_data import GLOBAL, AccountDataReader
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE = "@alice:example.org"
ROOM = "!room:example.org"


def view_of(store: Store) -> AccountDataReader:
    """Return the view, as those who take a reader see it."""
    return AccountDataView(store.account_data)


def test_who_never_changed_the_push_rules_has_the_predefined_ones(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        view = view_of(store)
        (row,) = await view.all_of(ALICE)
        assert (row.room_id, row.type, row.position) == (GLOBAL, "m.push_rules", 0)
        assert json.loads(row.content) == default_ruleset(ALICE)
        assert await view.get(ALICE, GLOBAL, "m.push_rules") == row.content
        assert await view.changed_since(ALICE, 0, store.journal.durable) == []

    on_store(tmp_path, scenario)


def test_changed_push_rules_are_there_once_and_with_todays_predefined_ones(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        rules = PushRules(data, KeyedLocks())
        await rules.put(ALICE, "room", ROOM, {"actions": []}, None, None)
        expected = await rules.ruleset(ALICE)
        older = {**expected["global"], "underride": expected["global"]["underride"][:-1]}
        await data.put(ALICE, GLOBAL, "m.push_rules", json.dumps({"global": older}).encode())

        view, durable = view_of(store), store.journal.durable
        lists = (
            await view.all_of(ALICE),
            await view.of_room(ALICE, GLOBAL),
            await view.changed_since(ALICE, 0, durable),
        )
        for rows in lists:
            assert [json.loads(row.content) for row in rows] == [expected]
            assert rows[0].position == durable

    on_store(tmp_path, scenario)


def test_everything_else_is_read_as_it_is(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.put(ALICE, GLOBAL, "m.direct", b"{ }")
        await data.put(ALICE, ROOM, "m.push_rules", b'{"of the room":"means nothing"}')
        view, reader = view_of(store), store.account_data

        assert (await view.all_of(ALICE))[1:] == await reader.all_of(ALICE)
        assert await view.of_room(ALICE, ROOM) == await reader.of_room(ALICE, ROOM)
        assert await view.changed_since(ALICE, 0, 99) == await reader.changed_since(ALICE, 0, 99)
        assert await view.get(ALICE, ROOM, "m.push_rules") == b'{"of the room":"means nothing"}'
        assert await view.get(ALICE, GLOBAL, "m.none") is None
        assert await view.bytes_of(ALICE) == await reader.bytes_of(ALICE)

    on_store(tmp_path, scenario)
