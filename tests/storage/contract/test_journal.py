"""What every journal must do: order, durability before the answer, whole groups or nothing, an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.journal import Batch, CommitFailed, Write
from hamrasan.storage.ports.rooms import NewRoom
from hamrasan.storage.ports.user_data import PutAccountData
from hamrasan.storage.sqlite import journal as sqlite_journal
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE = "@alice:example.org"


def note(store: Store, type: str, text: str = "{}") -> Batch:
    """Return a batch of one change that takes one position; it says its type in the feed."""
    write = PutAccountData(ALICE, "", type, text.encode(), store.journal.next_position)
    return Batch([write], positions=1, feed=[type])


def room(store: Store, number: int, room_id: str) -> Batch:
    """Return a batch that makes a room; two rooms with one id violate a constraint."""
    write = NewRoom(number, room_id, "12", ALICE, store.journal.next_position)
    return Batch([write], positions=1, feed=[room_id])


async def types(store: Store) -> list[str]:
    return [row.type for row in await store.account_data.all_of(ALICE)]


def test_positions_follow_each_other_and_are_taken_at_submission(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        journal = store.journal
        assert (journal.durable, journal.next_position) == (0, 1)
        first = journal.submit(note(store, "a"))
        assert (journal.durable, journal.next_position) == (0, 2)
        second = journal.submit(Batch(positions=3))
        third = journal.submit(Batch())
        assert journal.next_position == 5
        await asyncio.gather(first, second, third)
        assert (journal.durable, journal.next_position) == (4, 5)

    run(scenario)


def test_what_was_answered_is_there_after_opening_again(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        await store.journal.submit(note(store, "kept"))

    async def read(store: Store) -> None:
        assert await types(store) == ["kept"]
        assert (store.journal.durable, store.journal.next_position) == (1, 2)

    on_store(tmp_path, write)
    on_store(tmp_path, read)


def test_later_writes_win_within_one_group(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        futures = [store.journal.submit(note(store, "same", f'{{"n":{n}}}')) for n in range(200)]
        await asyncio.gather(*futures)
        assert await store.account_data.get(ALICE, "", "same") == b'{"n":199}'

    run(scenario)


def test_those_who_listen_hear_of_every_change_once_in_order_after_it_is_durable(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(store: Store) -> None:
        journal = store.journal
        heard: list[object] = []

        def hear(change: str) -> None:
            heard.append(change)
            row = store.database.get("SELECT count(*) FROM account_data")
            assert row == (journal.durable,), "everything up to here is complete"
            assert journal.durable >= len(heard), "and what is heard can be read"

        journal.listen(str, hear)
        names = [f"t{number:03}" for number in range(300)]
        await asyncio.gather(*[journal.submit(note(store, name)) for name in names])
        assert heard == names

    run(scenario)


def test_who_listens_hears_of_one_kind_of_change_in_order_before_the_one_who_waits(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(store: Store) -> None:
        heard: list[object] = []
        journal = store.journal
        journal.listen(str, lambda change: heard.append(f"first {change}"))
        journal.listen(int, heard.append)
        journal.listen(str, lambda change: heard.append(f"second {change} at {journal.durable}"))
        batch = note(store, "a")
        batch.feed += [7, b"nobody listens to this", "b"]
        await journal.submit(batch)
        heard.append("waiter")
        assert heard == ["first a", "second a at 1", 7, "first b", "second b at 1", "waiter"]

    run(scenario)


def test_nothing_is_heard_before_it_is_durable(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        heard: list[object] = []
        store.journal.listen(str, heard.append)
        future = store.journal.submit(note(store, "a"))
        assert not future.done()
        assert heard == []
        assert store.journal.durable == 0
        await future
        assert len(heard) == 1

    run(scenario)


def test_an_empty_batch_ends_after_everything_before_it(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        before = [store.journal.submit(note(store, f"t{number}")) for number in range(50)]
        await store.journal.submit(Batch())
        assert all(future.done() for future in before)
        assert len(await types(store)) == 50

    run(scenario)


def test_a_batch_that_cannot_be_kept_leaves_nothing_of_itself(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await store.journal.submit(room(store, 1, "!a"))
        position = store.journal.next_position
        writes: list[Write] = [
            PutAccountData(ALICE, "", "before", b"{}", position),
            NewRoom(2, "!a", "12", ALICE, position),
            PutAccountData(ALICE, "", "after", b"{}", position),
        ]
        with pytest.raises(CommitFailed):
            await store.journal.submit(Batch(writes, positions=1))
        assert await types(store) == []
        assert [row.room for row in await store.rooms.rooms(["!a"])] == [1]

    run(scenario)


def test_a_failure_takes_the_whole_group_and_all_that_was_built_on_it(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(store: Store) -> None:
        await store.journal.submit(room(store, 1, "!a"))
        heard: list[object] = []
        failures: list[int] = []
        store.journal.listen(str, heard.append)
        store.journal.on_failure(lambda: failures.append(store.journal.next_position))
        futures = [store.journal.submit(note(store, f"t{number}")) for number in range(20)]
        futures.append(store.journal.submit(room(store, 2, "!a")))
        futures += [store.journal.submit(note(store, f"u{number}")) for number in range(20)]
        results = await asyncio.gather(*futures, return_exceptions=True)

        kept = [result is None for result in results]
        assert not any(kept[20:]), "what was submitted with or after the failing batch is refused"
        assert kept == sorted(kept, reverse=True), "nothing is kept after something that is not"
        assert all(isinstance(result, CommitFailed) for result in results if result is not None)
        assert await types(store) == [f"t{number}" for number in range(sum(kept))]
        assert heard == [f"t{number}" for number in range(sum(kept))]
        assert len(failures) >= 1

    run(scenario)


def test_positions_have_no_gap_after_a_failure(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        journal = store.journal
        await journal.submit(room(store, 1, "!a"))
        durable = journal.durable
        seen_at_failure: list[int] = []
        journal.on_failure(lambda: seen_at_failure.append(journal.next_position))
        with pytest.raises(CommitFailed):
            await journal.submit(room(store, 2, "!a"))
        assert seen_at_failure == [durable + 1], "whoever drops what it knew reads on from what is durable"
        assert (journal.durable, journal.next_position) == (durable, durable + 1)
        await journal.submit(note(store, "next"))
        rows = await store.account_data.all_of(ALICE)
        assert [row.position for row in rows] == [durable + 1]
        assert journal.durable == durable + 1

    run(scenario)


def test_a_failed_commit_is_a_503_that_can_be_tried_again(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await store.journal.submit(room(store, 1, "!a"))
        with pytest.raises(CommitFailed) as failure:
            await store.journal.submit(room(store, 2, "!a"))
        assert (failure.value.status, failure.value.errcode) == (503, "M_UNKNOWN")
        await store.journal.submit(room(store, 2, "!b"))

    run(scenario)


def test_a_waiter_that_gave_up_changes_nothing(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        gone = store.journal.submit(note(store, "a"))
        gone.cancel()
        await store.journal.submit(note(store, "b"))
        assert await types(store) == ["a", "b"]
        failing = store.journal.submit(room(store, 1, "!a"))
        again = store.journal.submit(room(store, 2, "!a"))
        again.cancel()
        await asyncio.gather(failing, return_exceptions=True)
        await store.journal.submit(Batch())
        assert store.journal.next_position == store.journal.durable + 1

    run(scenario)


def test_too_much_waiting_is_refused_and_takes_no_position(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_journal, "MAX_WAITING", 5)

    async def scenario(store: Store) -> None:
        futures = [store.journal.submit(note(store, f"t{number}")) for number in range(5)]
        position = store.journal.next_position
        with pytest.raises(MatrixError) as refusal:
            store.journal.submit(note(store, "one too many"))
        assert (refusal.value.status, refusal.value.errcode) == (429, "M_LIMIT_EXCEEDED")
        assert refusal.value.extra["retry_after_ms"] > 0
        assert store.journal.next_position == position
        await asyncio.gather(*futures)
        await store.journal.submit(note(store, "there is room again"))
        assert len(await types(store)) == 6

    run(scenario)


def test_closing_commits_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    async def close_at_once(store: Store) -> None:
        futures = [store.journal.submit(note(store, f"t{number}")) for number in range(600)]
        closing = asyncio.ensure_future(store.journal.close())
        await asyncio.sleep(0)
        with pytest.raises(CommitFailed):
            store.journal.submit(Batch())
        await asyncio.gather(*futures)
        await closing
        await store.journal.close()

    async def look(store: Store) -> None:
        assert len(await types(store)) == 600
        assert store.journal.durable == 600

    on_store(tmp_path, close_at_once)
    on_store(tmp_path, look)


def test_closing_goes_on_after_a_failure(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.journal.submit(room(store, 1, "!a"))
        failing = store.journal.submit(room(store, 2, "!a"))
        await store.journal.close()
        with pytest.raises(CommitFailed):
            await failing

    on_store(tmp_path, scenario)
