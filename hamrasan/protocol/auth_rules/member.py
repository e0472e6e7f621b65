"""`m.room.member`: who may change whose membership (each room version's authorization rules, rule 4 or 5)."""

from __future__ import annotations

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.auth_rules.power_levels import creators_of
from hamrasan.protocol.auth_rules.state import AuthState
from hamrasan.protocol.auth_rules.third_party_invite import check_exchanged_invite
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import AuthorizationRules, RoomVersion


def check_member(event: Event, state: AuthState, version: RoomVersion, authorised_signed: bool) -> None:
    """Raise `NotAllowed` unless the sender may give the target this membership.

    `authorised_signed` says whether the server of `join_authorised_via_users_server` has validly signed the event.
    """
    numbers = rule_numbers(version)
    rules = version.authorization
    membership, target = event.membership, event.state_key
    if target is None or membership is None:
        raise NotAllowed(f"{numbers.member}.1", "A membership event needs a state key and a membership.")
    if (
        rules.restricted_join
        and "join_authorised_via_users_server" in event.content
        and not authorised_signed
    ):
        raise NotAllowed(
            f"{numbers.member_authorised}.1",
            "The server of the user who authorised the join has not signed it.",
        )
    if membership == "join":
        _check_join(event, target, state, version)
    elif membership == "invite":
        _check_invite(event, target, state, version)
    elif membership == "leave":
        _check_leave(event, target, state, version)
    elif membership == "ban":
        _check_ban(event, target, state, version)
    elif membership == "knock" and rules.knock:
        _check_knock(event, target, state, version)
    else:
        raise NotAllowed(numbers.unknown_membership, "There is no such membership.")


def _check_join(event: Event, target: str, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the target may join."""
    if _is_creator_joining_first(event, target, state, version):
        return
    numbers = rule_numbers(version)
    if event.sender != target:
        raise NotAllowed(f"{numbers.join}.2", "Nobody can join for somebody else.")
    membership, join_rule = state.membership(target), state.join_rule
    if membership == "ban":
        raise NotAllowed(f"{numbers.join}.3", f"{target} is banned from the room.")
    if join_rule == "public":
        return
    rules = version.authorization
    restricted = _allows_restricted_join(join_rule, rules)
    if restricted or join_rule == "invite" or (join_rule == "knock" and rules.knock):
        if membership in ("join", "invite"):
            return
        if restricted:
            _check_authorising_user(event, state, version)
            return
        raise NotAllowed(numbers.join_otherwise, f"{target} is not invited to the room.")
    raise NotAllowed(numbers.join_otherwise, f"The room's join rule '{join_rule}' lets nobody join.")


def _is_creator_joining_first(event: Event, target: str, state: AuthState, version: RoomVersion) -> bool:
    """Tell whether this is the join that directly follows the create event (rule 1 of joining)."""
    create = state.create
    if create is None or list(event.prev_events) != [create.event_id]:
        return False
    return target in creators_of(create, version)[:1]


def _allows_restricted_join(join_rule: str, rules: AuthorizationRules) -> bool:
    """Tell whether members may let others in who meet the room's conditions."""
    if join_rule == "restricted":
        return rules.restricted_join
    return join_rule == "knock_restricted" and rules.knock_restricted_join


def _check_authorising_user(event: Event, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless a joined member who may invite vouches for the join."""
    rule = f"{rule_numbers(version).join_restricted}.2"
    authoriser = event.content.get("join_authorised_via_users_server")
    if not isinstance(authoriser, str):
        raise NotAllowed(rule, f"{event.sender} is not invited, and no member authorised the join.")
    if state.membership(authoriser) != "join":
        raise NotAllowed(rule, f"{authoriser}, who authorised the join, is not in the room.")
    if state.power_levels.of(authoriser) < state.power_levels.invite:
        raise NotAllowed(rule, f"{authoriser}, who authorised the join, may not invite.")


def _check_invite(event: Event, target: str, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the sender may invite the target."""
    if "third_party_invite" in event.content:
        check_exchanged_invite(event, state, version)
        return
    rule = rule_numbers(version).invite
    if state.membership(event.sender) != "join":
        raise NotAllowed(f"{rule}.2", f"{event.sender} is not in the room.")
    membership = state.membership(target)
    if membership in ("join", "ban"):
        what = "already in" if membership == "join" else "banned from"
        raise NotAllowed(f"{rule}.3", f"{target} is {what} the room.")
    levels = state.power_levels
    if levels.of(event.sender) < levels.invite:
        raise NotAllowed(f"{rule}.5", f"{event.sender} needs power level {levels.invite} to invite somebody.")


def _check_leave(event: Event, target: str, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the target leaves, or the sender may remove or unban the target."""
    rule = rule_numbers(version).leave
    own_membership = state.membership(event.sender)
    if event.sender == target:
        if own_membership in ("join", "invite") or (
            own_membership == "knock" and version.authorization.knock
        ):
            return
        raise NotAllowed(f"{rule}.1", f"{target} is not in the room, nor invited.")
    if own_membership != "join":
        raise NotAllowed(f"{rule}.2", f"{event.sender} is not in the room.")
    levels = state.power_levels
    own_level = levels.of(event.sender)
    if state.membership(target) == "ban" and own_level < levels.ban:
        raise NotAllowed(f"{rule}.3", f"{event.sender} needs power level {levels.ban} to lift a ban.")
    if own_level < levels.kick:
        raise NotAllowed(f"{rule}.5", f"{event.sender} needs power level {levels.kick} to remove somebody.")
    if levels.of(target) >= own_level:
        raise NotAllowed(f"{rule}.5", f"{target} has no lower power level than {event.sender}.")


def _check_ban(event: Event, target: str, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the sender may ban the target."""
    rule = rule_numbers(version).ban
    if state.membership(event.sender) != "join":
        raise NotAllowed(f"{rule}.1", f"{event.sender} is not in the room.")
    levels = state.power_levels
    own_level = levels.of(event.sender)
    if own_level < levels.ban:
        raise NotAllowed(f"{rule}.3", f"{event.sender} needs power level {levels.ban} to ban somebody.")
    if levels.of(target) >= own_level:
        raise NotAllowed(f"{rule}.3", f"{target} has no lower power level than {event.sender}.")


def _check_knock(event: Event, target: str, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless the sender may ask to be let in."""
    rule = rule_numbers(version).knock
    may_knock = state.join_rule == "knock" or (
        state.join_rule == "knock_restricted" and version.authorization.knock_restricted_join
    )
    if not may_knock:
        raise NotAllowed(f"{rule}.1", f"The room's join rule '{state.join_rule}' does not allow knocking.")
    if event.sender != target:
        raise NotAllowed(f"{rule}.2", "Nobody can knock for somebody else.")
    membership = state.membership(target)
    if membership in ("ban", "invite", "join"):
        raise NotAllowed(f"{rule}.4", f"{target} cannot knock with the membership '{membership}'.")
