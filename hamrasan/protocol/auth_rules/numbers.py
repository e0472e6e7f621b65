"""The numbers that the rules have in each room version's list (room versions, "Authorisation rules").

The rules themselves hardly move, their numbers do: a rule for `m.room.aliases` went, one for the room id came.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hamrasan.protocol.room_versions import AuthorizationRules, RoomVersion


@dataclass(frozen=True, slots=True)
class RuleNumbers:
    """Where each rule stands in one version's list."""

    room_id: str
    """The room id names the create event; from version 12, before that the create event is an auth event."""
    auth_events: str
    federate: str
    aliases: str
    member: str
    member_authorised: str
    join: str
    join_restricted: str
    join_otherwise: str
    invite: str
    leave: str
    ban: str
    knock: str
    unknown_membership: str
    sender_joined: str
    third_party_invite: str
    level: str
    state_key: str
    levels_integers: str
    levels_maps: str
    levels_users: str
    levels_creators: str
    levels_property_changed: str
    levels_entry_changed: str
    levels_entry_added: str
    levels_user_changed: str
    levels_user_added: str
    redaction: str


def rule_numbers(version: RoomVersion) -> RuleNumbers:
    """Return the numbers of `version`'s rules."""
    return _numbers(version.authorization)


@cache
def _numbers(rules: AuthorizationRules) -> RuleNumbers:
    """Count through the list as `rules` have it; worked out once for each distinct set of rules."""
    hashed = int(rules.room_id_is_create_hash)
    member = 4 + hashed + rules.special_aliases
    join = 2 + rules.restricted_join
    join_public = 5 + rules.restricted_join
    knock = join + 4
    levels = member + 5
    users = 3 if rules.integer_power_levels else 1
    changes = users + rules.privileged_creators + 2
    return RuleNumbers(
        room_id="2" if hashed else "2.4",
        auth_events=f"{2 + hashed}",
        federate=f"{3 + hashed}",
        aliases="4",
        member=f"{member}",
        member_authorised=f"{member}.2",
        join=f"{member}.{join}",
        join_restricted=f"{member}.{join}.5",
        join_otherwise=f"{member}.{join}.{join_public + 1}",
        invite=f"{member}.{join + 1}",
        leave=f"{member}.{join + 2}",
        ban=f"{member}.{join + 3}",
        knock=f"{member}.{knock}",
        unknown_membership=f"{member}.{knock + rules.knock}",
        sender_joined=f"{member + 1}",
        third_party_invite=f"{member + 2}",
        level=f"{member + 3}",
        state_key=f"{member + 4}",
        levels_integers=f"{levels}.1",
        levels_maps=f"{levels}.2",
        levels_users=f"{levels}.{users}",
        levels_creators=f"{levels}.4",
        levels_property_changed=f"{levels}.{changes}",
        levels_entry_changed=f"{levels}.{changes + 1}",
        levels_entry_added=f"{levels}.{changes + 2}",
        levels_user_changed=f"{levels}.{changes + 3}",
        levels_user_added=f"{levels}.{changes + 4}",
        redaction=f"{levels + 1}",
    )
