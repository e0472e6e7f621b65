"""Room versions as data: one table, in which each version says only what it changes (specification, "Room versions").

No other module compares version numbers; code asks the rules below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from hamrasan.protocol.errors import MatrixError


class EventIdFormat(Enum):
    """How an event gets its id."""

    CHOSEN_BY_SERVER = "$localpart:server, chosen by the sending server"
    REFERENCE_HASH_BASE64 = "$ + unpadded base64 of the reference hash"
    REFERENCE_HASH_URLSAFE = "$ + unpadded URL-safe base64 of the reference hash"


class StateResolution(Enum):
    """Which state resolution algorithm merges the branches of a room."""

    V1 = "1"
    V2 = "2"
    V2_1 = "2.1"


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What survives the redaction of an event, beyond what has always survived (each version's "Redactions")."""

    keeps_origin_membership_prev_state: bool = True
    """Top-level `origin`, `membership` and `prev_state` survive (until version 11)."""
    keeps_aliases: bool = True
    """`content.aliases` of `m.room.aliases` survives (until version 6)."""
    keeps_join_rules_allow: bool = False
    keeps_member_authorising_user: bool = False
    """`join_authorised_via_users_server` of `m.room.member` survives."""
    keeps_all_create_content: bool = False
    keeps_power_levels_invite: bool = False
    keeps_redacts_in_content: bool = False
    keeps_third_party_invite_signed: bool = False


@dataclass(frozen=True, slots=True)
class AuthorizationRules:
    """What decides whether an event is allowed (each version's "Authorization rules")."""

    special_aliases: bool = True
    """`m.room.aliases` has a rule of its own (until version 6)."""
    redaction_needs_same_domain_or_level: bool = True
    """`m.room.redaction` is judged by the authorization rules (versions 1 and 2)."""
    limits_notification_levels: bool = False
    """Changes to `notifications` of the power levels are checked like those to `events`."""
    knock: bool = False
    restricted_join: bool = False
    knock_restricted_join: bool = False
    integer_power_levels: bool = False
    """Power levels must be integers; strings are refused (from version 10)."""
    creator_from_sender: bool = False
    """The creator is the sender of `m.room.create`, not `content.creator`."""
    privileged_creators: bool = False
    """Creators, also `additional_creators`, stand above every power level and may not be listed among them."""
    room_id_is_create_hash: bool = False
    """The room id is the create event's hash; the create event has no `room_id` and is in no `auth_events`."""


@dataclass(frozen=True, slots=True)
class RoomVersion:
    """The rules of one room version."""

    id: str
    stable: bool
    event_id_format: EventIdFormat
    state_resolution: StateResolution
    redaction: RedactionRules
    authorization: AuthorizationRules
    hashed_references: bool
    """`prev_events` and `auth_events` hold [id, hashes] pairs (versions 1 and 2), else plain ids."""
    strict_canonical_json: bool = False
    """Floats and integers beyond 2^53-1 are refused in events (from version 6)."""
    enforces_key_validity: bool = False
    """Signatures count only while the signing key was valid (from version 5)."""
    redacts_in_content: bool = False
    """`redacts` of `m.room.redaction` stands in `content` (from version 11)."""


_V1 = RoomVersion(
    id="1",
    stable=True,
    event_id_format=EventIdFormat.CHOSEN_BY_SERVER,
    state_resolution=StateResolution.V1,
    redaction=RedactionRules(),
    authorization=AuthorizationRules(),
    hashed_references=True,
)
_V2 = replace(_V1, id="2", state_resolution=StateResolution.V2)
_V3 = replace(
    _V2,
    id="3",
    event_id_format=EventIdFormat.REFERENCE_HASH_BASE64,
    hashed_references=False,
    authorization=replace(_V2.authorization, redaction_needs_same_domain_or_level=False),
)
_V4 = replace(_V3, id="4", event_id_format=EventIdFormat.REFERENCE_HASH_URLSAFE)
_V5 = replace(_V4, id="5", enforces_key_validity=True)
_V6 = replace(
    _V5,
    id="6",
    strict_canonical_json=True,
    redaction=replace(_V5.redaction, keeps_aliases=False),
    authorization=replace(_V5.authorization, special_aliases=False, limits_notification_levels=True),
)
_V7 = replace(_V6, id="7", authorization=replace(_V6.authorization, knock=True))
_V8 = replace(
    _V7,
    id="8",
    redaction=replace(_V7.redaction, keeps_join_rules_allow=True),
    authorization=replace(_V7.authorization, restricted_join=True),
)
_V9 = replace(_V8, id="9", redaction=replace(_V8.redaction, keeps_member_authorising_user=True))
_V10 = replace(
    _V9,
    id="10",
    authorization=replace(_V9.authorization, knock_restricted_join=True, integer_power_levels=True),
)
_V11 = replace(
    _V10,
    id="11",
    redaction=replace(
        _V10.redaction,
        keeps_origin_membership_prev_state=False,
        keeps_all_create_content=True,
        keeps_power_levels_invite=True,
        keeps_redacts_in_content=True,
        keeps_third_party_invite_signed=True,
    ),
    authorization=replace(_V10.authorization, creator_from_sender=True),
    redacts_in_content=True,
)
_V12 = replace(
    _V11,
    id="12",
    state_resolution=StateResolution.V2_1,
    authorization=replace(_V11.authorization, privileged_creators=True, room_id_is_create_hash=True),
)

ROOM_VERSIONS: dict[str, RoomVersion] = {
    version.id: version for version in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)
}
DEFAULT_ROOM_VERSION = _V12.id


def room_version(version_id: str) -> RoomVersion:
    """Return the rules of a room version; raise `M_UNSUPPORTED_ROOM_VERSION` if this server does not know it."""
    try:
        return ROOM_VERSIONS[version_id]
    except KeyError:
        raise MatrixError(
            400, "M_UNSUPPORTED_ROOM_VERSION", f"This server does not support room version '{version_id}'."
        ) from None
