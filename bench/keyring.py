"""Keys for end-to-end encryption, as clients publish them: real key pairs, signed as the specification says."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson
from nacl.signing import SigningKey

ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


def _base64(data: bytes) -> str:
    return b64encode(data).rstrip(b"=").decode("ascii")


class KeyPair:
    """An Ed25519 key pair; what it is called decides how its signatures are found."""

    def __init__(self, name: str | None = None) -> None:
        self._key = SigningKey.generate()
        self.public = _base64(bytes(self._key.verify_key))
        self.id = f"ed25519:{name or self.public}"

    def sign(self, user_id: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return `value`, which has no signature yet, with one of this key."""
        canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        signature = _base64(self._key.sign(canonical).signature)
        return {**value, "signatures": {user_id: {self.id: signature}}}


class Keys:
    """What a user with one device publishes: identity keys, cross-signing keys, and the device signed with them."""

    def __init__(self, user_id: str, device_id: str) -> None:
        device, master, self_signing, user_signing = KeyPair(device_id), KeyPair(), KeyPair(), KeyPair()
        keys = {device.id: device.public, f"curve25519:{device_id}": KeyPair().public}
        identity = {
            "user_id": user_id,
            "device_id": device_id,
            "algorithms": ALGORITHMS,
            "keys": keys,
        }
        self.device_keys = device.sign(user_id, identity)
        self.cross_signing = {
            "master_key": _cross_signing_key(user_id, "master", master),
            "self_signing_key": master.sign(
                user_id, _cross_signing_key(user_id, "self_signing", self_signing)
            ),
            "user_signing_key": master.sign(
                user_id, _cross_signing_key(user_id, "user_signing", user_signing)
            ),
        }
        self.signatures = {user_id: {device_id: self_signing.sign(user_id, identity)}}


def _cross_signing_key(user_id: str, usage: str, pair: KeyPair) -> dict[str, Any]:
    return {"user_id": user_id, "usage": [usage], "keys": {pair.id: pair.public}}
