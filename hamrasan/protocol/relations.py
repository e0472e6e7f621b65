"""Relations between events (client-server API, "Forming relationships between events"), read from their content.

A relation that does not have the form of the specification is no relation; nothing here raises because of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeGuard

from hamrasan.protocol.errors import MatrixError

ANNOTATION = "m.annotation"
REPLACE = "m.replace"
THREAD = "m.thread"
REFERENCE = "m.reference"

ENCRYPTED = "m.room.encrypted"

MAX_IDENTIFIER_LENGTH = 255
"""Bytes of an event id and of a namespaced identifier (appendices, "Common Identifier Format")."""
MAX_THREAD_HOPS = 3
"""Relations followed to find an event's thread ("Receiving notifications" recommends three)."""


class Relation(NamedTuple):
    """What an event's `m.relates_to` says; `event_id` is the parent."""

    rel_type: str
    event_id: str
    key: str | None = None
    """What is annotated, for `m.annotation` only."""
    is_falling_back: bool = False
    """`in_reply_to` of a thread message is there for clients without threads only."""
    in_reply_to: str | None = None


class RelatedEvent(Protocol):
    """What must be known of an event to judge its relations; `hamrasan.protocol.event.Event` has all of it."""

    @property
    def event_id(self) -> str: ...
    @property
    def room_id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def state_key(self) -> str | None: ...
    @property
    def content(self) -> Mapping[str, Any]: ...
    @property
    def origin_server_ts(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """The aggregation of a thread for one reader ("Server-side aggregation of `m.thread` relationships")."""

    latest_event: Any
    """The event in client form, as a JSON value or ready bytes for the serialiser."""
    count: int
    current_user_participated: bool


def relation_of(content: Mapping[str, Any]) -> Relation | None:
    """Return the relation with a `rel_type` that an event's content has; a mere reply has none (`reply_target`)."""
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, dict):
        return None
    rel_type, event_id = relates_to.get("rel_type"), relates_to.get("event_id")
    if not (
        isinstance(rel_type, str) and 0 < len(rel_type) <= MAX_IDENTIFIER_LENGTH and _is_event_id(event_id)
    ):
        return None
    key = None
    if rel_type == ANNOTATION:
        key = relates_to.get("key")
        if not isinstance(key, str):
            return None
    return Relation(
        rel_type, event_id, key, relates_to.get("is_falling_back") is True, _reply_target(relates_to)
    )


def reply_target(content: Mapping[str, Any]) -> str | None:
    """Return the event that this one is a rich reply to, as content says; also in a thread and as a fallback."""
    relates_to = content.get("m.relates_to")
    return _reply_target(relates_to) if isinstance(relates_to, dict) else None


def _reply_target(relates_to: Mapping[str, Any]) -> str | None:
    in_reply_to = relates_to.get("m.in_reply_to")
    if not isinstance(in_reply_to, dict):
        return None
    event_id = in_reply_to.get("event_id")
    return event_id if _is_event_id(event_id) else None


def _is_event_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value.startswith("$") and len(value) <= MAX_IDENTIFIER_LENGTH


# Threads


def thread_root_of(
    relation: Relation | None,
    parent_relation: Callable[[str], Relation | None],
    max_hops: int = MAX_THREAD_HOPS,
) -> str | None:
    """Return the root of the thread that an event with this relation is part of, or None for the main timeline.

    A reaction to, an edit of or a reference to a thread's message is part of the thread. `parent_relation` gives
    the relation of an event by id (None where it has none or is unknown).
    """
    for _ in range(max_hops):
        if relation is None:
            return None
        if relation.rel_type == THREAD:
            return relation.event_id
        relation = parent_relation(relation.event_id)
    return None


def check_thread_root(root_content: Mapping[str, Any]) -> None:
    """Raise `M_UNKNOWN` (400) if no thread can start at the event with this content: it has a relation itself."""
    if relation_of(root_content) is not None:
        raise MatrixError(
            400, "M_UNKNOWN", "A thread cannot start at an event that itself relates to another event."
        )


# Annotations


def annotation_identity(event_type: str, sender: str, relation: Relation) -> tuple[str, str, str, str] | None:
    """Return what may exist only once per room: (parent, sender, type, key); None if it is no annotation."""
    if relation.rel_type != ANNOTATION or relation.key is None:
        return None
    return (relation.event_id, sender, event_type, relation.key)


def duplicate_annotation() -> MatrixError:
    """The sender has already made the same annotation ("Avoiding duplicate annotations")."""
    return MatrixError(400, "M_DUPLICATE_ANNOTATION", "You have already reacted to this event in this way.")


# Replacements


def valid_edit(original: RelatedEvent, edit: RelatedEvent) -> bool:
    """Return whether `edit` is a valid replacement of `original` ("Validity of replacement events").

    What is inside an encrypted edit cannot be seen here, so there `m.new_content` is not asked for.
    """
    relation = relation_of(edit.content)
    if relation is None or relation.rel_type != REPLACE or relation.event_id != original.event_id:
        return False
    if original.state_key is not None or edit.state_key is not None:
        return False
    if (original.room_id, original.sender, original.type) != (edit.room_id, edit.sender, edit.type):
        return False
    original_relation = relation_of(original.content)
    if original_relation is not None and original_relation.rel_type == REPLACE:
        return False
    return edit.type == ENCRYPTED or isinstance(edit.content.get("m.new_content"), dict)


def latest_edit(original: RelatedEvent, candidates: Iterable[RelatedEvent]) -> RelatedEvent | None:
    """Return the most recent valid replacement of `original`: by `origin_server_ts`, then by the larger event id."""
    return max(
        (candidate for candidate in candidates if valid_edit(original, candidate)),
        key=lambda edit: (edit.origin_server_ts, edit.event_id),
        default=None,
    )


def edited_content(original: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an event after a valid, unencrypted edit ("Applying `m.new_content`").

    The relation stays that of the original. Servers do not serve this; it is what search and summaries show.
    """
    content = {name: value for name, value in edit["m.new_content"].items() if name != "m.relates_to"}
    if "m.relates_to" in original:
        content["m.relates_to"] = original["m.relates_to"]
    return content


# Bundled aggregations


def bundled_relations(
    latest_replacement: Any = None, thread: ThreadSummary | None = None, references: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Return `unsigned.m.relations` of an event ("Aggregations of child events"), or None if nothing is bundled.

    `latest_replacement` is the whole edit in client form (a JSON value or ready bytes for the serialiser); it must
    not be given if the event is redacted. Annotations are not bundled. State events get no bundle at all.
    """
    relations: dict[str, Any] = {}
    if latest_replacement is not None:
        relations[REPLACE] = latest_replacement
    if thread is not None:
        relations[THREAD] = {
            "latest_event": thread.latest_event,
            "count": thread.count,
            "current_user_participated": thread.current_user_participated,
        }
    if references:
        relations[REFERENCE] = {"chunk": [{"event_id": event_id} for event_id in references]}
    return relations or None
