"""Keys by which users vouch for devices and for each other (client-server API, "Cross-signing").

Unlike with the keys of devices the specification has the server check signatures here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hamrasan.protocol.base64 import decode_base64, encode_base64
from hamrasan.protocol.canonical_json import check_object, encode_canonical, encode_canonical_checked
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param
from hamrasan.protocol.signing import ALGORITHM, PUBLIC_KEY_BYTES, SignatureError, verify_signed_json

MASTER, SELF_SIGNING, USER_SIGNING = "master", "self_signing", "user_signing"
USAGES = (MASTER, SELF_SIGNING, USER_SIGNING)

MAX_KEY_BYTES = 8 * 1024
"""One key with its signatures: usual ones have half a KiB, and a signature by each of dozens of devices fits."""

_NOT_SIGNED = ("signatures", "unsigned")

PublicKeys = Mapping[str, bytes]
"""Public keys by their id with the algorithm, `ed25519:...`."""


class CrossSigningKey(NamedTuple):
    """A cross-signing key whose form has been checked."""

    public_key: str
    """Unpadded Base64; what the key is known by."""
    value: Mapping[str, Any]

    @property
    def key_id(self) -> str:
        """The id by which its signatures are found."""
        return f"{ALGORITHM}:{self.public_key}"

    @property
    def public_keys(self) -> PublicKeys:
        """The key, as `check_signed_by` takes it."""
        return {self.key_id: decode_base64(self.public_key)}

    def encoded(self) -> bytes:
        """Return the key as canonical JSON, as it is kept."""
        return encode_canonical(self.value)

    def has_same_content(self, other: Mapping[str, Any]) -> bool:
        """Return whether another object is this key, whatever signatures each has."""
        return signed_part(self.value) == signed_part(other)


def checked_cross_signing_key(value: Any, user_id: str, usage: str) -> CrossSigningKey:
    """Return a key that a user publishes for a usage; raise unless it has the specified form.

    Signatures of others, which others may not see, are taken off: where they belong there is a request for them.
    Raises `M_BAD_JSON` for another form, `M_INVALID_PARAM` for the key of another user or usage, for anything but one
    Ed25519 key named by itself, and for too many bytes. Signatures are `check_signed_by`'s business.
    """
    key = {name: item for name, item in check_object(value, f"'{usage}_key'").items() if name != "unsigned"}
    if key.get("user_id") != user_id:
        raise invalid_param(f"The '{usage}_key' is not the requester's: its 'user_id' is another one.")
    usages = key.get("usage")
    if not isinstance(usages, list) or not all(isinstance(each, str) for each in usages):
        raise bad_json(f"'{usage}_key.usage' must be an array of strings.")
    if usage not in usages:
        raise invalid_param(f"The 'usage' of the '{usage}_key' does not have '{usage}'.")
    public_key = _only_key(check_object(key.get("keys"), f"'{usage}_key.keys'"), usage)
    for signatures in check_object(key.get("signatures", {}), f"'{usage}_key.signatures'").values():
        for signature in check_object(signatures, f"'{usage}_key.signatures.*'").values():
            if not isinstance(signature, str):
                raise bad_json(f"The signatures in '{usage}_key' must be strings.")
    if len(encode_canonical_checked(key)) > MAX_KEY_BYTES:
        raise invalid_param(f"A cross-signing key may have at most {MAX_KEY_BYTES} bytes.")
    if "signatures" in key:
        key["signatures"] = {user_id: key["signatures"][user_id]} if user_id in key["signatures"] else {}
    return CrossSigningKey(public_key, key)


def _only_key(keys: Mapping[str, Any], usage: str) -> str:
    """Return the public key of an object that holds just one."""
    if len(keys) != 1:
        raise invalid_param(f"'{usage}_key.keys' must have exactly one key.")
    [(name, public_key)] = keys.items()
    if not isinstance(public_key, str):
        raise bad_json(f"The key in '{usage}_key.keys' must be a string.")
    data = decode_base64(public_key)
    if len(data) != PUBLIC_KEY_BYTES or encode_base64(data) != public_key:
        raise invalid_param(
            f"The '{usage}_key' must be {PUBLIC_KEY_BYTES} bytes of an Ed25519 key in unpadded Base64."
        )
    if name != f"{ALGORITHM}:{public_key}":
        raise invalid_param(f"The name of the '{usage}_key' must be '{ALGORITHM}:' and the key itself.")
    return public_key


def signed_part(value: Mapping[str, Any]) -> bytes:
    """Return what a signature on an object covers, as canonical JSON; raises `M_BAD_JSON` if there is none."""
    return encode_canonical_checked({name: item for name, item in value.items() if name not in _NOT_SIGNED})


def device_public_keys(device_id: str, device_keys: Mapping[str, Any]) -> PublicKeys:
    """Return the key that a device signs with; none if its identity keys do not have a usable one."""
    key_id = f"{ALGORITHM}:{device_id}"
    try:
        return {key_id: decode_base64(device_keys["keys"][key_id])}
    except (KeyError, MatrixError):
        return {}


def check_signed_by(value: Mapping[str, Any], signer: str, keys: PublicKeys) -> dict[str, str]:
    """Return the signatures that `signer` made with those of `keys` which have signed, by key id.

    Signatures by other keys are passed over. Raises `M_INVALID_SIGNATURE` if one is wrong, or there is none.
    """
    signatures = value.get("signatures")
    made = signatures.get(signer) if isinstance(signatures, Mapping) else None
    found: dict[str, str] = {}
    for key_id, public_key in keys.items():
        if isinstance(made, Mapping) and key_id in made:
            try:
                verify_signed_json(value, signer, key_id, public_key)
            except SignatureError as error:
                raise invalid_signature(error.message) from None
            found[key_id] = encode_base64(decode_base64(made[key_id]))
    if not found:
        raise invalid_signature(f"There is no signature of {signer} with a key that may sign this.")
    return found


def invalid_signature(message: str) -> MatrixError:
    """A signature is missing, malformed or wrong."""
    return MatrixError(400, "M_INVALID_SIGNATURE", message)
