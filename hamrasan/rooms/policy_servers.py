"""Whether a room has its events judged by a policy server, and what that said (server-server API, "Policy Servers")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.signing import PUBLIC_KEY_BYTES, SignatureError, verify_event_signature
from hamrasan.rooms.room import Room

POLICY = ("m.room.policy", "")
KEY_ID = "ed25519:policy_server"
"""Under which a policy server signs, always."""


class PolicyServer(NamedTuple):
    """The policy server of a room, and the key that the room knows it by."""

    name: str
    public_key: bytes


def policy_server_of(room: Room) -> PolicyServer | None:
    """Return the policy server that a room uses now: the state names one, and it has somebody in the room."""
    event = room.event(*POLICY)
    if event is None:
        return None
    via, keys = event.content.get("via"), event.content.get("public_keys")
    key = keys.get("ed25519") if isinstance(keys, Mapping) else None
    if not isinstance(via, str) or not isinstance(key, str) or via not in room.servers:
        return None
    try:
        public_key = decode_base64(key)
    except MatrixError:
        return None
    return PolicyServer(via, public_key) if len(public_key) == PUBLIC_KEY_BYTES else None


def is_judged(event_type: str, state_key: str | None) -> bool:
    """Return whether policy servers are asked about such an event: about all but the one that names them."""
    return (event_type, state_key) != POLICY


def is_recommended(pdu: Mapping[str, Any], room: Room, server: PolicyServer) -> bool:
    """Return whether a policy server has signed an event."""
    try:
        verify_event_signature(pdu, room.version, server.name, KEY_ID, server.public_key)
    except SignatureError:
        return False
    return True
