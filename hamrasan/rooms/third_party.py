"""Accepting an invite that was sent to an address (client-server API, "Third-party invites").

This server uses no identity server, so such invites come to be only where a client writes `m.room.third_party_invite`
itself, or where other servers do. What can be decided without calling anybody is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.protocol.errors import bad_json, forbidden
from hamrasan.protocol.event import Event
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.room import Room

THIRD_PARTY_INVITE = "m.room.third_party_invite"


def exchanged_invite(room: Room, user_id: str, signed: Mapping[str, Any]) -> NewEvent:
    """Return the invite for `user_id` that a `third_party_signed` of `/join` proves; the rules check its signature.

    Raises `M_BAD_JSON` for a wrong form, `M_FORBIDDEN` if no pending invite matches, or if an identity server would
    have to be asked whether its key is still valid.
    """
    token = signed.get("token")
    if not isinstance(token, str) or not isinstance(signed.get("mxid"), str):
        raise bad_json("'third_party_signed' needs the strings 'mxid' and 'token'.")
    pending = room.event(THIRD_PARTY_INVITE, token)
    if pending is None:
        raise forbidden("The room holds no pending invite with this token.")
    if _needs_validity_check(pending):
        raise forbidden("This server asks no identity server whether the invite's key is still valid.")
    name = pending.content.get("display_name")
    content = {
        "membership": "invite",
        "third_party_invite": {"display_name": name if isinstance(name, str) else "", "signed": dict(signed)},
    }
    return NewEvent("m.room.member", pending.sender, content, user_id)


def _needs_validity_check(pending: Event) -> bool:
    listed = pending.content.get("public_keys")
    keys = [key for key in listed if isinstance(key, Mapping)] if isinstance(listed, list) else []
    return any("key_validity_url" in holder for holder in (pending.content, *keys))
