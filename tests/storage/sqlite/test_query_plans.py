"""Reads that are done all the time find what they look for by an index, whatever SQLite makes of the statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hamrasan.storage.sqlite.database import Row
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

READS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "one event": lambda store: store.events.by_id("$" + "a" * 43),
    "an event among others": lambda store: store.events.by_ids(["$" + "a" * 43]),
    "events": lambda store: store.events.by_ids(["$" + "a" * 43, "$" + "b" * 43]),
    "a page": lambda store: store.events.page(1, 0, 10, 5, backwards=True),
    "the head": lambda store: store.events.head(1),
    "the position after which": lambda store: store.events.latest(1, 10, 5),
    "the own last": lambda store: store.events.last_own(1, 0, 10, "@a:b"),
    "what is notable": lambda store: store.events.notable(1, 0, 10, "@a:b"),
    "how many": lambda store: store.events.count_plain(1, 0, 10, ()),
    "requests": lambda store: store.events.transactions(1, 10, 5),
    "what a request made": lambda store: store.events.made_by(1, 10, "@a:b", "D", "t"),
    "the outside": lambda store: store.federated_rooms.outside(1, 0, 10),
    "auth events": lambda store: store.federated_rooms.auth_events(["$" + "a" * 43]),
    "what is special": lambda store: store.federated_rooms.room(1),
    "the lowest": lambda store: store.federated_rooms.lowest_position(),
    "branches": lambda store: store.federated_rooms.branches(["$a", "$b"]),
    "changed keys": lambda store: store.federated_rooms.changed_keys(1, 0, 10),
}


@pytest.mark.parametrize("name", READS)
def test_no_table_of_events_is_read_as_a_whole(tmp_path: Path, name: str) -> None:
    async def scenario(store: Store) -> None:
        asked: list[tuple[str, Sequence[Any]]] = []
        database = store.database
        get, rows, scan = database.get, database.rows, database._scan

        def noted_get(sql: str, parameters: Sequence[Any] = ()) -> Row | None:
            asked.append((sql, parameters))
            return get(sql, parameters)

        def noted_rows(sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
            asked.append((sql, parameters))
            return rows(sql, parameters)

        def noted_scan(sql: str, parameters: Sequence[Any], make: Callable[[Row], Any] | None) -> list[Any]:
            asked.append((sql, parameters))
            return scan(sql, parameters, make)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(database, "get", noted_get)
            patch.setattr(database, "rows", noted_rows)
            patch.setattr(database, "_scan", noted_scan)
            await READS[name](store)
        assert asked
        for sql, parameters in asked:
            for *_, step in rows("EXPLAIN QUERY PLAN " + sql, parameters):
                whole = step in ("SCAN e", "SCAN events", "SCAN state_versions", "SCAN s", "SCAN side_events")
                assert not whole, (sql, step)

    on_store(tmp_path, scenario)
