from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts import account_data as module
from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_cache import AccountDataCache
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.accounts.invite_permission import InvitePermission
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.user_data import GLOBAL, AccountDataChanged
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB, EVE = "@alice:example.org", "@bob:example.org", "@eve:example.org"
ROOM = "!room:example.org"


def test_what_a_client_sets_it_reads_again_with_fractions(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.set_by_client(ALICE, ROOM, "org.example.ui", {"zoom": 1.25, "list": []})
        assert await data.get(ALICE, ROOM, "org.example.ui") == b'{"zoom":1.25,"list":[]}'

    on_store(tmp_path, scenario)


def test_an_empty_object_is_a_content_like_any_other(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.set_by_client(ALICE, GLOBAL, "m.direct", {"@bob:example.org": [ROOM]})
        await data.set_by_client(ALICE, GLOBAL, "m.direct", {})
        assert await data.get(ALICE, GLOBAL, "m.direct") == b"{}"

    on_store(tmp_path, scenario)


def test_a_change_takes_a_position_and_is_announced_once_it_is_durable(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        heard: list[AccountDataChanged] = []
        data.on_change("m.direct", heard.append)
        before = store.journal.durable

        await data.set_by_client(ALICE, GLOBAL, "m.direct", {"a": 1})
        await data.set_by_client(ALICE, GLOBAL, "m.other", {"a": 1})

        assert store.journal.durable == before + 2
        assert heard == [AccountDataChanged(before + 1, ALICE, GLOBAL, "m.direct", b'{"a":1}')]

    on_store(tmp_path, scenario)


@pytest.mark.parametrize("type", ["m.fully_read", "m.push_rules"])
@pytest.mark.parametrize("room_id", [GLOBAL, ROOM])
def test_types_that_the_server_manages_cannot_be_set_by_clients(
    tmp_path: Path, type: str, room_id: str
) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        with pytest.raises(MatrixError) as caught:
            await data.set_by_client(ALICE, room_id, type, {"event_id": "$x"})
        assert (caught.value.status, caught.value.errcode) == (405, "M_BAD_JSON")
        assert await store.account_data.all_of(ALICE) == []

        await data.put(ALICE, room_id, type, b'{"event_id":"$x"}')
        assert await data.get(ALICE, room_id, type) == b'{"event_id":"$x"}'

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    ("room_id", "type", "content", "errcode"),
    [
        ("@notaroom:example.org", "m.x", {}, "M_INVALID_PARAM"),
        (ROOM, "", {}, "M_INVALID_PARAM"),
        (ROOM, "t" * 256, {}, "M_INVALID_PARAM"),
        (ROOM, "m.x\0", {}, "M_INVALID_PARAM"),
        (ROOM, "m.x", {"number": 2**70}, "M_BAD_JSON"),
        (ROOM, "m.x", {"text": "x" * module.MAX_CONTENT_BYTES}, "M_TOO_LARGE"),
    ],
)
def test_what_cannot_be_account_data_is_refused_and_changes_nothing(
    tmp_path: Path, room_id: str, type: str, content: dict[str, Any], errcode: str
) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        with pytest.raises(MatrixError) as caught:
            await data.set_by_client(ALICE, room_id, type, content)
        assert caught.value.errcode == errcode
        assert await store.account_data.all_of(ALICE) == []

    on_store(tmp_path, scenario)


def test_all_account_data_of_a_user_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USER_BYTES", 100)

    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.set_by_client(ALICE, GLOBAL, "a", {"text": "x" * 50})
        with pytest.raises(MatrixError) as caught:
            await data.set_by_client(ALICE, GLOBAL, "b", {"text": "x" * 50})
        assert caught.value.errcode == "M_TOO_LARGE"
        assert await store.account_data.get(ALICE, GLOBAL, "b") is None
        await data.set_by_client(BOB, GLOBAL, "b", {"text": "x" * 50})

    on_store(tmp_path, scenario)


def test_what_was_never_set_is_not_found(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.set_by_client(ALICE, GLOBAL, "m.x", {})
        for user_id, room_id in ((BOB, GLOBAL), (ALICE, ROOM)):
            with pytest.raises(MatrixError) as caught:
                await data.get(user_id, room_id, "m.x")
            assert (caught.value.status, caught.value.errcode) == (404, "M_NOT_FOUND")
        with pytest.raises(MatrixError) as caught:
            await data.get(ALICE, "@notaroom:example.org", "m.x")
        assert caught.value.errcode == "M_INVALID_PARAM"

    on_store(tmp_path, scenario)


def test_a_cached_value_follows_each_change_of_its_type_and_user(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        cache = AccountDataCache(data, "m.x", lambda user_id, content: (user_id, content))
        assert await cache.get(ALICE) == (ALICE, None)

        await data.put(ALICE, GLOBAL, "m.x", b'{"a":1}')
        assert await cache.get(ALICE) == (ALICE, b'{"a":1}')
        await data.put(ALICE, ROOM, "m.x", b'{"a":2}')
        await data.put(ALICE, GLOBAL, "m.y", b'{"a":3}')
        await data.put(BOB, GLOBAL, "m.x", b'{"a":4}')
        assert await cache.get(ALICE) == (ALICE, b'{"a":1}')
        assert await cache.get(BOB) == (BOB, b'{"a":4}')

    on_store(tmp_path, scenario)


def test_a_cached_value_is_made_once_for_each_change(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        made: list[bytes | None] = []
        cache = AccountDataCache(data, "m.x", lambda _user_id, content: made.append(content))
        for _ in range(3):
            await cache.get(ALICE)
        await data.put(BOB, GLOBAL, "m.x", b"{}")
        await cache.get(ALICE)
        assert made == [None]
        await data.put(ALICE, GLOBAL, "m.x", b"{}")
        for _ in range(3):
            await cache.get(ALICE)
        assert made == [None, b"{}"]

    on_store(tmp_path, scenario)


def test_a_change_that_overtakes_a_read_is_not_lost(tmp_path: Path) -> None:
    class Overtaken(AccountData):
        """Reads as a database over a network may: a change becomes durable after it has looked."""

        overtakes = True

        async def load(self, user_id: str, room_id: str, type: str) -> bytes | None:
            content = await super().load(user_id, room_id, type)
            if self.overtakes:
                self.overtakes = False
                await self.put(user_id, room_id, type, b'{"new":true}')
            return content

    async def scenario(store: Store) -> None:
        data = Overtaken(store.journal, store.account_data)
        cache = AccountDataCache(data, "m.x", lambda _user_id, content: content)
        assert await cache.get(ALICE) == b'{"new":true}'

    on_store(tmp_path, scenario)


def test_ignored_users_follow_the_list(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        ignored = IgnoredUsers(data)
        assert await ignored.ignored_by(ALICE) == frozenset()

        await data.set_by_client(
            ALICE, GLOBAL, "m.ignored_user_list", {"ignored_users": {EVE: {}, ALICE: {}}}
        )
        assert await ignored.ignored_by(ALICE) == {EVE}
        assert await ignored.ignored_by(BOB) == frozenset()

        await data.set_by_client(ALICE, GLOBAL, "m.ignored_user_list", {})
        assert await ignored.ignored_by(ALICE) == frozenset()

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    "content", [{"ignored_users": [EVE]}, {"ignored_users": None}, {"ignored_users": 5}, {}]
)
def test_a_malformed_list_ignores_nobody(tmp_path: Path, content: dict[str, Any]) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        await data.set_by_client(ALICE, GLOBAL, "m.ignored_user_list", content)
        assert await IgnoredUsers(data).ignored_by(ALICE) == frozenset()

    on_store(tmp_path, scenario)


def test_invites_are_blocked_by_the_one_value_that_says_so(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        data = AccountData(store.journal, store.account_data)
        permission = InvitePermission(data)
        await permission.check_invite(ALICE, BOB)

        await data.set_by_client(ALICE, GLOBAL, "m.invite_permission_config", {"default_action": "block"})
        assert await permission.verdict(ALICE, BOB) == "block"
        assert await permission.verdict(BOB, ALICE) == "allow"
        with pytest.raises(MatrixError) as caught:
            await permission.check_invite(ALICE, BOB)
        assert (caught.value.status, caught.value.errcode) == (403, "M_INVITE_BLOCKED")

        await data.set_by_client(ALICE, GLOBAL, "m.invite_permission_config", {"default_action": "allow"})
        await permission.check_invite(ALICE, BOB)

    on_store(tmp_path, scenario)
