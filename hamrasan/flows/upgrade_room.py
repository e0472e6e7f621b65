"""Upgrading a room (client-server API, "Room Upgrades"): the old one ends and the new one begins in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamrasan.flows.carry_over_settings import CarryOverSettings
from hamrasan.protocol.canonical_json import check_canonical
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import parse_user_id
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.aliases import CANONICAL_ALIAS, Aliases, listed_aliases
from hamrasan.rooms.decision import Decision
from hamrasan.rooms.membership import MEMBER, Membership
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.new_rooms import NewRooms, creatable_version
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.upgraded_levels import POWER_LEVELS, silenced_levels, upgraded_levels
from hamrasan.storage.ports.rooms import (
    AliasesChanged,
    DirectoryChanged,
    MoveAliases,
    PublishRoom,
    RoomReader,
    UnpublishRoom,
)

MAX_CHILDREN = 500
"""Children of a space that move with it, the first ones by room id; each is an event of the one decision."""

_MOVED = (
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.guest_access",
    "m.room.history_visibility",
)
"""State that a new room takes over as it is ("Room Upgrades", server behaviour, step 3)."""
_JOIN_RULES = "m.room.join_rules"
_CHILD = "m.space.child"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What has to be looked up before both rooms can be decided on."""

    upgrader: str
    version: RoomVersion
    additional_creators: Sequence[str]
    number: int
    names: Mapping[str, str]
    aliases: Sequence[str]
    is_listed: bool


class UpgradeRoom:
    """Upgrades rooms."""

    def __init__(
        self,
        registry: RoomRegistry,
        access: RoomAccess,
        new_rooms: NewRooms,
        aliases: Aliases,
        membership: Membership,
        carry_over: CarryOverSettings,
        rooms: RoomReader,
    ) -> None:
        self._registry = registry
        self._access = access
        self._new_rooms = new_rooms
        self._aliases = aliases
        self._membership = membership
        self._carry_over = carry_over
        self._rooms = rooms

    async def upgrade(
        self, room_id: str, upgrader: str, version_id: str, additional_creators: Sequence[str] = ()
    ) -> str:
        """Replace a room by one of another version and return the new room's id; after any error nothing has changed.

        Raises `M_FORBIDDEN` for who may not end the room, `M_UNSUPPORTED_ROOM_VERSION`, `M_INVALID_PARAM`.
        """
        old = await self._access.joined(room_id, upgrader)
        version = creatable_version(version_id)
        if not version.authorization.privileged_creators:
            additional_creators = ()
        for user_id in additional_creators:
            parse_user_id(user_id)
        plan = _Plan(
            upgrader,
            version,
            additional_creators,
            await self._new_rooms.number(),
            await self._membership.names(upgrader),
            await self._aliases.of_room(old),
            await self._rooms.is_published(old.number),
        )
        # From here on nothing waits until the batch is handed over.
        new, decision = self._decide(old, plan)
        decision.batch.writes.append(MoveAliases(new.number, old.number))
        decision.batch.feed += [AliasesChanged(old.id), AliasesChanged(new.id)]
        if plan.is_listed:
            decision.batch.writes += [UnpublishRoom(old.number), PublishRoom(new.number)]
            decision.batch.feed += [
                DirectoryChanged(old.number, old.id, False),
                DirectoryChanged(new.number, new.id, True),
            ]
        await self._registry.create(new, decision)
        await self._carry_over.to_new_member(upgrader, new)
        return new.id

    def _decide(self, old: Room, plan: _Plan) -> tuple[Room, Decision]:
        """Return the new room and the decision on both rooms, the one first whose id the other needs."""
        # All of this is read from the old room as it is before it ends.
        last_words, first_events = self._last_words(old, plan), list(_first_events(old, plan))
        if plan.version.authorization.room_id_is_create_hash:
            new, beginning = self._begin(plan, _create_content(old, plan, old.extremities[0]), first_events)
            ending, _ = self._end(old, plan, new.id, last_words, after=beginning)
            return new, ending
        new_id = self._new_rooms.random_id()
        ending, tombstone_id = self._end(old, plan, new_id, last_words)
        try:
            content = _create_content(old, plan, tombstone_id)
            return self._begin(plan, content, first_events, new_id, after=ending)
        except BaseException:
            ending.undo()
            raise

    def _begin(
        self,
        plan: _Plan,
        content: Mapping[str, Any],
        first_events: Sequence[NewEvent],
        room_id: str | None = None,
        after: Decision | None = None,
    ) -> tuple[Room, Decision]:
        new, decision = self._new_rooms.begin(
            plan.number, plan.version, plan.upgrader, content, room_id=room_id, after=after
        )
        for event in first_events:
            decision.add(event)
        return new, decision

    def _end(
        self,
        old: Room,
        plan: _Plan,
        new_id: str,
        last_words: Sequence[NewEvent],
        after: Decision | None = None,
    ) -> tuple[Decision, str]:
        """Return the decision that ends the old room, and the tombstone's id. Raises `NotAllowed`."""
        decision = self._registry.begin(old, after)
        content = {"body": "This room has been replaced.", "replacement_room": new_id}
        tombstone = decision.add(NewEvent("m.room.tombstone", plan.upgrader, content, ""))
        for event in last_words:
            decision.add(event)
        return decision, tombstone.event_id

    def _last_words(self, old: Room, plan: _Plan) -> list[NewEvent]:
        """Return what follows the tombstone, as far as the upgrader has the rights: it is not needed for an upgrade."""
        events = [NewEvent(POWER_LEVELS, plan.upgrader, silenced_levels(old), "")]
        canonical = old.content(CANONICAL_ALIAS)
        if not listed_aliases(canonical, strict=False).isdisjoint(plan.aliases):
            events.append(
                NewEvent(
                    CANONICAL_ALIAS, plan.upgrader, _aliases_but(canonical, plan.aliases, keep=False), ""
                )
            )
        return [event for event in events if self._registry.allows(old, event)]


