"""The form of devices' keys (client-server API, "Key algorithms", "Device keys").

Signatures are not checked: clients do not trust the server with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.protocol.canonical_json import encode_canonical_checked
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param

MAX_KEY_BYTES = 8 * 1024
"""One key with its signatures; usual ones have half a KiB."""
MAX_DEVICE_KEYS_BYTES = 64 * 1024
"""The identity keys of a device: a few hundred bytes, and more with signatures by other algorithms."""
MAX_NAME_CHARS = 255
"""An algorithm, and the id of a key: they are names like others of the specification."""

Keyed = Mapping[str, Any]
"""Keys by `<algorithm>:<key id>`."""


def checked_device_keys(keys: Keyed, user_id: str, device_id: str) -> bytes:
    """Return identity keys as canonical JSON ("Device keys"); raise unless they have that form and are this device's.

    Raises `M_INVALID_PARAM` for keys of another device and for too many bytes, `M_BAD_JSON` for another form.
    """
    if keys.get("user_id") != user_id or keys.get("device_id") != device_id:
        raise invalid_param("The keys name another user or device than those of the access token.")
    algorithms = keys.get("algorithms")
    if not isinstance(algorithms, list) or not all(isinstance(name, str) for name in algorithms):
        raise bad_json("'device_keys.algorithms' must be an array of strings.")
    _check_strings(keys.get("keys"), "device_keys.keys")
    signatures = keys.get("signatures")
    if not isinstance(signatures, dict):
        raise bad_json("'device_keys.signatures' must be an object.")
    for signer in signatures.values():
        _check_strings(signer, "device_keys.signatures.*")
    encoded = encode_canonical_checked({name: value for name, value in keys.items() if name != "unsigned"})
    if len(encoded) > MAX_DEVICE_KEYS_BYTES:
        raise invalid_param(f"The keys of a device may have at most {MAX_DEVICE_KEYS_BYTES} bytes.")
    return encoded


def _check_strings(value: Any, name: str) -> None:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise bad_json(f"'{name}' must be an object of strings.")


def checked_key(name: str, value: Any) -> tuple[str, str, bytes]:
    """Return algorithm, id and canonical JSON of a one-time or fallback key ("One-time and fallback keys").

    Raises `M_INVALID_PARAM` for a malformed name and for too many bytes, `M_BAD_JSON` for another form.
    """
    algorithm, separator, key_id = name.partition(":")
    if not separator or not algorithm or not key_id or len(name) > MAX_NAME_CHARS:
        raise _malformed_name(name)
    if isinstance(value, dict):
        if not isinstance(value.get("key"), str):
            raise bad_json(f"The key '{name}' must have a string 'key'.")
    elif not isinstance(value, str):
        raise bad_json(f"The key '{name}' must be a string or an object.")
    encoded = encode_canonical_checked(value)
    if len(encoded) > MAX_KEY_BYTES:
        raise invalid_param(f"A key may have at most {MAX_KEY_BYTES} bytes.")
    return algorithm, key_id, encoded


def _malformed_name(name: str) -> MatrixError:
    return invalid_param(
        f"'{name[:MAX_NAME_CHARS]}' is no name of a key: it needs an algorithm, ':' and an id."
    )
