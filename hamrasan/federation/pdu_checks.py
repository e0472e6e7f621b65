"""What other servers' events must pass before the rules of a room see them.

See the server-server API, "PDUs", and "Validating hashes and signatures on received events".

Form, id, and the signatures of all servers that must have signed; an event whose content hash is wrong goes on in its
redacted form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from hamrasan.federation.key_ring import MAX_SIGNATURES, KeyRing, KeyRows, valid_key
from hamrasan.protocol.errors import MatrixError, bad_json
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.event_format import check_pdu_format
from hamrasan.protocol.hashing import check_content_hash, event_id_of, room_id_of_create
from hamrasan.protocol.redaction import redact
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.protocol.signing import (
    SignatureError,
    required_signers,
    signing_key_ids,
    verify_event_signature,
)

INLINE_EVENTS = 4
"""As many are checked on the loop, which takes a millisecond; changing to a thread costs as much as one of them."""
CHUNK_EVENTS = 64
"""Events that a thread checks at a time, so that several threads share the work of a large room's state."""


class RefusedPdu(NamedTuple):
    """An event that was left out: its place in the list, its id if it has one, and why."""

    place: int
    event_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class CheckedPdus:
    """The events that passed, in the order in which they came, each once; and those that did not."""

    events: list[Event]
    refused: list[RefusedPdu]


@dataclass(slots=True)
class _Candidate:
    """An event whose form is right."""

    index: int
    event_id: str
    room_id: str
    pdu: dict[str, Any]
    signers: dict[str, list[str]]
    """The servers that must have signed, with the ids of the keys that they are said to have used."""


T = TypeVar("T")
R = TypeVar("R")


class PduChecks:
    """Checks events of other servers."""

    def __init__(self, key_ring: KeyRing) -> None:
        self._key_ring = key_ring

    async def check_pdus(
        self, pdus: Sequence[Any], version: RoomVersion, *, room_id: str | None = None
    ) -> CheckedPdus:
        """Return the events among `pdus`, JSON values in federation format, that may be shown to the rules of a room.

        With `room_id` those of other rooms are left out. Whether a room lets them in is not asked here. The keys of all
        signers are fetched first, in one go. Raises nothing but `CommitFailed`.
        """
        candidates, refused = _sort(
            await _spread(lambda item: _read(*item, version, room_id), list(enumerate(pdus)))
        )
        wanted = _wanted(candidates, version)
        await self._key_ring.prefetch(wanted)
        keys = {server: self._key_ring.rows(server) for server in wanted}
        events, unsigned = _sort(await _spread(lambda item: _verified(item, version, keys), candidates))
        # After the signatures: of two copies of an event, which have one id, only one may be signed.
        unique: dict[str, Event] = {}
        for event in events:
            unique.setdefault(event.event_id, event)
        return CheckedPdus(list(unique.values()), sorted(refused + unsigned))

    async def check_pdu(self, pdu: Any, version: RoomVersion, *, room_id: str | None = None) -> Event:
        """Return the event of one PDU; raise `M_BAD_JSON` that says what is wrong with it."""
        checked = await self.check_pdus([pdu], version, room_id=room_id)
        if checked.refused:
            raise bad_json(checked.refused[0].reason)
        return checked.events[0]


def _verified(candidate: _Candidate, version: RoomVersion, keys: Mapping[str, KeyRows]) -> Event | RefusedPdu:
    """Return the event of a candidate, if everybody signed it who must have; redacted, if its hash is wrong."""
    pdu = candidate.pdu
    try:
        for server, key_ids in candidate.signers.items():
            _verify(pdu, version, server, key_ids, keys[server])
    except SignatureError as error:
        return RefusedPdu(candidate.index, candidate.event_id, error.message)
    if not check_content_hash(pdu, version):
        pdu = redact(pdu, version)
    return event_from_pdu(pdu, candidate.event_id, candidate.room_id)


def _verify(
    pdu: dict[str, Any], version: RoomVersion, server: str, key_ids: list[str], keys: KeyRows
) -> None:
    """Raise `SignatureError` unless one of the signatures of a server is right, with a key valid at the time."""
    if not key_ids:
        raise SignatureError(f"The event is not signed by {server}.")
    failure = SignatureError(f"No key of {server} is known that could have signed this event.")
    for key_id in key_ids:
        public_key = valid_key(keys, key_id, _time_of(pdu, version))
        if public_key is None:
            continue
        try:
            verify_event_signature(pdu, version, server, key_id, public_key)
        except SignatureError as error:
            failure = error
        else:
            return
    raise failure


def _read(index: int, pdu: Any, version: RoomVersion, room_id: str | None) -> _Candidate | RefusedPdu:
    """Return what there is to check of an event, or what is wrong with its form."""
    event_id = None
    try:
        check_pdu_format(pdu, version)
        event_id = event_id_of(pdu, version)
        found = pdu["room_id"] if "room_id" in pdu else room_id_of_create(event_id)
        if room_id is not None and found != room_id:
            return RefusedPdu(index, event_id, f"The event is of the room {found}.")
        signers = {
            server: signing_key_ids(pdu, server)[:MAX_SIGNATURES]
            for server in sorted(required_signers(pdu, version))
        }
    except MatrixError as error:
        return RefusedPdu(index, event_id, error.message)
    return _Candidate(index, event_id, found, pdu, signers)


def _time_of(pdu: dict[str, Any], version: RoomVersion) -> int | None:
    """Return when a key must have been valid; None where the room's version does not ask."""
    return pdu["origin_server_ts"] if version.enforces_key_validity else None


def _wanted(candidates: Iterable[_Candidate], version: RoomVersion) -> dict[str, dict[str, int | None]]:
    wanted: dict[str, dict[str, int | None]] = {}
    for candidate in candidates:
        at_ms = _time_of(candidate.pdu, version)
        for server, key_ids in candidate.signers.items():
            ids = wanted.setdefault(server, {})
            for key_id in key_ids:
                known = ids.get(key_id)
                ids[key_id] = at_ms if known is None or at_ms is None else max(known, at_ms)
    return wanted


def _sort(results: Iterable[R | RefusedPdu]) -> tuple[list[R], list[RefusedPdu]]:
    good: list[R] = []
    refused: list[RefusedPdu] = []
    for result in results:
        if isinstance(result, RefusedPdu):
            refused.append(result)
        else:
            good.append(result)
    return good, refused


async def _spread(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do `work` for each of the items, in threads if there are many; most of it is hashing, which lets others run."""
    if len(items) <= INLINE_EVENTS:
        return [work(item) for item in items]
    chunks = [items[start : start + CHUNK_EVENTS] for start in range(0, len(items), CHUNK_EVENTS)]

    def work_on(chunk: Sequence[T]) -> list[R]:
        return [work(item) for item in chunk]

    done = await asyncio.gather(*(asyncio.to_thread(work_on, chunk) for chunk in chunks))
    return [result for results in done for result in results]
