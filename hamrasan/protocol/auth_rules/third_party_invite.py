"""Invites to people known by an e-mail address or phone number (server-server API, "Third-party invites").

`check_third_party_invite` is the rule for `m.room.third_party_invite`, `check_exchanged_invite` the one for the
`m.room.member` that is made of it when the person turns out to have a Matrix id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.auth_rules.state import AuthState
from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.protocol.hashing import encode_event
from hamrasan.protocol.room_versions import RoomVersion

MAX_SIGNATURE_CHECKS = 32
"""How many pairs of key and signature are tried for one invite: an identity server writes one or two keys and signs
once, and each check costs some 100 µs."""


def check_third_party_invite(event: Event, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless a joined sender may invite; this type has no required level of its own."""
    levels = state.power_levels
    if levels.of(event.sender) < levels.invite:
        raise NotAllowed(
            f"{rule_numbers(version).third_party_invite}.1",
            f"{event.sender} needs power level {levels.invite} to invite somebody.",
        )


def check_exchanged_invite(event: Event, state: AuthState, version: RoomVersion) -> None:
    """Raise `NotAllowed` unless `content.third_party_invite` proves that the invited address is the target's."""
    rule = f"{rule_numbers(version).invite}.1"
    target = event.state_key or ""
    if state.membership(target) == "ban":
        raise NotAllowed(f"{rule}.1", f"{target} is banned from the room.")
    invite = event.content["third_party_invite"]
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    if not isinstance(signed, Mapping):
        raise NotAllowed(f"{rule}.2", "The third-party invite is not signed.")
    mxid, token = signed.get("mxid"), signed.get("token")
    if not isinstance(mxid, str) or not isinstance(token, str):
        raise NotAllowed(f"{rule}.3", "The third-party invite lacks 'mxid' or 'token'.")
    if mxid != target:
        raise NotAllowed(f"{rule}.4", f"The third-party invite is for {mxid}, not for {target}.")
    original = state.event("m.room.third_party_invite", token)
    if original is None:
        raise NotAllowed(f"{rule}.5", "The room holds no third-party invite with this token.")
    if original.sender != event.sender:
        raise NotAllowed(
            f"{rule}.6", f"The third-party invite was sent by {original.sender}, not by {event.sender}."
        )
    if not _is_signed_by_any(signed, _public_keys(original), version):
        raise NotAllowed(
            f"{rule}.8", "No signature of the third-party invite matches a key that the room holds."
        )


def _public_keys(original: Event) -> list[str]:
    """Return the keys of an `m.room.third_party_invite`: `public_key` and those in `public_keys`."""
    listed = original.content.get("public_keys")
    entries = listed if isinstance(listed, list) else []
    keys = [
        original.content.get("public_key"),
        *(e.get("public_key") for e in entries if isinstance(e, Mapping)),
    ]
    return [key for key in keys if isinstance(key, str)]


def _is_signed_by_any(signed: Mapping[str, Any], keys: list[str], version: RoomVersion) -> bool:
    """Tell whether a signature of `signed`, whoever is named as its maker, is by one of the keys."""
    try:
        message = encode_event(
            {k: v for k, v in signed.items() if k not in ("signatures", "unsigned")}, version
        )
    except MatrixError:
        return False
    checks = 0
    for signature in _signatures(signed.get("signatures")):
        for key in keys:
            checks += 1
            if checks > MAX_SIGNATURE_CHECKS:
                return False
            if _verifies(key, message, signature):
                return True
    return False


def _signatures(signatures: Any) -> Iterator[str]:
    """Yield the ed25519 signatures of a `signatures` object."""
    by_server = signatures.values() if isinstance(signatures, Mapping) else ()
    for by_key in by_server:
        for key_id, signature in by_key.items() if isinstance(by_key, Mapping) else ():
            if isinstance(signature, str) and key_id.startswith("ed25519:"):
                yield signature


def _verifies(key: str, message: bytes, signature: str) -> bool:
    """Tell whether `signature` over `message` is by `key`, both unpadded Base64; malformed ones are not."""
    try:
        VerifyKey(decode_base64(key)).verify(message, decode_base64(signature))
    except (MatrixError, CryptoError, ValueError):
        return False
    return True
