"""Keys as a client makes them: devices that sign, and cross-signing keys with real signatures."""

from __future__ import annotations

from typing import Any

from nacl.signing import SigningKey

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.canonical_json import encode_canonical
from tests.running import Person


class Pair:
    """An Ed25519 key pair; `name` is the id of a device, without one the public key itself."""

    def __init__(self, name: str | None = None) -> None:
        self._key = SigningKey.generate()
        self.public = encode_base64(bytes(self._key.verify_key))
        self.id = f"ed25519:{name or self.public}"

    def sign(self, value: dict[str, Any], signer: str) -> dict[str, Any]:
        """Return `value` with a signature added."""
        made = {key: item for key, item in value.items() if key not in ("signatures", "unsigned")}
        signature = encode_base64(self._key.sign(encode_canonical(made)).signature)
        others = value.get("signatures", {})
        return {**value, "signatures": {**others, signer: {**others.get(signer, {}), self.id: signature}}}


def unsigned(value: dict[str, Any]) -> dict[str, Any]:
    """Return a key without its signatures."""
    return {name: item for name, item in value.items() if name != "signatures"}


class Identity:
    """The keys of somebody on one device, as published by `publish`."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.user_id = person.user_id
        self.master, self.self_signing, self.user_signing = Pair(), Pair(), Pair()
        self.device = Pair(person.device_id)
        self.identity_keys = device_keys(person, self.device)

    def key(self, usage: str, pair: Pair, by: Pair | None = None) -> dict[str, Any]:
        """Return a cross-signing key, signed with another one."""
        key = {"user_id": self.user_id, "usage": [usage], "keys": {pair.id: pair.public}}
        return key if by is None else by.sign(key, self.user_id)

    @property
    def master_key(self) -> dict[str, Any]:
        return self.key("master", self.master)

    @property
    def keys(self) -> dict[str, Any]:
        """The body of `POST /keys/device_signing/upload`."""
        return {
            "master_key": self.master_key,
            "self_signing_key": self.key("self_signing", self.self_signing, self.master),
            "user_signing_key": self.key("user_signing", self.user_signing, self.master),
        }

    def publish(self) -> Identity:
        """Publish all keys."""
        self.person.post("/keys/upload", {"device_keys": self.identity_keys})
        self.person.post("/keys/device_signing/upload", self.keys)
        return self


def device_keys(person: Person, device: Pair) -> dict[str, Any]:
    """Return the identity keys of a device, signed by itself."""
    keys = {
        "user_id": person.user_id,
        "device_id": person.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {device.id: device.public, f"curve25519:{person.device_id}": Pair().public},
    }
    return device.sign(keys, person.user_id)
