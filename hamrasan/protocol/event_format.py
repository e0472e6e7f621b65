"""The form of events in federation format (each room version's "Event format"; client-server API, "Size limits").

`check_pdu_format` is what stands between another server's bytes and the rules: after it, `event_from_pdu` cannot fail.
`build_pdu` puts together an event of this server's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hamrasan.protocol.canonical_json import check_canonical
from hamrasan.protocol.errors import MatrixError, bad_json, too_large
from hamrasan.protocol.hashing import encode_event
from hamrasan.protocol.identifiers import (
    check_event_id,
    check_user_id,
    is_hash_room_id,
    parse_event_id_with_domain,
    parse_room_id,
)
from hamrasan.protocol.limits import (
    MAX_AUTH_EVENTS,
    MAX_CANONICAL_DEPTH,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_ID_BYTES,
    MAX_INT64,
    MAX_PREV_EVENTS,
    MAX_STATE_KEY_BYTES,
    MAX_TYPE_BYTES,
    MIN_INT64,
)
from hamrasan.protocol.room_versions import EventIdFormat, RoomVersion

_REQUIRED: Mapping[str, type] = {
    "type": str,
    "sender": str,
    "content": dict,
    "origin_server_ts": int,
    "depth": int,
    "prev_events": list,
    "auth_events": list,
    "hashes": dict,
    "signatures": dict,
}
_OPTIONAL: Mapping[str, type] = {"state_key": str, "unsigned": dict}

_NAMES: Mapping[type, str] = {str: "a string", int: "an integer", list: "an array", dict: "an object"}

_MAX_BYTES: Mapping[str, int] = {
    "type": MAX_TYPE_BYTES,
    "state_key": MAX_STATE_KEY_BYTES,
    "sender": MAX_ID_BYTES,
    "room_id": MAX_ID_BYTES,
    "event_id": MAX_ID_BYTES,
}


def check_pdu_format(pdu: Any, version: RoomVersion) -> None:
    """Raise unless `pdu` has the form of an event of this room version, as another server sends it.

    Raises `M_BAD_JSON` for a wrong form, and `M_TOO_LARGE` for what is too long. Hashes and signatures are only looked
    at for their form; whether the event is allowed is not decided here.
    """
    if type(pdu) is not dict:
        raise bad_json("An event must be a JSON object.")
    if version.strict_canonical_json:
        check_canonical(pdu)
    for key, kind in _REQUIRED.items():
        if key not in pdu:
            raise bad_json(f"The event lacks '{key}'.")
        _check_type(pdu, key, kind)
    for key, kind in _OPTIONAL.items():
        if key in pdu:
            _check_type(pdu, key, kind)
    check_event_size(pdu, version)
    _check_room_id(pdu, version)
    _check_event_id(pdu, version)
    _check_redacts(pdu, version)
    _check_identifier("sender", check_user_id, pdu["sender"])
    _check_numbers(pdu, version)
    _check_references(pdu, "prev_events", MAX_PREV_EVENTS, version)
    _check_references(pdu, "auth_events", MAX_AUTH_EVENTS, version)
    _check_hashes_and_signatures(pdu)


def check_event_size(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    """Raise `M_TOO_LARGE` if the event, or one of the keys with a limit of its own, is too long ("Size limits")."""
    for key, most in _MAX_BYTES.items():
        value = pdu.get(key)
        if isinstance(value, str) and len(value) * 4 > most and len(value.encode(errors="replace")) > most:
            raise too_large(f"The '{key}' of an event has at most {most} bytes.")
    if len(encode_event(pdu, version)) > MAX_EVENT_BYTES:
        raise too_large(f"An event has at most {MAX_EVENT_BYTES} bytes.")


def build_pdu(
    version: RoomVersion,
    *,
    room_id: str | None,
    type: str,
    sender: str,
    content: Mapping[str, Any],
    state_key: str | None,
    origin_server_ts: int,
    depth: int,
    prev_events: Sequence[Any],
    auth_events: Sequence[Any],
    redacts: str | None = None,
    event_id: str | None = None,
) -> dict[str, Any]:
    """Put together an event; `hashing.seal` finishes it, and it is signed when it leaves for another server.

    `room_id` is None exactly for the create event of a version whose room ids are that event's hash, `event_id` is
    given exactly where the server chooses it (versions 1 and 2); `redacts` goes where the version keeps it. A `depth`
    beyond the version's limit becomes the limit ("Event format").
    """
    if redacts is not None and version.redacts_in_content:
        content = {**content, "redacts": redacts}
    pdu: dict[str, Any] = {
        "type": type,
        "sender": sender,
        "content": content,
        "origin_server_ts": origin_server_ts,
        "depth": min(depth, max_depth(version)),
        "prev_events": prev_events,
        "auth_events": auth_events,
    }
    if room_id is not None:
        pdu["room_id"] = room_id
    if state_key is not None:
        pdu["state_key"] = state_key
    if redacts is not None and not version.redacts_in_content:
        pdu["redacts"] = redacts
    if event_id is not None:
        pdu["event_id"] = event_id
    return pdu


def max_depth(version: RoomVersion) -> int:
    """Return the limit of `depth` in this room version ("Event format")."""
    return MAX_CANONICAL_DEPTH if version.strict_canonical_json else MAX_DEPTH


def _check_type(pdu: Mapping[str, Any], key: str, kind: type) -> None:
    if type(pdu[key]) is not kind:
        raise bad_json(f"'{key}' of an event must be {_NAMES[kind]}.")


def _check_identifier(key: str, check: Any, text: str) -> None:
    """Run a check of an identifier, and say which key of the event it was about."""
    try:
        check(text)
    except MatrixError as error:
        raise bad_json(f"'{key}' of an event: {error.message}") from None


def _check_room_id(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    hashed = version.authorization.room_id_is_create_hash
    if hashed and pdu["type"] == "m.room.create":
        if "room_id" in pdu:
            raise bad_json(f"The create event of room version {version.id} must not have a 'room_id'.")
        return
    if "room_id" not in pdu:
        raise bad_json("The event lacks 'room_id'.")
    _check_type(pdu, "room_id", str)
    if hashed:
        if not is_hash_room_id(pdu["room_id"]):
            raise bad_json(f"A room id of room version {version.id} is '!' and a hash.")
    else:
        _check_identifier("room_id", _check_room_id_with_server, pdu["room_id"])


def _check_room_id_with_server(room_id: str) -> None:
    if parse_room_id(room_id).server_name is None:
        raise bad_json("A room id of this room version names a server.")


def _check_event_id(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    """Check `event_id` where it counts; in later versions it is a key like any other, and nobody reads it."""
    if version.event_id_format is EventIdFormat.CHOSEN_BY_SERVER:
        if "event_id" not in pdu:
            raise bad_json("The event lacks 'event_id'.")
        _check_type(pdu, "event_id", str)
        _check_identifier("event_id", parse_event_id_with_domain, pdu["event_id"])


def _check_redacts(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    if pdu["type"] == "m.room.redaction" and not version.redacts_in_content and "redacts" in pdu:
        _check_type(pdu, "redacts", str)


def _check_numbers(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    if not 0 <= pdu["depth"] <= max_depth(version):
        raise bad_json(f"'depth' of an event lies between 0 and {max_depth(version)}.")
    if not MIN_INT64 <= pdu["origin_server_ts"] <= MAX_INT64:
        raise bad_json("'origin_server_ts' of an event must fit into 64 bits.")


def _check_references(pdu: Mapping[str, Any], key: str, most: int, version: RoomVersion) -> None:
    references = pdu[key]
    if len(references) > most:
        raise bad_json(f"'{key}' of an event has at most {most} entries.")
    for reference in references:
        event_id = _hashed_reference(reference, key) if version.hashed_references else reference
        if type(event_id) is not str:
            raise bad_json(f"'{key}' of an event must hold event ids.")
        _check_identifier(key, check_event_id, event_id)


def _hashed_reference(reference: Any, key: str) -> Any:
    """Return the event id of an [id, hashes] pair (room version 1, "Event format")."""
    if type(reference) is not list or len(reference) != 2 or type(reference[1]) is not dict:
        raise bad_json(f"'{key}' of an event must hold pairs of an event id and an object of hashes.")
    return reference[0]


def _check_hashes_and_signatures(pdu: Mapping[str, Any]) -> None:
    if type(pdu["hashes"].get("sha256")) is not str:
        raise bad_json("'hashes' of an event must have a string 'sha256'.")
    for signatures in pdu["signatures"].values():
        if type(signatures) is not dict or not all(
            type(signature) is str for signature in signatures.values()
        ):
            raise bad_json("'signatures' of an event must hold, for each server, an object of strings.")
