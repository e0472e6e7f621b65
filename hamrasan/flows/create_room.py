"""Creating a room (client-server API, "Creation"): all of its first events, its alias and its listing in one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hamrasan.protocol.auth_rules import NotAllowed
from hamrasan.protocol.errors import MatrixError, invalid_param
from hamrasan.protocol.room_versions import DEFAULT_ROOM_VERSION, RoomVersion
from hamrasan.rooms.aliases import CANONICAL_ALIAS, Aliases, AliasInUse, bad_alias, listed_aliases
from hamrasan.rooms.decision import Decision
from hamrasan.rooms.default_levels import PRIVATE_INVITE_LEVEL, default_power_levels, secure_tombstone
from hamrasan.rooms.membership import MEMBER, Membership
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.new_rooms import NewRooms, creatable_version
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.journal import Write
from hamrasan.storage.ports.rooms import AliasesChanged, DirectoryChanged, PublishRoom, PutAlias

MAX_INVITES = 100
"""Users invited with the creation; each is an event of the one decision, during which nobody else is served."""
MAX_INITIAL_STATE = 100
"""State events of the client's own, for the same reason."""

_log = get_logger(__name__)

Also = Callable[[str], Sequence[Write]]
"""From the id of a new room to what is written together with it."""
Preset = Literal["private_chat", "trusted_private_chat", "public_chat"]
Visibility = Literal["public", "private"]

_PRESETS: Mapping[Preset, tuple[str, str]] = {
    "private_chat": ("invite", "can_join"),
    "trusted_private_chat": ("invite", "can_join"),
    "public_chat": ("public", "forbidden"),
}
"""Join rule and guest access of each preset ("createRoom", the table of presets)."""


@dataclass(frozen=True, slots=True)
class StateWish:
    """A state event that the client wants in the new room."""

    type: str
    state_key: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RoomWish:
    """What a client asks for; the names are those of the `createRoom` request."""

    preset: Preset | None = None
    visibility: Visibility = "private"
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: Sequence[str] = ()
    is_direct: bool = False
    room_version: str | None = None
    creation_content: Mapping[str, Any] = field(default_factory=dict)
    initial_state: Sequence[StateWish] = ()
    power_level_content_override: Mapping[str, Any] = field(default_factory=dict)

    @property
    def effective_preset(self) -> Preset:
        """The preset; if none was named, the one that goes with the visibility."""
        return self.preset or ("public_chat" if self.visibility == "public" else "private_chat")


@dataclass(frozen=True, slots=True)
class _Plan:
    """A wish with everything that has to be looked up before the room can be decided on."""

    wish: RoomWish
    version: RoomVersion
    creator: str
    alias: str | None
    names: Mapping[str, Mapping[str, str]]
    """Name and avatar of the creator and of everybody invited."""
    invitees: Sequence[str]
    local_invitees: Sequence[str]
    """Those of them that are of this server; others are invited when the room is there."""


class CreateRoom:
    """Creates rooms."""

    def __init__(
        self, registry: RoomRegistry, new_rooms: NewRooms, aliases: Aliases, membership: Membership
    ) -> None:
        self._registry = registry
        self._new_rooms = new_rooms
        self._aliases = aliases
        self._membership = membership

    async def create(
        self, creator: str, wish: RoomWish, service: str | None = None, also: Also | None = None
    ) -> str:
        """Create a room and return its id; after any error there is nothing of it.

        `service` is the application service that asks, if it is one; what `also` returns is written with the room.

        Raises `M_UNSUPPORTED_ROOM_VERSION`, `M_INVALID_PARAM`, `M_ROOM_IN_USE` (the alias), `M_INVITE_BLOCKED`,
        `M_EXCLUSIVE` (the alias), `M_NOT_FOUND` (an invited user), `M_INVALID_ROOM_STATE`, `M_BAD_ALIAS`,
        `M_TOO_LARGE`.
        """
        plan = await self._plan(creator, wish)
        if plan.alias is None:
            return await self._create(plan, also)
        self._aliases.check_reserved(plan.alias, service)
        try:
            async with self._aliases.claim(plan.alias):
                return await self._create(plan, also)
        except AliasInUse:
            raise MatrixError(
                400, "M_ROOM_IN_USE", f"The room alias {plan.alias} is already in use."
            ) from None

    async def _plan(self, creator: str, wish: RoomWish) -> _Plan:
        version = creatable_version(wish.room_version or DEFAULT_ROOM_VERSION)
        alias = None if wish.room_alias_name is None else self._aliases.with_localpart(wish.room_alias_name)
        _check_initial_state(wish, alias)
        invitees = list(dict.fromkeys(wish.invite))
        if len(invitees) > MAX_INVITES:
            raise invalid_param(f"At most {MAX_INVITES} users can be invited while a room is created.")
        for user_id in invitees:
            await self._membership.check_invitee(user_id, creator)
        names = {user_id: await self._membership.names(user_id) for user_id in (creator, *invitees)}
        local = [user_id for user_id in invitees if self._membership.is_local(user_id)]
        return _Plan(wish, version, creator, alias, names, invitees, local)

    async def _create(self, plan: _Plan, also: Also | None) -> str:
        number = await self._new_rooms.number()
        # From here on nothing waits until the batch is handed over.
        try:
            room, decision = self._new_rooms.begin(
                number, plan.version, plan.creator, _creation_content(plan)
            )
            for event in _first_events(plan):
                decision.add(event)
        except NotAllowed as error:
            raise MatrixError(400, "M_INVALID_ROOM_STATE", error.message) from None
        _list_room(plan, room, decision)
        if also is not None:
            decision.batch.writes += also(room.id)
        await self._registry.create(room, decision)
        for user_id in plan.invitees:
            if not self._membership.is_local(user_id):
                await self._invite_elsewhere(room, plan, user_id)
        return room.id

    async def _invite_elsewhere(self, room: Room, plan: _Plan, user_id: str) -> None:
        """Invite a user of another server into the new room, which stands also if that fails."""
        try:
            await self._membership.invite(room.id, plan.creator, user_id, **_direct(plan.wish))
        except MatrixError as error:
            _log.info("an invite failed while a room was created", user_id=user_id, reason=error.message)