def _create_content(old: Room, plan: _Plan, last_event: str) -> dict[str, Any]:
    before = old.content("m.room.create")
    content: dict[str, Any] = {"predecessor": {"room_id": old.id, "event_id": last_event}}
    content.update({key: before[key] for key in ("type", "m.federate") if key in before})
    if plan.additional_creators:
        content["additional_creators"] = list(dict.fromkeys(plan.additional_creators))
    return content


def _first_events(old: Room, plan: _Plan) -> Iterator[NewEvent]:
    """Yield the new room's events after the create event.

    The power levels come last: until then the creator may do everything, whatever their level was in the old room.
    """
    upgrader = plan.upgrader
    yield NewEvent(MEMBER, upgrader, {"membership": "join", **plan.names}, upgrader)
    for (event_type, state_key), content in _moved_state(old, plan):
        if _can_move(content):
            yield NewEvent(event_type, upgrader, content, state_key)
    levels = upgraded_levels(old, plan.version, (upgrader, *plan.additional_creators))
    yield NewEvent(POWER_LEVELS, upgrader, levels, "")


def _moved_state(old: Room, plan: _Plan) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    for event_type in _MOVED:
        if content := old.content(event_type):
            yield (event_type, ""), content
    yield (_JOIN_RULES, ""), _join_rules(old, plan.version)
    if kept := _aliases_but(old.content(CANONICAL_ALIAS), plan.aliases, keep=True):
        yield (CANONICAL_ALIAS, ""), kept
    children = sorted(key for key in old.state if key[0] == _CHILD and old.content(*key))
    for key in children[:MAX_CHILDREN]:
        yield key, old.content(*key)


def _join_rules(old: Room, version: RoomVersion) -> Mapping[str, Any]:
    """Return the join rules, or a stricter one where rooms of `version` do not know that rule."""
    content = old.content(_JOIN_RULES) or {"join_rule": "invite"}
    rules = version.authorization
    known = {
        "knock": rules.knock,
        "restricted": rules.restricted_join,
        "knock_restricted": rules.knock_restricted_join,
    }
    return content if known.get(old.join_rule, True) else {"join_rule": "invite"}


def _aliases_but(content: Mapping[str, Any], moved: Sequence[str], *, keep: bool) -> dict[str, Any]:
    """Return an `m.room.canonical_alias` with only those aliases that move (`keep`), or that do not."""
    changed: dict[str, Any] = {}
    alias, alternatives = content.get("alias"), content.get("alt_aliases")
    if isinstance(alias, str) and (alias in moved) == keep:
        changed["alias"] = alias
    if isinstance(alternatives, list):
        rest = [item for item in alternatives if isinstance(item, str) and (item in moved) == keep]
        if rest:
            changed["alt_aliases"] = rest
    return changed


def _can_move(content: Mapping[str, Any]) -> bool:
    """Return whether rooms of every version take this content: old ones may hold numbers that new ones refuse."""
    try:
        check_canonical(content)
    except MatrixError:
        return False
    return True
