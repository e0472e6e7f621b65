"""What every search index must do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.rooms import NewRoom, PutMembership
from hamrasan.storage.ports.search import (
    Changes,
    Cursor,
    Document,
    IndexedRoom,
    Person,
    Place,
    RoomTraits,
    Stretch,
    WordQuery,
)
from hamrasan.storage.sqlite import search_index
from hamrasan.storage.sqlite.search_index import SqliteSearchIndex
from hamrasan.storage.sqlite.store import Store, open_store
from tests.stores import on_store

FAR: Position = 2**37
ALICE, BOB, CAROL, DAVE = (f"@{name}:example.org" for name in ("alice", "bob", "carol", "dave"))
Scenario = Callable[[SqliteSearchIndex], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on an empty index."""

    def runner(scenario: Scenario) -> None:
        async def with_index(store: Store) -> None:
            await scenario(store.search)

        on_store(tmp_path, with_index)

    return runner


def document(room: int, position: Position, words: str, edit: Position = 0) -> Document:
    return Document(Place(room, position), edit, words)


def rooms_of(documents: Sequence[Document]) -> list[IndexedRoom]:
    return [IndexedRoom(d.place.room, d.place.position, False, None) for d in documents]


async def add(index: SqliteSearchIndex, *documents: Document) -> None:
    cursor = Cursor(max(d.place.position for d in documents), 1, "$e")
    await index.write(lambda: Changes(cursor, added=documents, rooms=rooms_of(documents)))


async def replace(index: SqliteSearchIndex, *documents: Document) -> None:
    cursor = await index.cursor()
    await index.write(lambda: Changes(cursor, replaced=documents))


def query(*groups: str) -> WordQuery:
    """Return a query of groups; in each, alternatives stand between bars."""
    return WordQuery(tuple(tuple(tuple(words.split()) for words in group.split("|")) for group in groups))


async def positions(
    index: SqliteSearchIndex, wanted: WordQuery, *rooms: int, limit: int = 100
) -> list[Position]:
    stretches = [Stretch(room, 0, FAR) for room in rooms]
    return [d.place.position for d in await index.newest(wanted, stretches, limit)]


def test_an_empty_index(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        assert await index.cursor() == Cursor(0, 0, "")
        assert await positions(index, query("a"), 1) == []
        assert await index.traits([1, 2]) == {}
        await index.tidy()

    run(scenario)


def test_groups_alternatives_and_phrases(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, document(1, 10, "a b c"), document(1, 11, "c b a"), document(2, 12, "a"))
        assert await positions(index, query("a"), 1, 2) == [12, 11, 10]
        assert await positions(index, query("a"), 2) == [12]
        assert await positions(index, query("a", "b"), 1, 2) == [11, 10]
        assert await positions(index, query("a b"), 1, 2) == [10]
        assert await positions(index, query("x|a b"), 1, 2) == [10]
        assert await positions(index, query("x|c b", "a"), 1, 2) == [11]
        assert await positions(index, query("a", "x"), 1, 2) == []
        assert await positions(index, query("a"), 1, 2, limit=2) == [12, 11]

    run(scenario)


def test_documents_come_back_as_they_were(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, document(3, 7, "سلام دنیا", edit=9))
        (found,) = await index.newest(query("سلام"), [Stretch(3, 0, FAR)], 10)
        assert (found.place, found.edit) == (Place(3, 7), 9)
        assert found.words.split()[:2] == ["سلام", "دنیا"]

    run(scenario)


def test_stretches_are_cut_exactly(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, *(document(1, position, "a") for position in range(1, 10)))
        for few in (True, False):
            more = [] if few else [Stretch(room, 0, FAR) for room in range(100, 150)]
            found = await index.newest(query("a"), [Stretch(1, 2, 4), Stretch(1, 6, 7), *more], 10)
            assert [d.place.position for d in found] == [7, 4, 3]
        assert await index.newest(query("a"), [], 10) == []

    run(scenario)


@pytest.mark.parametrize("probe", [10_000, 3])
@pytest.mark.parametrize("barren", [16, 2])
def test_the_newest_come_first_however_they_are_looked_for(
    run: Callable[[Scenario], None], probe: int, barren: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "PROBE", probe)
    monkeypatch.setattr(search_index, "BARREN", barren)

    async def scenario(index: SqliteSearchIndex) -> None:
        rooms = range(1, 41)
        documents = [
            document(room, 100 * turn + room, "often seldom" if (turn, room) == (1, 5) else "often")
            for turn in range(1, 4)
            for room in rooms
        ]
        documents += [document(room, 1_000 + room, "elsewhere often") for room in range(60, 100)]
        await add(index, *documents)
        expected = sorted((100 * turn + room for turn in range(1, 4) for room in rooms), reverse=True)
        for limit in (1, 7, 50, 500):
            assert await positions(index, query("often"), *rooms, limit=limit) == expected[:limit]
        assert await positions(index, query("elsewhere"), *rooms) == []
        assert await positions(index, query("seldom"), *rooms) == [105]

    run(scenario)


def test_a_document_with_other_words(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, document(1, 5, "before both"), document(1, 6, "other"))
        await replace(index, document(1, 5, "after both", edit=8), document(1, 4, "new"))
        assert await positions(index, query("before"), 1) == []
        assert await positions(index, query("both"), 1) == [5]
        assert await positions(index, query("after"), 1) == [5]
        assert await positions(index, query("new"), 1) == [4]
        await replace(index, document(1, 5, ""), document(1, 99, ""))
        assert await positions(index, query("both"), 1) == []
        assert await positions(index, query("other"), 1) == [6]

    run(scenario)


def test_documents_of_a_room_are_forgotten(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "FORGOTTEN_AT_ONCE", 3)

    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, *(document(room, 10 * n + room, "a") for room in (1, 2) for n in range(1, 9)))
        await index.forget(1, 61)
        assert await positions(index, query("a"), 1) == [81, 71]
        assert len(await positions(index, query("a"), 2)) == 8

    run(scenario)


