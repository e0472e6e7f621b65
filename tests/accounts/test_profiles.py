from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts import profiles as module
from hamrasan.accounts.erasure import writes_to_erase, writes_to_leave
from hamrasan.accounts.profiles import Names, Profiles
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.limits import MAX_JSON_DEPTH
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.accounts import DeactivateAccount, NewAccount
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.user_data import ProfileChanged
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
AVATAR = "mxc://example.org/abcDEF"


async def profiles_on(store: Store) -> Profiles:
    """Return the service on a store where Alice and Bob have accounts."""
    accounts = [NewAccount(user_id, None, False, 1_700_000_000_000, None) for user_id in (ALICE, BOB)]
    await store.journal.submit(Batch([*accounts]))
    return Profiles(store.journal, store.profiles, store.accounts, KeyedLocks())


def nested(depth: int) -> Any:
    """Return a value of so many lists inside each other."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def test_a_profile_has_the_fields_that_were_set(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        assert json.loads(await profiles.get(ALICE)) == {}
        assert await profiles.set_field(ALICE, "displayname", "آلیس")
        assert await profiles.set_field(ALICE, "avatar_url", AVATAR)
        assert await profiles.set_field(ALICE, "m.tz", "Asia/Tehran")
        assert await profiles.set_field(ALICE, "com.example.pro-nouns", {"fa": ["او"], "weight": 0.5})
        assert await profiles.set_field(ALICE, "com.example.nothing", None)

        assert json.loads(await profiles.get(ALICE)) == {
            "displayname": "آلیس",
            "avatar_url": AVATAR,
            "m.tz": "Asia/Tehran",
            "com.example.pro-nouns": {"fa": ["او"], "weight": 0.5},
            "com.example.nothing": None,
        }
        assert json.loads(await profiles.get_field(ALICE, "m.tz")) == {"m.tz": "Asia/Tehran"}
        assert await profiles.names(ALICE) == Names("آلیس", AVATAR)
        assert await profiles.names(BOB) == Names(None, None)
        assert json.loads(await profiles.get(BOB)) == {}

    on_store(tmp_path, scenario)


def test_a_field_says_whether_it_changed_and_tells_who_listens(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        heard: list[ProfileChanged] = []
        store.journal.listen(ProfileChanged, heard.append)
        assert await profiles.set_field(ALICE, "displayname", "Alice")
        assert not await profiles.set_field(ALICE, "displayname", "Alice")
        assert await profiles.delete_field(ALICE, "displayname")
        assert not await profiles.delete_field(ALICE, "displayname")
        assert heard == [
            ProfileChanged(ALICE, "displayname", b'"Alice"'),
            ProfileChanged(ALICE, "displayname", None),
        ]

    on_store(tmp_path, scenario)


@pytest.mark.parametrize("field", ["displayname", "avatar_url"])
def test_an_empty_name_or_avatar_is_none(tmp_path: Path, field: str) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        await profiles.set_field(ALICE, field, AVATAR)
        assert await profiles.set_field(ALICE, field, "")
        with pytest.raises(MatrixError) as caught:
            await profiles.get_field(ALICE, field)
        assert (caught.value.status, caught.value.errcode) == (404, "M_NOT_FOUND")

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    ("field", "value", "errcode"),
    [
        ("displayname", 5, "M_BAD_JSON"),
        ("displayname", None, "M_BAD_JSON"),
        ("displayname", "x" * 257, "M_BAD_JSON"),
        ("avatar_url", "https://example.org/a.png", "M_BAD_JSON"),
        ("avatar_url", "mxc://example.org/" + "a" * 1_000, "M_BAD_JSON"),
        ("avatar_url", ["mxc://example.org/a"], "M_BAD_JSON"),
        ("m.tz", "not a zone", "M_BAD_JSON"),
        ("m.tz", "../../etc/passwd", "M_BAD_JSON"),
        ("m.tz", 3, "M_BAD_JSON"),
        ("com.example.x", 2**70, "M_BAD_JSON"),
        ("com.example.x", nested(MAX_JSON_DEPTH), "M_BAD_JSON"),
        ("com.example.x", "x" * module.MAX_PROFILE_BYTES, "M_PROFILE_TOO_LARGE"),
        ("nickname", "x", "M_INVALID_PARAM"),
        ("Com.Example", "x", "M_INVALID_PARAM"),
        ("com.example.", "x", "M_INVALID_PARAM"),
        ("com.exämple", "x", "M_INVALID_PARAM"),
        ("", "x", "M_INVALID_PARAM"),
        ("com." + "x" * 252, "x", "M_KEY_TOO_LARGE"),
    ],
)
def test_a_field_that_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, field: str, value: Any, errcode: str
) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        await profiles.set_field(ALICE, "displayname", "Alice")
        with pytest.raises(MatrixError) as caught:
            await profiles.set_field(ALICE, field, value)
        assert (caught.value.status, caught.value.errcode) == (400, errcode)
        assert json.loads(await profiles.get(ALICE)) == {"displayname": "Alice"}

    on_store(tmp_path, scenario)


def test_a_profile_just_under_64_kib_is_taken_and_not_a_byte_more(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        around = len(json.dumps({"com.example.x": ""}, separators=(",", ":")))
        room = module.MAX_PROFILE_BYTES - around
        assert await profiles.set_field(ALICE, "com.example.x", "x" * room)
        assert len(await profiles.get(ALICE)) == 65_535
        with pytest.raises(MatrixError) as caught:
            await profiles.set_field(ALICE, "com.example.x", "x" * (room + 1))
        assert caught.value.errcode == "M_PROFILE_TOO_LARGE"

    on_store(tmp_path, scenario)


def test_fields_that_are_set_at_the_same_time_cannot_pass_the_limit_together(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        results = await asyncio.gather(
            *(profiles.set_field(ALICE, f"com.example.x{number}", "x" * 30_000) for number in range(4)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [bool, bool, MatrixError, MatrixError]
        assert len(await profiles.get(ALICE)) <= module.MAX_PROFILE_BYTES

    on_store(tmp_path, scenario)


def test_users_who_do_not_exist_or_no_more_have_no_profile(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        await profiles.set_field(BOB, "displayname", "Bob")
        await store.journal.submit(Batch([DeactivateAccount(False, BOB)]))
        for user_id in (BOB, "@nobody:example.org"):
            for answer in (profiles.get(user_id), profiles.get_field(user_id, "displayname")):
                with pytest.raises(MatrixError) as caught:
                    await answer
                assert (caught.value.status, caught.value.errcode) == (404, "M_NOT_FOUND")

    on_store(tmp_path, scenario)


@pytest.mark.parametrize("writes", [writes_to_leave, writes_to_erase])
def test_erasing_takes_one_users_profile_and_no_others(tmp_path: Path, writes: Any) -> None:
    async def scenario(store: Store) -> None:
        profiles = await profiles_on(store)
        for user_id in (ALICE, BOB):
            await profiles.set_field(user_id, "displayname", "Name")
        await store.journal.submit(Batch(writes(ALICE)))
        assert await profiles.names(ALICE) == Names(None, None)
        assert await profiles.names(BOB) == Names("Name", None)

    on_store(tmp_path, scenario)
