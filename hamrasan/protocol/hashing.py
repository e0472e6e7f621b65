"""Hashes and ids of events (server-server API, "Signing Events"; each room version's "Event IDs")."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from hamrasan.protocol.base64 import decode_base64, encode_base64, encode_base64_urlsafe
from hamrasan.protocol.canonical_json import encode_canonical, encode_lenient_canonical, json_string
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param, too_large
from hamrasan.protocol.limits import MAX_CANONICAL_DEPTH, MAX_EVENT_BYTES, SIGNATURE_RESERVE_BYTES
from hamrasan.protocol.redaction import keeps_content, redact
from hamrasan.protocol.room_versions import EventIdFormat, RoomVersion

_NOT_HASHED = frozenset({"unsigned", "signatures", "hashes"})
_NOT_REFERENCED = frozenset({"unsigned", "signatures"})

_HASHES_MEMBER_BYTES = len('"hashes":{"sha256":""},') + 43
"""What the content hash adds to an event."""


def encode_event(value: Mapping[str, Any], version: RoomVersion) -> bytes:
    """Write an event as the canonical JSON of its room version: strict from version 6 on, lenient before.

    Raises `M_BAD_JSON` if that cannot be done.
    """
    return encode_canonical(value) if version.strict_canonical_json else encode_lenient_canonical(value)


def content_hash(pdu: Mapping[str, Any], version: RoomVersion) -> str:
    """Return the hash over the whole event, unpadded Base64 ("Calculating the content hash for an event")."""
    hashed = {key: value for key, value in pdu.items() if key not in _NOT_HASHED}
    return encode_base64(sha256(encode_event(hashed, version)).digest())


def add_content_hash(pdu: dict[str, Any], version: RoomVersion) -> None:
    """Set `hashes` of an event that is being built."""
    pdu["hashes"] = {"sha256": content_hash(pdu, version)}


def check_content_hash(pdu: Mapping[str, Any], version: RoomVersion) -> bool:
    """Tell whether `hashes.sha256` is the event's content hash; if not, the event counts as redacted.

    Compared after decoding, as "Validating hashes and signatures on received events" says.
    """
    hashes = pdu.get("hashes")
    claimed = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    if not isinstance(claimed, str):
        return False
    try:
        return encode_base64(decode_base64(claimed)) == content_hash(pdu, version)
    except MatrixError:
        return False


def reference_hash(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """Return the hash over what redaction leaves ("Calculating the reference hash for an event")."""
    referenced = {key: value for key, value in redact(pdu, version).items() if key not in _NOT_REFERENCED}
    return sha256(encode_event(referenced, version)).digest()


def event_id_of(pdu: Mapping[str, Any], version: RoomVersion) -> str:
    """Return the id of an event: its own word in the first versions, its reference hash since (each "Event IDs")."""
    if version.event_id_format is EventIdFormat.CHOSEN_BY_SERVER:
        event_id = pdu.get("event_id")
        if not isinstance(event_id, str):
            raise bad_json(f"An event of room version {version.id} needs an 'event_id'.")
        return event_id
    return _hash_id(reference_hash(pdu, version), version)


def room_id_of_create(event_id: str) -> str:
    """Return the room id that the id of a create event makes, where it does so (room version 12, "Event format")."""
    if event_id[:1] != "$":
        raise invalid_param("An event id starts with '$'.")
    return "!" + event_id[1:]


def create_event_id_of(room_id: str) -> str:
    """Return the id of the create event that a room id is made of (room version 12, "Event format")."""
    if room_id[:1] != "!":
        raise invalid_param("A room id starts with '!'.")
    return "$" + room_id[1:]


def seal(pdu: dict[str, Any], version: RoomVersion) -> str:
    """Finish an event that this server built: set `hashes` and return its id.

    Raises `M_TOO_LARGE` (and changes nothing) if the event, with room for its signatures, exceeds 65,536 bytes.
    The event may not be changed afterwards.
    """
    hashed = {key: value for key, value in pdu.items() if key not in _NOT_HASHED}
    encoded = encode_event(hashed, version)
    _check_size(encoded)
    pdu["hashes"] = {"sha256": encode_base64(sha256(encoded).digest())}
    return event_id_of(pdu, version)


def seals_as_message(event_type: str, state_key: str | None, version: RoomVersion) -> bool:
    """Return whether `seal_message` can be used for an event that has no members but the usual ones."""
    return state_key is None and version.strict_canonical_json and not keeps_content(event_type, version)


def seal_message(
    version: RoomVersion,
    *,
    room_id: str,
    type: str,
    sender: str,
    content: bytes,
    origin_server_ts: int,
    depth: int,
    prev_events: Sequence[str],
    auth_events: Sequence[str],
) -> tuple[str, bytes]:
    """Return the id of a message event and, as canonical JSON, its `auth_events`, `hashes` and `prev_events`.

    The same as `build_pdu` and `seal` give, three times as fast: nearly all events are messages, of which redaction
    leaves no content, so the bytes that are hashed differ by little and are put together from pieces. `content` is
    canonical JSON. Raises `M_TOO_LARGE` like `seal`.
    """
    auth = b'{"auth_events":%b,' % encode_canonical(auth_events)
    prev = b'"prev_events":%b' % encode_canonical(prev_events)
    numbers = b'"depth":%d,' % min(depth, MAX_CANONICAL_DEPTH)
    rest = b'"origin_server_ts":%d,%b,"room_id":%b,"sender":%b,"type":%b}' % (
        origin_server_ts,
        prev,
        json_string(room_id),
        json_string(sender),
        json_string(type),
    )
    hashed = b'%b"content":%b,%b%b' % (auth, content, numbers, rest)
    _check_size(hashed)
    hashes = b'"hashes":{"sha256":"%b"},' % b2a_base64(sha256(hashed).digest(), newline=False).rstrip(b"=")
    referenced = b'%b"content":{},%b%b%b' % (auth, numbers, hashes, rest)
    return _hash_id(sha256(referenced).digest(), version), b"%b%b%b}" % (auth, hashes, prev)


def _check_size(hashed: bytes) -> None:
    if len(hashed) + _HASHES_MEMBER_BYTES + SIGNATURE_RESERVE_BYTES > MAX_EVENT_BYTES:
        raise too_large(
            f"The event is too large; with everything around it, it has at most {MAX_EVENT_BYTES} bytes."
        )


def _hash_id(digest: bytes, version: RoomVersion) -> str:
    if version.event_id_format is EventIdFormat.REFERENCE_HASH_BASE64:
        return "$" + encode_base64(digest)
    return "$" + encode_base64_urlsafe(digest)
