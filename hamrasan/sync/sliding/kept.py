"""A connection as bytes, for the time that the server does not run.

Serials of typing begin anew with the process, so they are not kept, nor are the members that were sent (lazy loading):
some are sent again.
"""

from __future__ import annotations

from typing import Any

import orjson

from hamrasan.sync.sliding.connections import Connection, Key, Mark, News, SentRoom
from hamrasan.sync.sliding.required_state import Element, RequiredState, StateChoice, choice_of

VERSION = 1


def encode_connection(connection: Connection) -> bytes:
    """Return what `decode_connection` makes a connection of."""
    choices: dict[StateChoice, int] = {}
    news = connection.news
    return orjson.dumps(
        {
            "version": VERSION,
            "mark": _encode_mark(connection.mark),
            "rooms": _encode_rooms(connection.rooms, choices),
            "news": None if news is None else [_encode_mark(news.mark), _encode_rooms(news.rooms, choices)],
            "choices": [_encode_choice(choice) for choice in choices],
        }
    )


def decode_connection(key: Key, name: str, state: bytes) -> Connection | None:
    """Return the connection that was kept, under a new name; None if another version of the program kept it."""
    kept = orjson.loads(state)
    if kept.get("version") != VERSION:
        return None
    connection = Connection(key, name)
    choices = [_decode_choice(choice) for choice in kept["choices"]]
    connection.mark = _decode_mark(kept["mark"])
    connection.rooms = _decode_rooms(kept["rooms"], choices)
    if kept["news"] is not None:
        mark, rooms = kept["news"]
        connection.answered(News(_decode_mark(mark), _decode_rooms(rooms, choices)))
    return connection


def _encode_mark(mark: Mark) -> list[Any]:
    return [mark.pos, mark.position, mark.counts, list(mark.direct), mark.account_data, list(mark.typists)]


def _decode_mark(kept: list[Any]) -> Mark:
    pos, position, counts, direct, account_data, typists = kept
    return Mark(pos, position, 0, counts, frozenset(direct), account_data, frozenset(typists))


def _encode_rooms(rooms: dict[str, SentRoom], choices: dict[StateChoice, int]) -> dict[str, list[Any]]:
    return {
        room_id: [
            sent.upto,
            sent.membership,
            sent.have,
            choices.setdefault(sent.choice, len(choices)),
            sent.receipts,
            sent.account_data,
        ]
        for room_id, sent in rooms.items()
    }


def _decode_rooms(kept: dict[str, list[Any]], choices: list[StateChoice]) -> dict[str, SentRoom]:
    return {
        room_id: SentRoom(upto, membership, have, choices[choice], receipts, account_data)
        for room_id, (upto, membership, have, choice, receipts, account_data) in kept.items()
    }


def _encode_choice(choice: StateChoice) -> list[Any]:
    return [[list(part.include), list(part.exclude), part.lazy_members] for part in choice.parts]


def _decode_choice(kept: list[Any]) -> StateChoice:
    return choice_of(
        frozenset(
            RequiredState(_decode_elements(include), _decode_elements(exclude), lazy)
            for include, exclude, lazy in kept
        )
    )


def _decode_elements(kept: list[list[str | None]]) -> frozenset[Element]:
    return frozenset((type, key) for type, key in kept)
