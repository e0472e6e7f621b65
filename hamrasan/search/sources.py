"""What of an event can be found, and the words under which it is filed ("Server Side Search", `room_events`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.relations import reply_target
from hamrasan.protocol.search_text import fold, indexed_words
from hamrasan.rooms.summary import plain_topic
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.ports.search import Document, Person, Place

MESSAGE, NAME, TOPIC = "m.room.message", "m.room.name", "m.room.topic"

KEYS = {"content.body": MESSAGE, "content.name": NAME, "content.topic": TOPIC}
"""What clients may search, and the type of event that has it."""

# Words that nobody can type: they begin with characters for private use, which no folded text holds.
_TYPE_TAGS = {MESSAGE: "\ue000b", NAME: "\ue000n", TOPIC: "\ue000t"}
_SENDER_TAG = "\ue001"
URL_TAG = "\ue002"
"""Of events with `url` in their content."""
KEPT_TAGS = 4_096
"""Senders whose word is kept: who says something says more."""
_SENDER_BYTES = 8
"""Of the hash that stands for a sender: whoever is found by it is looked at again."""


class Source(NamedTuple):
    """An event to be filed, with the content that counts: that of its last edit, if it was edited."""

    place: Place
    type: str
    sender: str
    content: bytes | Mapping[str, Any]
    edit: Position = 0


def can_be_found(event: StoredEvent) -> bool:
    """Return whether an event is of a kind that can be found."""
    if event.redacted_by is not None:
        return False
    if event.type == MESSAGE:
        return event.state_key is None
    return event.type in (NAME, TOPIC) and event.state_key == ""


def document_of(source: Source) -> Document:
    """Return what is filed of an event; without words if there is nothing in it to be found."""
    content = parse_json(source.content) if isinstance(source.content, bytes) else source.content
    words = indexed_words(searched_text(source.type, content))
    if words:
        words += (type_tag(source.type), sender_tag(source.sender))
        if isinstance(content.get("url"), str):
            words.append(URL_TAG)
    return Document(source.place, source.edit, " ".join(words))


def searched_text(event_type: str, content: Mapping[str, Any]) -> str:
    """Return the text of an event that is searched; empty if it has none."""
    if event_type == TOPIC:
        texts = (plain_topic(content), content.get("topic"))
        return "\n".join(dict.fromkeys(text for text in texts if isinstance(text, str)))
    text = content.get("name" if event_type == NAME else "body")
    if not isinstance(text, str):
        return ""
    return _without_quote(text) if text.startswith("> ") and reply_target(content) is not None else text


def _without_quote(body: str) -> str:
    """Return a reply without the message that older clients repeat before it."""
    lines = body.split("\n")
    while lines and lines[0].startswith(">"):
        del lines[0]
    return "\n".join(lines)


def type_tag(event_type: str) -> str:
    """Return the word under which events of a type are filed."""
    return _TYPE_TAGS[event_type]


@lru_cache(KEPT_TAGS)
def sender_tag(user_id: str) -> str:
    """Return the word under which the events of a sender are filed."""
    return _SENDER_TAG + blake2b(user_id.encode(), digest_size=_SENDER_BYTES).hexdigest()


def person_of(user_id: str, display_name: str | None, avatar_url: str | None) -> Person:
    """Return what is filed of a user: the words of the name and of the user id without its server."""
    words = indexed_words(f"{display_name or ''} {local_words(user_id)}")
    return Person(user_id, display_name, avatar_url, " ".join(dict.fromkeys(words)))


def local_words(user_id: str) -> str:
    """Return the words of a user id without its server."""
    return " ".join(fold(user_id[1:].partition(":")[0]).split())
