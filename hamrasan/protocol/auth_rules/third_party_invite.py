"""Invites to people known by an e-mail address or phone number (server-server API, "Third-party invites").

`check_third_party_invite` is the rule for `m.room.third_party_invite`, `check_exchanged_invite` the one for the
`m.room.member` that is made of it when the person turns out to have a Matrix id.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.auth_rules.state import AuthState
from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.protocol.signing import SignatureError, signing_key_ids, verify_signed_json

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


def _public_keys(original: Event) -> list[bytes]:
    """Return the keys of an `m.room.third_party_invite`: `public_key` and those in `public_keys`."""
    listed = original.content.get("public_keys")
    entries = listed if isinstance(listed, list) else []
    texts = [
        original.content.get("public_key"),
        *(e.get("public_key") for e in entries if isinstance(e, Mapping)),
    ]
    keys: list[bytes] = []
    for text in texts:
        if isinstance(text, str):
            with suppress(MatrixError):  # what is not Base64 is no key
                keys.append(decode_base64(text))
    return keys


def _is_signed_by_any(signed: Mapping[str, Any], keys: list[bytes], version: RoomVersion) -> bool:
    """Tell whether a signature of `signed`, whoever is named as its maker, is by one of the keys."""
    signatures = signed.get("signatures")
    signers = signatures if isinstance(signatures, Mapping) else ()
    pairs = ((signer, key_id) for signer in signers for key_id in signing_key_ids(signed, signer))
    tries = ((signer, key_id, key) for signer, key_id in pairs for key in keys)
    for signer, key_id, key in islice(tries, MAX_SIGNATURE_CHECKS):
        try:
            verify_signed_json(signed, signer, key_id, key, strict=version.strict_canonical_json)
        except SignatureError:
            continue
        return True
    return False
