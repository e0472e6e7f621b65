"""Whether an event is allowed (server-server API, "Authorisation rules"; the list is in each room version).

    check_auth(event, state, version, *, authorised_signed=False) -> None       raises NotAllowed
    check_auth_events(event, auth_events, rejected, version) -> None            raises NotAllowed, MissingEventError

`check_auth` judges by a state: the one before the event, the one that its auth events make, or the current one.
`check_auth_events` judges the choice of the auth events themselves, which is the same whatever the state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from hamrasan.protocol.auth_rules.aliases import check_aliases
from hamrasan.protocol.auth_rules.create import check_create
from hamrasan.protocol.auth_rules.errors import MissingEventError, NotAllowed
from hamrasan.protocol.auth_rules.levels_change import check_power_levels
from hamrasan.protocol.auth_rules.member import check_member
from hamrasan.protocol.auth_rules.needs import CREATE, auth_types
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.auth_rules.redaction import check_redaction
from hamrasan.protocol.auth_rules.state import AuthState
from hamrasan.protocol.auth_rules.third_party_invite import check_third_party_invite
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import RoomVersion

_NOT_JUDGED_BY_LEVEL: Final = frozenset(
    {"m.room.create", "m.room.member", "m.room.aliases", "m.room.third_party_invite"}
)
"""Types for which (perhaps in some versions only) the required power level does not decide."""


def check_auth(
    event: Event, state: AuthState, version: RoomVersion, *, authorised_signed: bool = False
) -> None:
    """Raise `NotAllowed` unless `state` allows `event`.

    `state` needs to hold what `deciding_types` names. `authorised_signed` says whether the server of the user in
    `content.join_authorised_via_users_server` has validly signed the event: the caller has checked that, when the
    event came in or, for an event of its own, before it signs.
    """
    if event.type in _NOT_JUDGED_BY_LEVEL and _check_special(event, state, version, authorised_signed):
        return
    _check_room(event, state, version)
    sender, event_type, state_key = event.sender, event.type, event.state_key
    if state.membership(sender) != "join":
        raise NotAllowed(rule_numbers(version).sender_joined, f"{sender} is not in the room.")
    levels = state.power_levels
    if levels.of(sender) < levels.to_send(event_type, state_key is not None):
        needed = levels.to_send(event_type, state_key is not None)
        raise NotAllowed(
            rule_numbers(version).level, f"{sender} needs power level {needed} to send {event_type}."
        )
    if state_key is not None and state_key[:1] == "@" and state_key != sender:
        raise NotAllowed(
            rule_numbers(version).state_key, f"{sender} cannot set state that belongs to {state_key}."
        )
    if event_type == "m.room.power_levels":
        check_power_levels(event, state, version)
    elif event_type == "m.room.redaction" and version.authorization.redaction_needs_same_domain_or_level:
        check_redaction(event, state, version)


def _check_special(event: Event, state: AuthState, version: RoomVersion, authorised_signed: bool) -> bool:
    """Judge an event whose type has a rule that settles it; return False if in this version it has none."""
    if event.type == "m.room.create":
        check_create(event, version)
        return True
    _check_room(event, state, version)
    if event.type == "m.room.member":
        check_member(event, state, version, authorised_signed)
        return True
    if event.type == "m.room.aliases":
        if version.authorization.special_aliases:
            check_aliases(event, version)
        return version.authorization.special_aliases
    if state.membership(event.sender) != "join":
        raise NotAllowed(rule_numbers(version).sender_joined, f"{event.sender} is not in the room.")
    check_third_party_invite(event, state, version)
    return True


def _check_room(event: Event, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the event belongs to a created room that takes events of its sender's server."""
    create = state.create
    if create is None:
        raise NotAllowed(rule_numbers(version).room_id, "The room has no create event.")
    if version.authorization.room_id_is_create_hash and event.room_id[1:] != create.event_id[1:]:
        raise NotAllowed(rule_numbers(version).room_id, "The room id does not name the room's create event.")
    if (
        create.content.get("m.federate") is False
        and event.sender.partition(":")[2] != create.sender.partition(":")[2]
    ):
        raise NotAllowed(rule_numbers(version).federate, "The room is closed to users of other servers.")


def check_auth_events(
    event: Event, auth_events: Mapping[str, Event], rejected: Collection[str], version: RoomVersion
) -> None:
    """Raise `NotAllowed` unless `event.auth_events` are the right ones.

    `auth_events` holds at least the events that are cited, by id, `rejected` the ids of those (perhaps among others)
    that were rejected. Raises `MissingEventError` if a cited event is not given.
    """
    if event.type == "m.room.create":
        return
    rule = rule_numbers(version).auth_events
    expected = auth_types(event.type, event.sender, event.state_key, event.content, version)
    seen: set[StateKey] = set()
    for event_id in event.auth_events:
        cited = auth_events.get(event_id)
        if cited is None:
            raise MissingEventError(event_id, f"as auth event of {event.event_id}")
        key = cited.key
        if key in seen:
            raise NotAllowed(f"{rule}.1", f"The event cites two auth events of the type {cited.type}.")
        if key is None or key not in expected:
            raise NotAllowed(
                f"{rule}.2", f"The event cites an auth event of the type {cited.type} that it does not need."
            )
        if event_id in rejected:
            raise NotAllowed(f"{rule}.3", f"The event cites the auth event {event_id}, which was rejected.")
        if cited.room_id != event.room_id:
            raise NotAllowed(f"{rule}.5", f"The event cites the auth event {event_id} of another room.")
        seen.add(key)
    if CREATE in expected and CREATE not in seen:
        raise NotAllowed(f"{rule}.4", "The event does not cite the room's create event.")
