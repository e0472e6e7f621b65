"""Sending message events: what depends on the content beyond the authorization rules.

A plain message needs nothing of this and goes straight to the registry; see `sends_plainly`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.accounts.accounts import user_suspended
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError, bad_json, missing_param, not_found
from hamrasan.protocol.relations import (
    THREAD,
    Relation,
    annotation_identity,
    check_thread_root,
    duplicate_annotation,
    relation_of,
)
from hamrasan.rooms.new_event import NewEvent, Transaction
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.relations import RelationReader

REDACTION = "m.room.redaction"


def sends_plainly(event_type: str, content: Mapping[str, Any]) -> bool:
    """Return whether nothing but the authorization rules decides about such an event."""
    return "m.relates_to" not in content and event_type != REDACTION


class Messages:
    """Sends message events that relate to others, and redactions."""

    def __init__(self, registry: RoomRegistry, relations: RelationReader) -> None:
        self._registry = registry
        self._relations = relations
        self._annotating: set[tuple[int, tuple[str, str, str, str]]] = set()

    async def send(
        self,
        room: Room,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        txn: Transaction,
        sent_ts: int | None = None,
        *,
        only_own: bool = False,
    ) -> str:
        """Send an event of any type and return its id, the first one for a repeated transaction.

        `sent_ts` is when an application service says that it was sent. With `only_own` (for suspended users) a
        redaction may take back nothing but what its sender has sent.

        Raises what `RoomRegistry.send` does, `M_DUPLICATE_ANNOTATION`, and `M_UNKNOWN` (400) for a thread on an event
        that has a relation itself.
        """
        if event_type == REDACTION:
            return await self._redact_by_content(room, sender, content, txn, sent_ts, only_own)
        new = NewEvent(event_type, sender, content, txn=txn, origin_server_ts=sent_ts)
        relation = relation_of(content)
        known = None if relation is None else await self._registry.find_transaction(room, sender, txn)
        if relation is None:
            return await self._registry.send(room, new)
        if known is not None:
            return known
        identity = annotation_identity(event_type, sender, relation)
        if identity is not None:
            return await self._annotate(room, new, identity)
        if relation.rel_type == THREAD:
            await self._check_thread(room, relation)
        return await self._registry.send(room, new)

    async def redact(
        self,
        room: Room,
        sender: str,
        event_id: str,
        content: Mapping[str, Any],
        txn: Transaction,
        sent_ts: int | None = None,
        *,
        only_own: bool = False,
    ) -> str:
        """Redact an event and return the redaction's id.

        Raises `M_NOT_FOUND`, `M_FORBIDDEN`, and with `only_own` `M_USER_SUSPENDED` for an event of somebody else.
        """
        known = await self._registry.find_transaction(room, sender, txn)
        if known is not None:
            return known
        target = await self._registry.events.by_id(event_id)
        if target is None or target.room != room.number:
            raise not_found("There is no such event in this room.")
        if only_own and target.sender != sender:
            raise user_suspended()
        new = NewEvent(REDACTION, sender, content, txn=txn, redacts=target, origin_server_ts=sent_ts)
        return await self._registry.send(room, new)

    async def _redact_by_content(
        self,
        room: Room,
        sender: str,
        content: Mapping[str, Any],
        txn: Transaction,
        sent_ts: int | None,
        only_own: bool,
    ) -> str:
        """Send a redaction whose content names the event, whatever the room version ("sendMessage")."""
        if "redacts" not in content:
            raise missing_param("redacts")
        event_id = content["redacts"]
        if not isinstance(event_id, str):
            raise bad_json("'redacts' must be the id of an event.")
        rest = {key: value for key, value in content.items() if key != "redacts"}
        return await self.redact(room, sender, event_id, rest, txn, sent_ts, only_own=only_own)

    async def _annotate(self, room: Room, new: NewEvent, identity: tuple[str, str, str, str]) -> str:
        """Send an annotation unless the sender has made the same one, perhaps this very moment."""
        key = (room.number, identity)
        if key in self._annotating:
            raise duplicate_annotation()
        self._annotating.add(key)
        try:
            if await self._is_annotated(room, identity):
                raise duplicate_annotation()
            return await self._registry.send(room, new)
        finally:
            self._annotating.discard(key)

    async def _is_annotated(self, room: Room, identity: tuple[str, str, str, str]) -> bool:
        parent, sender, event_type, _ = identity
        for stored in await self._relations.annotations(parent, sender):
            relation = relation_of(parse_json(stored.content)) if stored.type == event_type else None
            if relation is None or stored.room != room.number:
                continue
            if annotation_identity(event_type, sender, relation) == identity:
                return True
        return False

    async def _check_thread(self, room: Room, relation: Relation) -> None:
        root = await self._registry.events.by_id(relation.event_id)
        if root is None:
            return  # perhaps one that this server has not received
        if root.room != room.number:
            raise MatrixError(400, "M_UNKNOWN", "A thread cannot start at an event of another room.")
        check_thread_root(parse_json(root.content))
