"""What a data folder says about the server that it belongs to: its name, and the key that it signs with."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from hamrasan.accounts.sealing import KEY_BYTES
from hamrasan.federation.own_keys import OldKey
from hamrasan.protocol.base64 import decode_base64, encode_base64
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.signing import (
    ALGORITHM,
    PUBLIC_KEY_BYTES,
    SEED_BYTES,
    SigningKey,
    parse_signing_key,
)
from hamrasan.push.web_push import key_from_text, key_to_text, new_key
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.server import SetServerName
from hamrasan.storage.sqlite.store import Store

KEY_FILE = "signing.key"
OLD_KEYS_FILE = "old-signing-keys"
"""The keys from before, a line for each: id, public key, and when it ended (milliseconds since 1970)."""
VAPID_FILE = "vapid.key"
"""By this key push services of browsers know the server; with another one, subscriptions end."""
SECRETS_FILE = "secrets.key"
KEY_MODE = 0o600
"""Whoever reads the key can speak for the server."""
KEY_VERSION_LETTERS = 6
"""A key that replaces another one must have another version; chance makes that sure enough."""

_log = get_logger(__name__)


class WrongServerName(Exception):
    """The folder holds the accounts of a server with the name `owner`."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"This data folder belongs to {owner}.")
        self.owner = owner


class SigningKeyDamaged(Exception):
    """The key file `path` is not one. The text says why, and repeats nothing of it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not a signing key: {reason}")
        self.path = path


async def claim_folder(store: Store, name: str) -> None:
    """Note whose data this is; raise `WrongServerName` if there are accounts of a server with another name."""
    owner = await store.server.name()
    if owner == name:
        return
    if owner is not None and await store.accounts.page("", 1):
        raise WrongServerName(owner)
    await store.journal.submit(Batch([SetServerName(name)]))


def open_signing_key(data_dir: Path, entropy: Entropy) -> SigningKey:
    """Return the server's key, making one at the first start. Raises `SigningKeyDamaged`, `OSError`."""
    path = data_dir / KEY_FILE
    text = _read(path)
    if text is None:
        return _make_signing_key(path, entropy)
    try:
        return parse_signing_key(text)
    except MatrixError as error:
        raise SigningKeyDamaged(path, error.message) from None


def _make_signing_key(path: Path, entropy: Entropy) -> SigningKey:
    key = SigningKey(f"{ALGORITHM}:a_{entropy.id(KEY_VERSION_LETTERS)}", entropy.bytes(SEED_BYTES))
    _write(path, key.to_text() + "\n")
    return key


def replace_signing_key(data_dir: Path, entropy: Entropy, clock: Clock) -> SigningKey:
    """Make another key and return it; the one so far is listed among the old ones, and its secret half is gone.

    No server may run on the folder. Raises `SigningKeyDamaged`, `OSError`.
    """
    present = open_signing_key(data_dir, entropy)
    ended = OldKey(present.key_id, present.public_key, clock.now_ms())
    old = [key for key in open_old_keys(data_dir) if key.key_id != present.key_id]
    lines = [f"{key.key_id} {encode_base64(key.public_key)} {key.expired_ts}\n" for key in [*old, ended]]
    # First the list: between the two, the key is in both, and then it counts as the present one.
    _write(data_dir / OLD_KEYS_FILE, "".join(lines))
    return _make_signing_key(data_dir / KEY_FILE, entropy)


def open_old_keys(data_dir: Path) -> tuple[OldKey, ...]:
    """Return the keys that the server has signed with before. Raises `SigningKeyDamaged`, `OSError`."""
    path = data_dir / OLD_KEYS_FILE
    try:
        lines = path.read_text("ascii").splitlines()
        return tuple(_old_key(line.split()) for line in lines if line.strip())
    except FileNotFoundError:
        return ()
    except (ValueError, MatrixError):
        raise SigningKeyDamaged(path, "each line holds a key id, a public key and a time") from None


def _old_key(words: list[str]) -> OldKey:
    """Raises `ValueError`, `MatrixError`."""
    key_id, text, expired = words
    public_key = decode_base64(text)
    if len(public_key) != PUBLIC_KEY_BYTES or not key_id.startswith(f"{ALGORITHM}:"):
        raise ValueError(key_id)
    return OldKey(key_id, public_key, int(expired))


def open_vapid_key(data_dir: Path) -> EllipticCurvePrivateKey:
    """Return the key for Web Push, making one at the first start. Raises `SigningKeyDamaged`, `OSError`."""
    path = data_dir / VAPID_FILE
    text = _read(path)
    if text is None:
        key = new_key()
        _write(path, key_to_text(key))
        return key
    try:
        return key_from_text(text)
    except ValueError as error:
        raise SigningKeyDamaged(path, str(error)) from None


def open_secrets_key(data_dir: Path, entropy: Entropy) -> bytes:
    """Return the key with which secrets in the database are sealed, making one at the first start.

    Raises `SigningKeyDamaged`, `OSError`.
    """
    path = data_dir / SECRETS_FILE
    text = _read(path)
    if text is None:
        key = entropy.bytes(KEY_BYTES)
        _write(path, key.hex() + "\n")
        return key
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SigningKeyDamaged(path, f"it does not hold {KEY_BYTES} bytes in hexadecimal digits")
    return key


def _read(path: Path) -> str | None:
    """Return the text of a key file, None if there is none."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise SigningKeyDamaged(path, "it is not text") from None
    if path.stat().st_mode & 0o077:
        _log.warning("others than the server's user may read the signing key", file=str(path))
    return text


def _write(path: Path, text: str) -> None:
    """Write a new key file so that it is either complete or not there, whenever the power fails."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, KEY_MODE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
