"""What every store must do with what is known of other servers."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.federation import (
    DeleteFailingDestination,
    PutFailingDestination,
    PutKeyAnswer,
    PutServerKey,
)
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

A, B = "a.example.org", "b.example.org"


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def test_keys_belong_to_their_server_and_can_change(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rows = [
            PutServerKey(A, "ed25519:1", b"1" * 32, 1000, False),
            PutServerKey(A, "ed25519:2", b"2" * 32, 5, True),
        ]
        await put(store, *rows, PutServerKey(B, "ed25519:1", b"3" * 32, 7, False))
        assert sorted(store.federation.server_keys(A)) == rows
        ended = rows[0]._replace(valid_until_ts=900, is_old=True)
        await put(store, ended)
        assert sorted(store.federation.server_keys(A)) == [ended, rows[1]]
        assert store.federation.server_keys("c.example.org") == []

    on_store(tmp_path, scenario)


def test_the_last_answer_of_a_server_is_kept(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        assert store.federation.key_answer(A) is None
        await put(store, PutKeyAnswer(A, 1, 10, b"{}"), PutKeyAnswer(B, 1, 10, b"[]"))
        await put(store, PutKeyAnswer(A, 2, 20, b'{"new":1}'))
        assert store.federation.key_answer(A) == PutKeyAnswer(A, 2, 20, b'{"new":1}')

    on_store(tmp_path, scenario)


def test_servers_that_fail(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, PutFailingDestination(A, 1, 1, 5), PutFailingDestination(B, 2, 2, 6))
        await put(store, PutFailingDestination(A, 1, 7, 20), DeleteFailingDestination(B))
        assert store.federation.failing_destinations() == [PutFailingDestination(A, 1, 7, 20)]

    on_store(tmp_path, scenario)
