"""The part of the search index in which people are found, by the beginnings of the words of their names.

Who may be found by whom is asked of the store's own memberships: nothing is kept here that grows with the number of
members of rooms, let alone its square.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from hamrasan.storage.ports.search import Person

MAX_CANDIDATES = 500
"""People with a fitting name of whom it is asked whether they may be found: some tens of milliseconds."""
MAX_COMPANIONS = 5_000
"""Members of the viewer's smaller rooms whose names are looked at."""
SMALL_ROOM = 200
"""Members up to which a room is small: people know each other, and every one of them is found."""
MAX_SMALL_ROOMS = 200
"""Rooms of the viewer that are looked at, those that they came to last."""

PEOPLE_SCHEMA = """
    CREATE TABLE people (
        number INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE,
        display_name TEXT, avatar_url TEXT, words TEXT NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE names USING fts5 (
        words, content = 'people', content_rowid = 'number', columnsize = 0, tokenize = 'ascii', prefix = '1 2 3'
    );
"""
_KNOWN = "SELECT number, display_name, avatar_url, words FROM people WHERE user_id = ?"
_PERSON = "SELECT p.user_id, p.display_name, p.avatar_url, p.words FROM people p "
_CANDIDATES = _PERSON + "JOIN names n ON n.rowid = p.number WHERE names MATCH ? LIMIT ?"
_SHARES = (
    "SELECT 1 FROM store.memberships theirs CROSS JOIN store.memberships ours"
    " ON ours.room = theirs.room AND ours.user_id = ?2 AND ours.membership = 'join'"
    " WHERE theirs.user_id = ?1 AND theirs.membership = 'join' LIMIT 1"
)
_IS_PUBLIC = (
    "SELECT 1 FROM store.memberships theirs CROSS JOIN indexed_rooms r ON r.room = theirs.room AND r.public = 1"
    " WHERE theirs.user_id = ? AND theirs.membership = 'join' LIMIT 1"
)
_ROOMS = "SELECT room FROM store.memberships WHERE user_id = ? AND membership = 'join' ORDER BY position DESC LIMIT ?"
_MEMBERS = "SELECT user_id FROM store.memberships WHERE room = ? AND membership = 'join' LIMIT ?"


def put_people(connection: sqlite3.Connection, people: Iterable[Person]) -> None:
    """Put people in, or what is new about them."""
    for person in people:
        known = connection.execute(_KNOWN, (person.user_id,)).fetchone()
        if known is not None and known[1:] == person[1:]:
            continue
        if known is not None:
            connection.execute(
                "INSERT INTO names (names, rowid, words) VALUES ('delete', ?, ?)", (known[0], known[3])
            )
        (number,) = connection.execute(
            "INSERT INTO people (user_id, display_name, avatar_url, words) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (user_id) DO UPDATE SET display_name = ?2, avatar_url = ?3, words = ?4 RETURNING number",
            person,
        ).fetchone()
        connection.execute("INSERT INTO names (rowid, words) VALUES (?, ?)", (number, person.words))


def find_person(connection: sqlite3.Connection, user_id: str, viewer: str) -> Person | None:
    """Return one user if `viewer` may find them."""
    row = connection.execute(_PERSON + "WHERE p.user_id = ?", (user_id,)).fetchone()
    if row is None or not (_shares(connection, user_id, viewer) or _is_public(connection, user_id)):
        return None
    return Person._make(row)


def find_people(
    connection: sqlite3.Connection, words: Sequence[str], viewer: str, limit: int
) -> list[Person]:
    """Return at most `limit` people whom `viewer` may find, each of `words` beginning one of theirs.

    First those with exactly these words, then those of the viewer's smaller rooms, then whoever else shares a room
    with them, then the others.
    """
    found: dict[str, tuple[tuple[int, int], Person]] = {}

    def note(person: Person, nearness: int) -> None:
        exact = 0 if set(words) <= set(person.words.split(" ")) else 1
        rank = (exact, nearness)
        if person.user_id not in found or rank < found[person.user_id][0]:
            found[person.user_id] = (rank, person)

    for person in _companions(connection, words, viewer):
        note(person, 0)
    exactly = " AND ".join(f'"{word}"' for word in words)
    beginning = " AND ".join(f'"{word}"*' for word in words)
    for expression in (exactly, beginning):
        for row in connection.execute(_CANDIDATES, (expression, MAX_CANDIDATES)).fetchall():
            person = Person._make(row)
            if person.user_id in found:
                continue
            if _shares(connection, person.user_id, viewer):
                note(person, 1)
            elif _is_public(connection, person.user_id):
                note(person, 2)
    found.pop(viewer, None)
    ordered = sorted(
        found.values(), key=lambda item: (item[0], item[1].display_name is None, item[1].user_id)
    )
    return [person for _, person in ordered[:limit]]


def _companions(connection: sqlite3.Connection, words: Sequence[str], viewer: str) -> list[Person]:
    """Return those of the viewer's smaller rooms whose words begin with these."""
    companions: set[str] = set()
    for (room,) in connection.execute(_ROOMS, (viewer, MAX_SMALL_ROOMS)).fetchall():
        members = connection.execute(_MEMBERS, (room, SMALL_ROOM + 1)).fetchall()
        if len(members) <= SMALL_ROOM:
            companions.update(user_id for (user_id,) in members)
        if len(companions) > MAX_COMPANIONS:
            break
    found: list[Person] = []
    for user_id in companions:
        row = connection.execute(_PERSON + "WHERE p.user_id = ?", (user_id,)).fetchone()
        if row is not None and _begins(row[3], words):
            found.append(Person._make(row))
    return found


def _begins(text: str, words: Sequence[str]) -> bool:
    padded = " " + text
    return all(" " + word in padded for word in words)


def _shares(connection: sqlite3.Connection, user_id: str, viewer: str) -> bool:
    return connection.execute(_SHARES, (user_id, viewer)).fetchone() is not None


def _is_public(connection: sqlite3.Connection, user_id: str) -> bool:
    return connection.execute(_IS_PUBLIC, (user_id,)).fetchone() is not None
