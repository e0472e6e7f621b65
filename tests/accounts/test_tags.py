from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.tags import MAX_TAG_BYTES, Tags
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.limits import MAX_JSON_DEPTH
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM = "!room:example.org"


def tags_on(store: Store) -> Tags:
    """Return the service on a store."""
    return Tags(AccountData(store.journal, store.account_data), KeyedLocks())


def nested(depth: int) -> Any:
    """Return a value of so many objects inside each other."""
    value: Any = 0
    for _ in range(depth):
        value = {"a": value}
    return value


def test_tags_are_added_replaced_and_removed(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        tags = tags_on(store)
        assert await tags.of_room(ALICE, ROOM) == {}
        await tags.set(ALICE, ROOM, "m.favourite", {"order": 0.25})
        await tags.set(ALICE, ROOM, "u.کار", {})
        await tags.set(ALICE, ROOM, "m.favourite", {"order": 1})
        assert await tags.of_room(ALICE, ROOM) == {"m.favourite": {"order": 1}, "u.کار": {}}
        assert await tags.of_room(BOB, ROOM) == {}

        await tags.remove(ALICE, ROOM, "m.favourite")
        assert await tags.of_room(ALICE, ROOM) == {"u.کار": {}}

    on_store(tmp_path, scenario)


def test_tags_are_the_account_data_of_the_room(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await tags_on(store).set(ALICE, ROOM, "m.lowpriority", {"order": 0.5})
        content = await store.account_data.get(ALICE, ROOM, "m.tag")
        assert content == b'{"tags":{"m.lowpriority":{"order":0.5}}}'

    on_store(tmp_path, scenario)


def test_removing_a_tag_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        before = store.journal.next_position
        await tags_on(store).remove(ALICE, ROOM, "m.favourite")
        assert store.journal.next_position == before

    on_store(tmp_path, scenario)


def test_tags_that_are_set_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        tags = tags_on(store)
        names = [f"u.{number}" for number in range(20)]
        await asyncio.gather(*(tags.set(ALICE, ROOM, name, {}) for name in names))
        assert sorted(await tags.of_room(ALICE, ROOM)) == sorted(names)

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    ("tag", "info", "errcode"),
    [
        ("", {}, "M_INVALID_PARAM"),
        ("u." + "گ" * (MAX_TAG_BYTES // 2), {}, "M_INVALID_PARAM"),
        ("u.x", {"order": "0.5"}, "M_BAD_JSON"),
        ("u.x", {"order": True}, "M_BAD_JSON"),
        ("u.x", {"order": 1.01}, "M_BAD_JSON"),
        ("u.x", {"order": -0.01}, "M_BAD_JSON"),
        ("u.x", nested(MAX_JSON_DEPTH), "M_BAD_JSON"),
    ],
)
def test_what_cannot_be_a_tag_is_refused_and_changes_nothing(
    tmp_path: Path, tag: str, info: dict[str, Any], errcode: str
) -> None:
    async def scenario(store: Store) -> None:
        tags = tags_on(store)
        await tags.set(ALICE, ROOM, "u.here", {})
        with pytest.raises(MatrixError) as caught:
            await tags.set(ALICE, ROOM, tag, info)
        assert caught.value.errcode == errcode
        assert await tags.of_room(ALICE, ROOM) == {"u.here": {}}

    on_store(tmp_path, scenario)


@pytest.mark.parametrize("content", [b"{}", b'{"tags":[]}', b'{"tags":null}'])
def test_account_data_of_another_form_counts_as_no_tags(tmp_path: Path, content: bytes) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.put(ALICE, ROOM, "m.tag", content)
        tags = Tags(data, KeyedLocks())
        assert await tags.of_room(ALICE, ROOM) == {}
        await tags.set(ALICE, ROOM, "u.x", {})
        assert await tags.of_room(ALICE, ROOM) == {"u.x": {}}

    on_store(tmp_path, scenario)


def test_tags_belong_to_rooms(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        tags = tags_on(store)
        for action in (
            tags.of_room(ALICE, "#alias:example.org"),
            tags.set(ALICE, "#alias:example.org", "u.x", {}),
            tags.remove(ALICE, "#alias:example.org", "u.x"),
        ):
            with pytest.raises(MatrixError) as caught:
                await action
            assert caught.value.errcode == "M_INVALID_PARAM"

    on_store(tmp_path, scenario)