def test_what_is_known_of_rooms(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        cursor = Cursor(9, 9, "$nine")
        for room in (
            IndexedRoom(1, 5, False, None),
            IndexedRoom(1, 0, True, True),
            IndexedRoom(1, 3, False, None),
            IndexedRoom(2, 7, False, None),
        ):
            await index.write(lambda room=room: Changes(cursor, rooms=[room]))  # type: ignore[misc]  # bound now
        assert await index.traits([1, 2, 3]) == {1: RoomTraits(5, True), 2: RoomTraits(7, False)}
        assert await index.cursor() == cursor

    run(scenario)


def test_a_write_that_fails_changes_nothing(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, document(1, 5, "a"))
        before = await index.cursor()
        with pytest.raises(ZeroDivisionError):
            await index.write(lambda: Changes(Cursor(1 // 0, 0, "")))
        twice = [document(1, 6, "a"), document(1, 5, "a")]
        with pytest.raises(Exception, match="UNIQUE"):
            await index.write(lambda: Changes(Cursor(6, 6, "$6"), added=twice))
        assert await index.cursor() == before
        assert await positions(index, query("a"), 1) == [5]

    run(scenario)


def test_after_a_reset_nothing_is_left(run: Callable[[Scenario], None]) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, document(1, 5, "a"))
        assert await positions(index, query("a"), 1) == [5]
        await index.reset()
        assert await index.cursor() == Cursor(0, 0, "")
        assert await positions(index, query("a"), 1) == []
        await add(index, document(1, 5, "a"))
        assert await positions(index, query("a"), 1) == [5]

    run(scenario)


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    async def main() -> None:
        for expected in ([], [5]):
            store = open_store(tmp_path)
            assert await positions(store.search, query("a"), 1) == expected
            if not expected:
                await add(store.search, document(1, 5, "a"))
                await store.search.tidy()
            await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("word", ['"', '"" OR a', "*", "NEAR(a)", "a:b", "-a", "", "\x00", "^a", "(a"])
def test_words_that_are_none_find_nothing(run: Callable[[Scenario], None], word: str) -> None:
    async def scenario(index: SqliteSearchIndex) -> None:
        await add(index, document(1, 5, "x"))
        found = await index.newest(WordQuery((((word,),),)), [Stretch(1, 0, FAR)], 10)
        assert found == []

    run(scenario)


# People


def test_people(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        writes: list[Write] = [NewRoom(room, f"!{room}", "12", ALICE, 0) for room in (1, 2, 3)]
        members = {1: (ALICE, BOB), 2: (CAROL, DAVE), 3: (DAVE,)}
        writes += [
            PutMembership(room, user_id, "join", 2, "$m", user_id)
            for room, users in members.items()
            for user_id in users
        ]
        await store.journal.submit(Batch(writes))
        people = [
            Person(user_id, name, None, f"{name} shared")
            for user_id, name in ((ALICE, "alma"), (BOB, "bo"), (CAROL, "cara"), (DAVE, "dan"))
        ]
        public = [IndexedRoom(3, 0, False, True)]
        index = store.search
        await index.write(lambda: Changes(Cursor(2, 2, "$2"), rooms=public, people=people))

        async def found(viewer: str, *words: str, limit: int = 10) -> list[str]:
            return [person.user_id for person in await index.people(words, viewer, limit)]

        assert await found(ALICE, "shared") == [BOB, DAVE]
        assert await found(ALICE, "sha") == [BOB, DAVE]
        assert await found(ALICE, "sha", limit=1) == [BOB]
        assert await found(CAROL, "shared") == [DAVE]
        assert await found(BOB, "alm", "sh") == [ALICE]
        assert await found(BOB, "x") == []
        assert await index.person(BOB, ALICE) == people[1]
        assert await index.person(CAROL, ALICE) is None
        assert await index.person("@nobody:example.org", ALICE) is None
        renamed = Person(BOB, "Bobby", "mxc://x/y", "bobby")
        await index.write(lambda: Changes(Cursor(3, 3, "$3"), people=[renamed]))
        assert await found(ALICE, "shared") == [DAVE]
        assert await found(ALICE, "bob") == [BOB]
        assert await index.person(BOB, ALICE) == renamed

    on_store(tmp_path, scenario)
