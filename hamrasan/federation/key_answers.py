"""What a server says of its keys, checked (server-server API, "Retrieving server keys").

A lie does not get past here: not an answer in another server's name, none that its own keys did not sign, no key of the
wrong form, and no validity beyond a week.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.limits import MAX_CANONICAL_INT, MAX_KEY_ID_CHARS
from hamrasan.protocol.signing import (
    ALGORITHM,
    PUBLIC_KEY_BYTES,
    SignatureError,
    signing_key_ids,
    verify_signed_json,
)
from hamrasan.storage.ports.federation import PutServerKey

MAX_KEYS = 256
"""Keys of one server, old ones included; one that changes its key each month has as many in twenty years."""
MAX_VALID_MS = 7 * 24 * 3600 * 1000
"""Whatever a server says, its keys are believed for a week ("Publishing Keys")."""


class KeyAnswer(NamedTuple):
    """What one server says of its keys."""

    server: str
    keys: tuple[PutServerKey, ...]
    valid_until_ts: int


def read_key_answer(value: Any, server: str, now_ms: int) -> KeyAnswer:
    """Return what `server` says of its keys; raise `SignatureError` if it is not `server` that says so, or not well.

    Every key must have the right form, and one of `verify_keys` must have signed the answer; of the signatures that are
    said to be by them none may be wrong.
    """
    if not isinstance(value, dict) or value.get("server_name") != server:
        raise SignatureError(f"This is not about the keys of {server}.")
    valid_until_ts = value.get("valid_until_ts")
    if type(valid_until_ts) is not int or not 0 <= valid_until_ts <= MAX_CANONICAL_INT:
        raise SignatureError(f"{server} does not say how long its keys are valid.")
    valid_until_ts = min(valid_until_ts, now_ms + MAX_VALID_MS)
    current, old = value.get("verify_keys"), value.get("old_verify_keys", {})
    if not isinstance(current, dict) or not isinstance(old, dict) or len(current) + len(old) > MAX_KEYS:
        raise SignatureError(f"The keys of {server} do not have the form of keys.")
    keys = [
        *(_old_key(server, key_id, said, now_ms) for key_id, said in old.items() if _is_ours(key_id)),
        *(
            PutServerKey(server, key_id, _public_key(server, said), valid_until_ts, False)
            for key_id, said in current.items()
            if _is_ours(key_id)
        ),
    ]
    _check_signatures(value, server, {key.key_id: key.public_key for key in keys if not key.is_old})
    return KeyAnswer(server, tuple(keys), valid_until_ts)


def _is_ours(key_id: str) -> bool:
    """Keys of algorithms that nobody here knows are passed over."""
    return key_id.startswith(f"{ALGORITHM}:") and len(key_id) <= MAX_KEY_ID_CHARS


def _old_key(server: str, key_id: str, said: Any, now_ms: int) -> PutServerKey:
    expired_ts = said.get("expired_ts") if isinstance(said, dict) else None
    if type(expired_ts) is not int or not 0 <= expired_ts <= MAX_CANONICAL_INT:
        raise SignatureError(f"{server} does not say until when it has used the key {key_id}.")
    return PutServerKey(
        server, key_id, _public_key(server, said), min(expired_ts, now_ms + MAX_VALID_MS), True
    )


def _public_key(server: str, said: Any) -> bytes:
    text = said.get("key") if isinstance(said, Mapping) else None
    try:
        key = decode_base64(text) if isinstance(text, str) else b""
    except MatrixError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise SignatureError(f"A key of {server} does not have {PUBLIC_KEY_BYTES} bytes in Base64.")
    return key


def _check_signatures(value: dict[str, Any], server: str, keys: Mapping[str, bytes]) -> None:
    signed_by = [key_id for key_id in signing_key_ids(value, server) if key_id in keys]
    if not signed_by:
        raise SignatureError(f"{server} did not sign what it says of its keys.")
    for key_id in signed_by:
        verify_signed_json(value, server, key_id, keys[key_id])
