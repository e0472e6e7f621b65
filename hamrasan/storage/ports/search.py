"""The search index: what is kept to find messages and people by their words.

It follows the committed events with a cursor of its own, may lag behind them, and may be thrown away: whatever is in it
can be made again from the store. So nothing that it says is believed without a look at the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class SearchIndexDamaged(Exception):
    """The index cannot be read any more and has to be made anew."""


class SearchIndexUnavailable(Exception):
    """The index cannot be used now: the disk is full, or does not answer. What was to be written was not."""


class Place(NamedTuple):
    """Where a document stands: the event at a position of a room, both as the store numbers them."""

    room: int
    position: Position


class Document(NamedTuple):
    """An event that can be found."""

    place: Place
    edit: Position
    """Of the edit whose text this is; 0 for an event as it was sent."""
    words: str
    """Separated by spaces."""


class Person(NamedTuple):
    """Somebody who can be found."""

    user_id: str
    display_name: str | None
    avatar_url: str | None
    words: str
    """Separated by spaces."""


class IndexedRoom(NamedTuple):
    """What is known of a room besides its documents; None: as it was."""

    room: int
    last: Position
    """Of its last document, 0 if no new one came."""
    hides: bool
    """Some of its history was hidden from later members at some time."""
    public: bool | None
    """Everybody may join it or read it."""


class Cursor(NamedTuple):
    """How far the index has come."""

    position: Position
    last_event: Position
    """The last event up to there that was looked at, and ..."""
    last_event_id: str
    """... its id, by which it is known that this is still the same store."""


class Changes(NamedTuple):
    """What one step of the index writes, all of it or nothing."""

    cursor: Cursor
    added: Sequence[Document] = ()
    """Events that were not in the index."""
    replaced: Sequence[Document] = ()
    """Events with other words than before; without any they are no longer found."""
    rooms: Sequence[IndexedRoom] = ()
    people: Sequence[Person] = ()


class WordQuery(NamedTuple):
    """What a document must have: of every group one sequence of words that follow each other."""

    groups: tuple[tuple[tuple[str, ...], ...], ...]


class Stretch(NamedTuple):
    """The documents of a room with after < position <= upto."""

    room: int
    after: Position
    upto: Position


class RoomTraits(NamedTuple):
    """What the index knows of a room."""

    last: Position
    hides: bool


class SearchIndex(Protocol):
    """Finds by words. Reading and writing go on at the same time, and hold nobody else up.

    Every method may raise `SearchIndexDamaged` and `SearchIndexUnavailable`.
    """

    async def cursor(self) -> Cursor:
        """Return how far the index has come."""

    async def reset(self) -> None:
        """Throw everything away and begin anew at position 0."""

    async def write(self, prepare: Callable[[], Changes]) -> None:
        """Write what `prepare` returns, which is called where it holds up nobody but the index."""

    async def forget(self, room: int, upto: Position) -> None:
        """Delete the documents of a room up to a position, if there are any."""

    async def tidy(self) -> None:
        """Bring the index into a form in which it is read faster, if it has changed enough for that."""

    async def traits(self, rooms: Sequence[int]) -> dict[int, RoomTraits]:
        """Return what is known of those of the rooms that have documents."""

    async def newest(self, query: WordQuery, stretches: Sequence[Stretch], limit: int) -> list[Document]:
        """Return the newest `limit` documents that match, the newest first."""

    async def people(self, words: Sequence[str], viewer: str, limit: int) -> list[Person]:
        """Return at most `limit` people that `viewer` may find, each of `words` beginning one of theirs.

        Those whose words are exactly these come first, then those in smaller rooms with the viewer.
        """

    async def person(self, user_id: str, viewer: str) -> Person | None:
        """Return one user if `viewer` may find them."""
