"""Which state decides about an event (server-server API, "Auth events selection").

    auth_types(type, sender, state_key, content, version) -> tuple[StateKey, ...]      what `auth_events` cites
    deciding_types(type, sender, state_key, content, version) -> tuple[StateKey, ...]  what `check_auth` reads

The two differ in rooms whose id is the hash of their create event (version 12): there the room id stands for the
create event, which is not cited, but still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hamrasan.protocol.event import StateKey
from hamrasan.protocol.room_versions import RoomVersion

CREATE: Final[StateKey] = ("m.room.create", "")
POWER_LEVELS: Final[StateKey] = ("m.room.power_levels", "")
JOIN_RULES: Final[StateKey] = ("m.room.join_rules", "")


def auth_types(
    event_type: str, sender: str, state_key: str | None, content: Mapping[str, Any], version: RoomVersion
) -> tuple[StateKey, ...]:
    """Return the keys of the state events that belong in `auth_events` of such an event, each key once."""
    if event_type == "m.room.create":
        return ()
    own_member = ("m.room.member", sender)
    if version.authorization.room_id_is_create_hash:
        usual: tuple[StateKey, ...] = (POWER_LEVELS, own_member)
    else:
        usual = (CREATE, POWER_LEVELS, own_member)
    if event_type != "m.room.member":
        return usual
    return tuple(dict.fromkeys((*usual, *_member_types(state_key, content, version))))


def deciding_types(
    event_type: str, sender: str, state_key: str | None, content: Mapping[str, Any], version: RoomVersion
) -> tuple[StateKey, ...]:
    """Return the keys that `check_auth` may read: those of `auth_types` and always the create event."""
    types = auth_types(event_type, sender, state_key, content, version)
    return types if event_type == "m.room.create" or CREATE in types else (CREATE, *types)


def _member_types(state_key: str | None, content: Mapping[str, Any], version: RoomVersion) -> list[StateKey]:
    """Return what a change of membership needs beyond what every event needs."""
    membership = content.get("membership")
    types: list[StateKey] = []
    if state_key is not None:
        types.append(("m.room.member", state_key))
    if membership in ("join", "invite", "knock"):
        types.append(JOIN_RULES)
    if membership == "invite":
        token = third_party_token(content)
        if token is not None:
            types.append(("m.room.third_party_invite", token))
    if membership == "join" and version.authorization.restricted_join:
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str):
            types.append(("m.room.member", authoriser))
    return types


def third_party_token(content: Mapping[str, Any]) -> str | None:
    """Return `content.third_party_invite.signed.token` where it is a string."""
    invite = content.get("third_party_invite")
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    token = signed.get("token") if isinstance(signed, Mapping) else None
    return token if isinstance(token, str) else None
