from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts import push_rules as module
from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.push_rules import PushRules
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.push_rules.defaults import default_ruleset
from hamrasan.protocol.push_rules.evaluate import PushActions
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.user_data import GLOBAL
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM = "!room:example.org"


def rules_on(store: Store) -> PushRules:
    """Return the service on a store."""
    return PushRules(AccountData(store.journal, store.account_data), KeyedLocks())


def test_a_user_who_changed_nothing_has_the_predefined_rules(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        assert await rules.ruleset(ALICE) == default_ruleset(ALICE)
        assert json.loads(await rules.content_of(ALICE)) == default_ruleset(ALICE)
        assert await rules.compiled_for(ALICE) is None
        assert await store.account_data.all_of(ALICE) == []

    on_store(tmp_path, scenario)


def test_rules_are_added_changed_and_deleted(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        await rules.put(ALICE, "content", "cake", {"pattern": "cake*", "actions": ["notify"]}, None, None)
        await rules.put(ALICE, "content", "tea", {"pattern": "tea", "actions": []}, None, "cake")
        assert [rule["rule_id"] for rule in (await rules.ruleset(ALICE))["global"]["content"]] == [
            "cake",
            "tea",
        ]

        await rules.set_enabled(ALICE, "content", "cake", {"enabled": False})
        await rules.set_actions(ALICE, "underride", ".m.rule.message", {"actions": []})
        assert (await rules.rule(ALICE, "content", "cake"))["enabled"] is False
        assert (await rules.rule(ALICE, "underride", ".m.rule.message"))["actions"] == []

        await rules.delete(ALICE, "content", "cake")
        with pytest.raises(MatrixError) as caught:
            await rules.rule(ALICE, "content", "cake")
        assert caught.value.errcode == "M_NOT_FOUND"
        assert await rules.ruleset(BOB) == default_ruleset(BOB)

    on_store(tmp_path, scenario)


def test_a_change_is_the_account_data_that_sync_shows(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        before = store.journal.durable
        await rules.put(ALICE, "room", ROOM, {"actions": []}, None, None)
        (row,) = await store.account_data.changed_since(ALICE, before, store.journal.durable)
        assert (row.room_id, row.type) == (GLOBAL, "m.push_rules")
        assert json.loads(row.content) == await rules.ruleset(ALICE)

    on_store(tmp_path, scenario)


def test_a_change_to_what_is_already_so_writes_nothing(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        before = store.journal.next_position
        await rules.set_enabled(ALICE, "override", ".m.rule.master", {"enabled": False})
        assert store.journal.next_position == before

    on_store(tmp_path, scenario)


def test_compiled_rules_are_kept_until_the_user_changes_them(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        assert await rules.compiled_for(ALICE) is None
        await rules.put(ALICE, "room", ROOM, {"actions": []}, None, None)
        compiled = await rules.compiled_for(ALICE)
        assert compiled is not None
        assert compiled.room == {ROOM: PushActions()}
        assert await rules.compiled_for(ALICE) is compiled

        await rules.put(BOB, "room", ROOM, {"actions": []}, None, None)
        assert await rules.compiled_for(ALICE) is compiled
        await rules.set_enabled(ALICE, "room", ROOM, {"enabled": False})
        disabled = await rules.compiled_for(ALICE)
        assert disabled is not None
        assert disabled.room == {}

    on_store(tmp_path, scenario)


def test_a_user_who_took_every_change_back_has_the_predefined_rules(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        await rules.put(ALICE, "room", ROOM, {"actions": []}, None, None)
        await rules.delete(ALICE, "room", ROOM)
        assert await rules.compiled_for(ALICE) is None

    on_store(tmp_path, scenario)


def test_rules_kept_before_a_predefined_one_was_defined_get_it(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        await rules.put(ALICE, "room", ROOM, {"actions": []}, None, None)
        kept = await rules.ruleset(ALICE)
        older = {
            **kept["global"],
            "override": [r for r in kept["global"]["override"] if "reaction" not in r["rule_id"]],
        }
        data = AccountData(store.journal, store.account_data)
        await data.put(ALICE, GLOBAL, "m.push_rules", json.dumps({"global": older}).encode())

        assert await rules.ruleset(ALICE) == kept

    on_store(tmp_path, scenario)


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        rooms = [f"!room{number}:example.org" for number in range(20)]
        await asyncio.gather(*(rules.put(ALICE, "room", room, {"actions": []}, None, None) for room in rooms))
        kept = {rule["rule_id"] for rule in (await rules.ruleset(ALICE))["global"]["room"]}
        assert kept == set(rooms)

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    ("act", "errcode"),
    [
        (
            lambda rules: rules.put(ALICE, "content", ".mine", {"pattern": "x", "actions": []}, None, None),
            "M_INVALID_PARAM",
        ),
        (lambda rules: rules.put(ALICE, "content", "x", {"actions": []}, None, None), "M_MISSING_PARAM"),
        (lambda rules: rules.put(ALICE, "room", ROOM, {"actions": []}, "none", None), "M_UNKNOWN"),
        (lambda rules: rules.put(ALICE, "nokind", "x", {"actions": []}, None, None), "M_INVALID_PARAM"),
        (lambda rules: rules.delete(ALICE, "room", ROOM), "M_NOT_FOUND"),
        (lambda rules: rules.delete(ALICE, "override", ".m.rule.master"), "M_INVALID_PARAM"),
        (lambda rules: rules.set_enabled(ALICE, "room", ROOM, {"enabled": True}), "M_NOT_FOUND"),
        (
            lambda rules: rules.set_actions(ALICE, "override", ".m.rule.master", {"actions": "notify"}),
            "M_BAD_JSON",
        ),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(
    tmp_path: Path, act: Callable[[PushRules], Awaitable[Any]], errcode: str
) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        with pytest.raises(MatrixError) as caught:
            await act(rules)
        assert caught.value.errcode == errcode
        assert await store.account_data.all_of(ALICE) == []

    on_store(tmp_path, scenario)


def test_all_rules_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(store: Store) -> None:
        rules = rules_on(store)
        await rules.put(ALICE, "room", ROOM, {"actions": []}, None, None)
        full = await rules.content_of(ALICE)
        monkeypatch.setattr(module, "MAX_RULESET_BYTES", len(full) + 10)
        with pytest.raises(MatrixError) as caught:
            await rules.put(ALICE, "room", "!other:example.org", {"actions": []}, None, None)
        assert caught.value.errcode == "M_TOO_LARGE"
        assert await rules.content_of(ALICE) == full

    on_store(tmp_path, scenario)
