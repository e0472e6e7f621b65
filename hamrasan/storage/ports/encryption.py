"""What is kept for end-to-end encryption: keys of devices, and messages from device to device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class PutDeviceKeys(NamedTuple):
    """The device has these identity keys from now on (canonical JSON, as the device signed them).

    Like other keys, they are not kept if the device is gone.
    """

    user_id: str
    device_id: str
    keys: bytes


class NewOneTimeKey(NamedTuple):
    """A key that will be handed out once."""

    user_id: str
    device_id: str
    algorithm: str
    key_id: str
    key: bytes


class TakeOneTimeKey(NamedTuple):
    """The key is handed out, and gone; that there was one of its name is remembered."""

    number: int


class PutFallbackKey(NamedTuple):
    """The key that is handed out where no one-time key of this algorithm is left; replaces the former one."""

    user_id: str
    device_id: str
    algorithm: str
    key_id: str
    key: bytes


class UseFallbackKey(NamedTuple):
    """The fallback key has been handed out."""

    user_id: str
    device_id: str
    algorithm: str


class NewToDeviceMessage(NamedTuple):
    """A message waits for a device."""

    user_id: str
    device_id: str
    position: Position
    number: int
    """The order among messages of the same position."""
    message: bytes
    """The event as the device gets it, as JSON."""


class AcknowledgeToDeviceMessages(NamedTuple):
    """The device has received everything up to a position."""

    user_id: str
    device_id: str
    position: Position


class DropOldToDeviceMessages(NamedTuple):
    """Of the messages that wait for a device only the latest stay; more than `kept` may be of one position."""

    user_id: str
    device_id: str
    kept: int


class NoteToDeviceTransaction(NamedTuple):
    """A device has sent messages with this transaction id."""

    user_id: str
    device_id: str
    txn_id: str
    sent_ts: int


class ForgetToDeviceTransactions(NamedTuple):
    """Transactions before a time (milliseconds) will not be repeated any more."""

    before_ts: int


class ToDeviceSent(NamedTuple):
    """Feed: a message waits for a device at `position`."""

    user_id: str
    device_id: str
    position: Position


class DeviceKeysRow(NamedTuple):
    """The identity keys of a device, and what it is called."""

    user_id: str
    device_id: str
    keys: bytes
    display_name: str | None


class OneTimeKeyRow(NamedTuple):
    """A key to be handed out."""

    number: int
    """What `TakeOneTimeKey` names it by."""
    key_id: str
    key: bytes


class FallbackKeyRow(NamedTuple):
    """A key to be handed out where no other is left."""

    key_id: str
    key: bytes
    used: bool


class KeyCounts(NamedTuple):
    """What a device has to know of its keys on the server."""

    one_time: dict[str, int]
    """Number of one-time keys by algorithm."""
    unused_fallback: list[str]
    """Algorithms whose fallback key has not been handed out yet."""


class KeyCountsChanged(NamedTuple):
    """Feed: a device has these counts from now on."""

    user_id: str
    device_id: str
    counts: KeyCounts


class ToDeviceRow(NamedTuple):
    """A waiting message."""

    position: Position
    message: bytes


class WaitingRow(NamedTuple):
    """How much waits for a device."""

    user_id: str
    device_id: str
    messages: int
    size: int
    """Bytes of all messages."""


class EncryptionReader(Protocol):
    """Reads keys and waiting messages."""

    async def device_keys(self, user_ids: Sequence[str]) -> list[DeviceKeysRow]:
        """Return the identity keys of all devices of these users."""

    async def keys_of_device(self, user_id: str, device_id: str) -> bytes | None:
        """Return the identity keys of one device."""

    async def next_one_time_key(self, user_id: str, device_id: str, algorithm: str) -> OneTimeKeyRow | None:
        """Return the key that is to be handed out next."""

    async def one_time_key(
        self, user_id: str, device_id: str, algorithm: str, key_id: str
    ) -> tuple[bytes | None] | None:
        """Return a key, None in its place if it was handed out; None if there was none of this name lately."""

    async def fallback_key(self, user_id: str, device_id: str, algorithm: str) -> FallbackKeyRow | None:
        """Return the fallback key of an algorithm."""

    async def key_counts(self, user_id: str, device_id: str) -> KeyCounts:
        """Return how many keys a device has on the server."""

    async def waiting(
        self, user_id: str, device_id: str, after: Position, upto: Position, limit: int
    ) -> list[ToDeviceRow]:
        """Return at most `limit` messages with after < position <= upto, the oldest first."""

    async def waiting_counts(self, user_ids: Sequence[str]) -> list[WaitingRow]:
        """Return how much waits for the devices of these users for which anything does."""

    async def devices_waited_for(self, user_id: str) -> dict[str, tuple[Position, Position]]:
        """Return, for each device of a user for which something waits, the positions of the first and the last."""

    async def is_sent(self, user_id: str, device_id: str, txn_id: str) -> bool:
        """Return whether a device has sent messages with this transaction id."""
