"""Signatures over JSON and events (appendices, "Signing JSON"; server-server API, "Signing Events").

Only Ed25519 exists. Keys are made elsewhere, from entropy; here they are given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey as NaclSigningKey
from nacl.signing import VerifyKey

from hamrasan.protocol.base64 import decode_base64, encode_base64
from hamrasan.protocol.canonical_json import check_object, encode_canonical_checked, encode_lenient_canonical
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param
from hamrasan.protocol.hashing import encode_event
from hamrasan.protocol.identifiers import server_name_of
from hamrasan.protocol.limits import MAX_KEY_ID_CHARS
from hamrasan.protocol.redaction import redact
from hamrasan.protocol.room_versions import EventIdFormat, RoomVersion

ALGORITHM = "ed25519"

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_NOT_SIGNED = ("signatures", "unsigned")
_KEY_ID = re.compile(ALGORITHM + r":[a-zA-Z0-9_]+")


class SignatureError(MatrixError):
    """A signature is missing, malformed or wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "M_UNAUTHORIZED", message)


class SigningKey:
    """A private key of a server with its identifier, such as `ed25519:a_1`."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key_id: str, seed: bytes) -> None:
        """Take the identifier and the 32 secret bytes; raise `M_INVALID_PARAM` if one of them cannot be."""
        if len(key_id) > MAX_KEY_ID_CHARS or _KEY_ID.fullmatch(key_id) is None:
            raise invalid_param(f"A key id is '{ALGORITHM}:' and the characters a-z, A-Z, 0-9, _.")
        if len(seed) != SEED_BYTES:
            raise invalid_param(f"The seed of a signing key has {SEED_BYTES} bytes.")
        self.key_id = key_id
        self._key = NaclSigningKey(seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id!r})"

    @property
    def public_key(self) -> bytes:
        """Return the 32 bytes that others check signatures with."""
        return bytes(self._key.verify_key)

    def sign(self, data: bytes) -> str:
        """Return the signature over `data`, unpadded Base64."""
        return encode_base64(self._key.sign(data).signature)

    def to_text(self) -> str:
        """Return the line of a key file: algorithm, version and seed. It is secret."""
        return f"{ALGORITHM} {self.key_id.removeprefix(ALGORITHM + ':')} {encode_base64(bytes(self._key))}"


def parse_signing_key(text: str) -> SigningKey:
    """Read a line of a key file, "ed25519 a_1 <Base64 of the seed>", as other homeservers write it, too.

    Raises `M_INVALID_PARAM`; the message does not repeat the line, because it is secret.
    """
    words = text.split()
    if len(words) != 3 or words[0] != ALGORITHM:
        raise invalid_param(f"A line of a key file is '{ALGORITHM}', a version and a seed.")
    return SigningKey(f"{ALGORITHM}:{words[1]}", decode_base64(words[2]))


def sign_json(
    value: Mapping[str, Any], server_name: str, key: SigningKey, *, strict: bool = True
) -> dict[str, Any]:
    """Return `value` with this server's signature added to those it has ("Signing Details").

    Raises `M_BAD_JSON` if canonical JSON cannot express `value`. Requests between servers are not `strict`: they may
    carry events of rooms before version 6, in which any number may stand.
    """
    return with_signature(value, server_name, key.key_id, key.sign(_signed_bytes(value, strict)))


def verify_signed_json(
    value: Mapping[str, Any], signer: str, key_id: str, public_key: bytes, *, strict: bool = True
) -> None:
    """Raise `SignatureError` unless `signer` signed `value` with this key ("Checking for a Signature").

    `signer` is a server name, or a user id where devices and cross-signing keys sign; `strict` as for `sign_json`.
    """
    signature = _signature_of(value, signer, key_id)
    try:
        data = _signed_bytes(value, strict)
    except MatrixError as error:
        raise SignatureError(
            f"What {signer} is said to have signed is not canonical JSON: {error.message}"
        ) from None
    _verify(data, signature, signer, key_id, public_key)


def sign_event(
    pdu: Mapping[str, Any], version: RoomVersion, server_name: str, key: SigningKey
) -> dict[str, Any]:
    """Return the event with this server's signature added ("Adding hashes and signatures to outgoing events").

    `hashes` must have been set, because the signature covers them.
    """
    signature = key.sign(_signed_event_bytes(pdu, version))
    return with_signature(pdu, server_name, key.key_id, signature)


def verify_event_signature(
    pdu: Mapping[str, Any], version: RoomVersion, server_name: str, key_id: str, public_key: bytes
) -> None:
    """Raise `SignatureError` unless the server signed the redacted form of the event with this key.

    See "Validating hashes and signatures on received events". Passes for the full event and for a redacted copy.
    """
    signature = _signature_of(pdu, server_name, key_id)
    _verify(_signed_event_bytes(pdu, version), signature, server_name, key_id, public_key)


def verify_signature(data: bytes, signature: str, signer: str, key_id: str, public_key: bytes) -> None:
    """Raise `SignatureError` unless `signature`, Base64, is one over `data` with this key."""
    _verify(data, _signature_bytes(signature, signer, key_id), signer, key_id, public_key)


def signing_key_ids(value: Mapping[str, Any], signer: str) -> list[str]:
    """Return the ids of the Ed25519 keys that `signer` is said to have signed with; other algorithms are skipped."""
    signatures = value.get("signatures")
    by_signer = signatures.get(signer) if isinstance(signatures, Mapping) else None
    if not isinstance(by_signer, Mapping):
        return []
    return [key_id for key_id in by_signer if key_id.startswith(f"{ALGORITHM}:")]


def required_signers(pdu: Mapping[str, Any], version: RoomVersion) -> set[str]:
    """Return the servers that must have signed an event whose format has been checked.

    The sender's, but for an exchanged third-party invite; in the first versions also the one in the event id; and the
    one that let somebody into a restricted room ("Validating hashes and signatures on received events", and rule 4.2
    of room version 8).
    """
    signers = set()
    content = pdu["content"]
    is_member = pdu["type"] == "m.room.member"
    if not (is_member and content.get("membership") == "invite" and "third_party_invite" in content):
        signers.add(server_name_of(pdu["sender"]))
    if version.event_id_format is EventIdFormat.CHOSEN_BY_SERVER:
        signers.add(server_name_of(pdu["event_id"]))
    authoriser = content.get("join_authorised_via_users_server")
    if version.authorization.restricted_join and is_member and "join_authorised_via_users_server" in content:
        if not isinstance(authoriser, str):
            raise bad_json("'join_authorised_via_users_server' must be a user id.")
        signers.add(server_name_of(authoriser))
    return signers


def with_signature(value: Mapping[str, Any], signer: str, key_id: str, signature: str) -> dict[str, Any]:
    """Return `value` with a signature added to those it has; `value` is not changed.

    Raises `M_BAD_JSON` if its `signatures` are not an object of objects.
    """
    signatures = check_object(value.get("signatures", {}), "'signatures'")
    by_signer = check_object(signatures.get(signer, {}), f"'signatures' of {signer}")
    return {**value, "signatures": {**signatures, signer: {**by_signer, key_id: signature}}}


def _signed_bytes(value: Mapping[str, Any], strict: bool) -> bytes:
    signed = {key: item for key, item in value.items() if key not in _NOT_SIGNED}
    return encode_canonical_checked(signed) if strict else encode_lenient_canonical(signed)


def _signed_event_bytes(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    redacted = redact(pdu, version)
    redacted.pop("signatures", None)
    return encode_event(redacted, version)


def _signature_of(value: Mapping[str, Any], signer: str, key_id: str) -> bytes:
    """Return the bytes of a signature that stands in `value`."""
    signatures = value.get("signatures")
    by_signer = signatures.get(signer) if isinstance(signatures, Mapping) else None
    if not isinstance(by_signer, Mapping):
        raise SignatureError(f"There is no signature of {signer}.")
    signature = by_signer.get(key_id)
    if not isinstance(signature, str):
        raise SignatureError(f"There is no signature of {signer} with the key {key_id}.")
    return _signature_bytes(signature, signer, key_id)


def _signature_bytes(signature: str, signer: str, key_id: str) -> bytes:
    try:
        data = decode_base64(signature)
    except MatrixError:
        raise SignatureError(f"The signature of {signer} with the key {key_id} is not Base64.") from None
    if len(data) != SIGNATURE_BYTES:
        raise SignatureError(
            f"The signature of {signer} with the key {key_id} does not have {SIGNATURE_BYTES} bytes."
        )
    return data


def _verify(data: bytes, signature: bytes, signer: str, key_id: str, public_key: bytes) -> None:
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise SignatureError(f"The key {key_id} of {signer} does not have {PUBLIC_KEY_BYTES} bytes.")
    try:
        VerifyKey(public_key).verify(data, signature)
    except CryptoError:
        raise SignatureError(f"The signature of {signer} with the key {key_id} is wrong.") from None
