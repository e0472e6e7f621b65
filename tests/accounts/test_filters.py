from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts import filters as module
from hamrasan.accounts.filters import EVERYTHING, Filters
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"


def test_a_filter_is_read_under_the_id_that_it_got(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        filters = Filters(store.journal, store.filters)
        filter_id = await filters.define(ALICE, {"room": {"timeline": {"limit": 7}}, "org.example": {"x": 1}})

        assert not filter_id.startswith("{")
        assert (
            await filters.definition(ALICE, filter_id)
            == b'{"org.example":{"x":1},"room":{"timeline":{"limit":7}}}'
        )
        assert (await filters.resolve(ALICE, filter_id)).room.timeline.limit == 7

    on_store(tmp_path, scenario)


def test_the_same_filter_gets_the_same_id_and_another_one_another(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        filters = Filters(store.journal, store.filters)
        first = await filters.define(ALICE, {"room": {}, "presence": {}})
        again = await filters.define(ALICE, {"presence": {}, "room": {}})
        other = await filters.define(ALICE, {"room": {}})

        assert first == again
        assert other != first
        assert await store.filters.count(ALICE) == 2

    on_store(tmp_path, scenario)


def test_a_filter_belongs_to_its_user(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        filters = Filters(store.journal, store.filters)
        filter_id = await filters.define(ALICE, {"room": {}})
        await filters.resolve(ALICE, filter_id)

        with pytest.raises(MatrixError) as caught:
            await filters.definition(BOB, filter_id)
        assert (caught.value.status, caught.value.errcode) == (404, "M_NOT_FOUND")
        with pytest.raises(MatrixError) as caught:
            await filters.resolve(BOB, filter_id)
        assert (caught.value.status, caught.value.errcode) == (400, "M_INVALID_PARAM")

    on_store(tmp_path, scenario)


def test_filters_in_use_are_not_read_twice(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        filters = Filters(store.journal, store.filters)
        filter_id = await filters.define(ALICE, {"room": {"timeline": {"limit": 3}}})
        text = '{"room":{"timeline":{"limit":4}}}'

        assert await filters.resolve(ALICE, filter_id) is await filters.resolve(ALICE, filter_id)
        assert await filters.resolve(ALICE, text) is await filters.resolve(BOB, text)
        assert (await filters.resolve(ALICE, text)).room.timeline.limit == 4
        assert await filters.resolve(ALICE, None) is EVERYTHING

    on_store(tmp_path, scenario)


def test_a_long_filter_is_read_but_not_kept_in_memory(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        filters = Filters(store.journal, store.filters)
        text = '{"event_fields":["' + '","'.join(["x" * 100] * 50) + '"]}'
        assert len(text) > module.MAX_CACHED_TEXT
        for parameter in (text, await filters.define(ALICE, json.loads(text))):
            one, two = await filters.resolve(ALICE, parameter), await filters.resolve(ALICE, parameter)
            assert one is not two
            assert one.event_fields == two.event_fields == (("x" * 100,),) * 50

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    ("definition", "errcode"),
    [
        ({"room": []}, "M_BAD_JSON"),
        ({"room": {"timeline": {"limit": -1}}}, "M_BAD_JSON"),
        ({"room": {"rooms": ["#alias:example.org"]}}, "M_BAD_JSON"),
        ({"org.example": 0.5}, "M_BAD_JSON"),
        ({"org.example": "x" * module.MAX_FILTER_BYTES}, "M_TOO_LARGE"),
    ],
)
def test_a_bad_filter_is_refused_and_not_kept(
    tmp_path: Path, definition: dict[str, Any], errcode: str
) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(MatrixError) as caught:
            await Filters(store.journal, store.filters).define(ALICE, definition)
        assert caught.value.errcode == errcode
        assert await store.filters.count(ALICE) == 0

    on_store(tmp_path, scenario)


@pytest.mark.parametrize(
    ("parameter", "errcode"),
    [
        ("{", "M_INVALID_PARAM"),
        ('{"room":5}', "M_BAD_JSON"),
        ("unknown", "M_INVALID_PARAM"),
        ("", "M_INVALID_PARAM"),
    ],
)
def test_a_request_cannot_name_a_filter_that_is_none(tmp_path: Path, parameter: str, errcode: str) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(MatrixError) as caught:
            await Filters(store.journal, store.filters).resolve(ALICE, parameter)
        assert (caught.value.status, caught.value.errcode) == (400, errcode)

    on_store(tmp_path, scenario)


def test_the_number_of_filters_is_limited_and_known_ones_still_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILTERS", 2)

    async def scenario(store: Store) -> None:
        filters = Filters(store.journal, store.filters)
        first = await filters.define(ALICE, {"room": {"timeline": {"limit": 1}}})
        await filters.define(ALICE, {"room": {"timeline": {"limit": 2}}})
        with pytest.raises(MatrixError) as caught:
            await filters.define(ALICE, {"room": {"timeline": {"limit": 3}}})
        assert caught.value.errcode == "M_TOO_LARGE"
        assert await store.filters.count(ALICE) == 2
        assert await filters.define(ALICE, {"room": {"timeline": {"limit": 1}}}) == first

    on_store(tmp_path, scenario)