def _check_initial_state(wish: RoomWish, alias: str | None) -> None:
    if len(wish.initial_state) > MAX_INITIAL_STATE:
        raise invalid_param(f"'initial_state' may have at most {MAX_INITIAL_STATE} events.")
    for state in wish.initial_state:
        if state.type == MEMBER:
            raise MatrixError(
                400,
                "M_INVALID_ROOM_STATE",
                "Memberships do not belong into 'initial_state'; please use 'invite'.",
            )
        if state.type == CANONICAL_ALIAS and not state.state_key:
            for listed in sorted(listed_aliases(state.content) - {alias}):
                raise bad_alias(listed)


def _creation_content(plan: _Plan) -> dict[str, Any]:
    content = dict(plan.wish.creation_content)
    if _trusts_invitees(plan) and plan.version.authorization.privileged_creators and plan.invitees:
        wished = content.get("additional_creators", [])
        if isinstance(wished, list):  # anything else is refused by the authorization rules
            content["additional_creators"] = list(dict.fromkeys([*wished, *plan.invitees]))
    return content


def _trusts_invitees(plan: _Plan) -> bool:
    return plan.wish.effective_preset == "trusted_private_chat"


def _first_events(plan: _Plan) -> Iterator[NewEvent]:
    """Yield the events after the create event, in the order of the specification ("createRoom")."""
    wish, creator = plan.wish, plan.creator

    def state(event_type: str, content: Mapping[str, Any], state_key: str = "") -> NewEvent:
        return NewEvent(event_type, creator, content, state_key)

    yield state(MEMBER, {"membership": "join", **plan.names[creator]}, creator)
    yield state("m.room.power_levels", _power_levels(plan))
    if plan.alias is not None:
        yield state(CANONICAL_ALIAS, {"alias": plan.alias})
    wished = {wish_state.type for wish_state in wish.initial_state if not wish_state.state_key}
    for event_type, content in _preset_state(wish.effective_preset):
        if event_type not in wished:
            yield state(event_type, content)
    named = _name_and_topic(wish)
    for initial in wish.initial_state:
        if initial.state_key or initial.type not in named:
            yield state(initial.type, initial.content, initial.state_key)
    for event_type, content in named.items():
        yield state(event_type, content)
    for user_id in plan.local_invitees:
        yield state(MEMBER, {"membership": "invite", **plan.names[user_id], **_direct(wish)}, user_id)


def _direct(wish: RoomWish) -> dict[str, Any]:
    return {"is_direct": True} if wish.is_direct else {}


def _preset_state(preset: Preset) -> Iterator[tuple[str, Mapping[str, Any]]]:
    join_rule, guest_access = _PRESETS[preset]
    yield "m.room.join_rules", {"join_rule": join_rule}
    yield "m.room.history_visibility", {"history_visibility": "shared"}
    yield "m.room.guest_access", {"guest_access": guest_access}


def _name_and_topic(wish: RoomWish) -> dict[str, Mapping[str, Any]]:
    events: dict[str, Mapping[str, Any]] = {}
    if wish.name is not None:
        events["m.room.name"] = {"name": wish.name}
    if wish.topic is not None:
        events["m.room.topic"] = topic_content(wish.topic)
    return events


def topic_content(topic: str) -> dict[str, Any]:
    """Return the content of an `m.room.topic` for a plain text."""
    return {"topic": topic, "m.topic": {"m.text": [{"body": topic, "mimetype": "text/plain"}]}}


def _power_levels(plan: _Plan) -> dict[str, Any]:
    trusted = plan.invitees if _trusts_invitees(plan) else ()
    levels = default_power_levels(plan.version, plan.creator, trusted)
    if plan.wish.effective_preset != "public_chat":
        levels["invite"] = PRIVATE_INVITE_LEVEL
    override = plan.wish.power_level_content_override
    levels.update(override)
    wished = override.get("events")
    if isinstance(wished, Mapping) and "m.room.tombstone" in wished:
        return levels
    return secure_tombstone(levels, plan.version)


def _list_room(plan: _Plan, room: Room, decision: Decision) -> None:
    """Add the alias and the directory's entry to the decision."""
    if plan.alias is not None:
        decision.batch.writes.append(PutAlias(plan.alias, room.number, plan.creator))
        decision.batch.feed.append(AliasesChanged(room.id))
    if plan.wish.visibility == "public":
        decision.batch.writes.append(PublishRoom(room.number))
        decision.batch.feed.append(DirectoryChanged(room.number, room.id, True))
