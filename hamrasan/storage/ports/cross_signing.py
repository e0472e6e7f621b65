"""What is kept of cross-signing: users' signing keys, and signatures on keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class PutCrossSigningKey(NamedTuple):
    """The user has this key for a usage from now on."""

    user_id: str
    usage: str
    key_id: str
    """The public key, unpadded Base64."""
    key: bytes
    """Canonical JSON, as the user published it."""


class DropCrossSigningKey(NamedTuple):
    """The user has no key for a usage any more."""

    user_id: str
    usage: str


class PutKeySignature(NamedTuple):
    """A key has been signed; nothing is written if there is no such key any more."""

    user_id: str
    """Whose key was signed."""
    key_id: str
    """The id of a device, or a public master key."""
    signer: str
    signer_key_id: str
    """With its algorithm: `ed25519:...`."""
    signature: str


class DropSignaturesOn(NamedTuple):
    """The key is another one now, so that signatures on it mean nothing."""

    user_id: str
    key_id: str


class DropSignaturesBy(NamedTuple):
    """The key is not in use any more, so that signatures by it mean nothing."""

    signer: str
    signer_key_id: str


class ForgetCrossSigning(NamedTuple):
    """The user's keys, and the signatures on them and by them, are gone."""

    user_id: str


class NoteSignatures(NamedTuple):
    """At `position` something changed in the keys of `about_user_id` that only `user_id` can see."""

    user_id: str
    about_user_id: str
    position: Position


class SignaturesChanged(NamedTuple):
    """Feed: at `position` something changed that only the user can see (see `NoteSignatures`)."""

    user_id: str
    position: Position


class CrossSigningKeyRow(NamedTuple):
    """A cross-signing key."""

    user_id: str
    usage: str
    key_id: str
    key: bytes


class KeySignatureRow(NamedTuple):
    """A signature on a key."""

    user_id: str
    key_id: str
    signer: str
    signer_key_id: str
    signature: str


class CrossSigningReader(Protocol):
    """Reads cross-signing keys and signatures."""

    async def keys_of(self, user_ids: Sequence[str]) -> list[CrossSigningKeyRow]:
        """Return the cross-signing keys of these users."""

    async def signatures_on(self, user_ids: Sequence[str], reader: str) -> list[KeySignatureRow]:
        """Return the signatures on keys of these users that a reader may see: the users' own, and the reader's."""

    async def is_key_id(self, user_id: str, key_id: str) -> bool:
        """Return whether a user has a cross-signing key with this public key."""
