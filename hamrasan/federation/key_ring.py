"""The keys of other servers: asked of them, else of notaries, kept with their end, and used to check signatures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hamrasan.federation.client import FederationClient, RemoteRefused, ServerUnreachable, path_of
from hamrasan.federation.key_answers import KeyAnswer, read_key_answer
from hamrasan.federation.own_keys import OwnKeys
from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.signing import SignatureError, signing_key_ids, verify_signed_json
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.shared_work import SharedWork
from hamrasan.storage.ports.federation import FederationReader, PutKeyAnswer, PutServerKey
from hamrasan.storage.ports.journal import Batch, Journal

MAX_SERVERS = 10_000
"""Servers whose keys are in memory; about 10 MB. Those of others are read from the store."""
MAX_FETCHES = 32
"""Servers that are asked for their keys at the same time."""
TIMEOUT_S = 10.0
"""For one server's keys: a short answer that it has ready."""
PREFETCH_S = 20.0
"""For the keys of all servers of a large room; what is not there by then is missing, and its events wait."""
MAX_BYTES = 128 * 1024
"""Of one server's answer: twice what the most keys take."""
MAX_NOTARY_BYTES = 4 * 1024 * 1024
MIN_PAUSE_S = 30.0
"""Between two questions to one server about its keys, or anybody who names keys that do not exist makes us ask on."""
MAX_SIGNATURES = 8
"""Of one server on one thing that are looked at; who changes the key signs with two."""

_log = get_logger(__name__)

KeyRows = Mapping[str, PutServerKey]
"""Keys of one server by id."""
Wanted = Mapping[str, Mapping[str, int | None]]
"""By server and key id, when the key must be valid (ms since 1970); None for any time."""


def valid_key(keys: KeyRows, key_id: str, at_ms: int | None) -> bytes | None:
    """Return a key whose signatures count at a time, None if there is none."""
    row = keys.get(key_id)
    return None if row is None or (at_ms is not None and at_ms > row.valid_until_ts) else row.public_key


class KeyRing:
    """Knows servers by their keys."""

    def __init__(
        self,
        own: OwnKeys,
        client: FederationClient,
        journal: Journal,
        reader: FederationReader,
        clock: Clock,
        notaries: Sequence[str] = (),
    ) -> None:
        self._own = own
        self._client = client
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._notaries = tuple(notary for notary in notaries if notary != own.server_name)
        self._known: BoundedCache[str, KeyRows] = BoundedCache(MAX_SERVERS)
        self._asked_at: BoundedCache[str, float] = BoundedCache(MAX_SERVERS)
        self._under_way: SharedWork[None] = SharedWork()
        self._slots = asyncio.Semaphore(MAX_FETCHES)

    async def verify_json(
        self, server: str, value: Mapping[str, Any], at_ms: int | None, *, strict: bool = True
    ) -> None:
        """Raise `SignatureError` unless `server` signed `value` with a key that was valid at `at_ms` (ms since 1970).

        None for `at_ms` asks for a key of any time, as in rooms before version 5.
        """
        key_ids = signing_key_ids(value, server)[:MAX_SIGNATURES]
        if not key_ids:
            raise SignatureError(f"There is no signature of {server}.")
        keys = await self.keys(server, key_ids, at_ms)
        failure = SignatureError(f"No key of {server} is known that could have signed this.")
        for key_id, public_key in keys.items():
            try:
                verify_signed_json(value, server, key_id, public_key, strict=strict)
            except SignatureError as error:
                failure = error
            else:
                return
        raise failure

    async def keys(self, server: str, ids: Iterable[str], at_ms: int | None) -> dict[str, bytes]:
        """Return those of the keys with these ids that were valid at `at_ms`; the others are missing."""
        wanted = dict.fromkeys(ids, at_ms)
        if not self._has(server, wanted):
            await self._fetch(server)
        rows = self.rows(server)
        found = {key_id: valid_key(rows, key_id, at_ms) for key_id in wanted}
        return {key_id: key for key_id, key in found.items() if key is not None}

    def rows(self, server: str) -> KeyRows:
        """Return all keys of a server that are known."""
        if server == self._own.server_name:
            return self._own.rows
        rows = self._known.get(server)
        if rows is None:
            rows = {row.key_id: row for row in self._reader.server_keys(server)}
            self._known.put(server, rows)
        return rows

    async def prefetch(self, wanted: Wanted) -> None:
        """Ask for the keys that will be needed, of all servers at once; what cannot be had in time stays missing."""
        lacking = [server for server, ids in wanted.items() if not self._has(server, ids)]
        if not lacking:
            return
        try:
            async with asyncio.timeout(PREFETCH_S):
                await asyncio.gather(*(self._fetch(server) for server in lacking))
        except TimeoutError:
            _log.info("not all keys could be had in time", servers=len(lacking))

    def last_answer(self, server: str) -> PutKeyAnswer | None:
        """Return what a server last said of its keys; None if nothing is known."""
        return self._reader.key_answer(server)

    def is_fresh(self, known: PutKeyAnswer | None, min_valid_until_ts: int) -> bool:
        """Return whether an answer need not be asked for anew: valid for long enough, and not past half its life."""
        return (
            known is not None
            and known.valid_until_ts >= min_valid_until_ts
            and self._clock.now_ms() <= (known.fetched_ts + known.valid_until_ts) // 2
        )

    async def renew(self, server: str) -> None:
        """Ask a server for its keys, unless that was done a moment ago."""
        await self._fetch(server)

    async def close(self) -> None:
        """Give up what is being asked for."""
        await self._under_way.close()

    def _has(self, server: str, wanted: Mapping[str, int | None]) -> bool:
        rows = self.rows(server)
        return all(valid_key(rows, key_id, at_ms) is not None for key_id, at_ms in wanted.items())

    async def _fetch(self, server: str) -> None:
        """Ask for the keys of a server, unless that was done a moment ago."""
        if server == self._own.server_name:
            return
        asked_at = self._asked_at.get(server)
        if asked_at is not None and self._clock.monotonic() - asked_at < MIN_PAUSE_S:
            return
        await self._under_way.do(server, lambda: self._ask_all(server))

    async def _ask_all(self, server: str) -> None:
        async with self._slots:
            if not await self._ask_itself(server):
                for notary in self._notaries:
                    if notary != server and await self._ask_notary(notary, server):
                        break
        # Not before: whoever comes meanwhile waits for this, and does not take it for done.
        self._asked_at.put(server, self._clock.monotonic())

    async def _ask_itself(self, server: str) -> bool:
        try:
            value = await self._client.get(
                server, "/_matrix/key/v2/server", timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES, signed=False
            )
            answer = read_key_answer(value, server, self._clock.now_ms())
        except (RemoteRefused, ServerUnreachable) as error:
            _log.info("a server does not say its keys", server=server, reason=error.message)
            return False
        except MatrixError as error:
            _log.warning("a server's keys are not believed", server=server, reason=error.message)
            return False
        await self._keep(answer, value)
        return True

    async def _ask_notary(self, notary: str, server: str) -> bool:
        try:
            value = await self._client.get(
                notary,
                path_of("/_matrix/key/v2/query/{}", server),
                query={"minimum_valid_until_ts": self._clock.now_ms()},
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_NOTARY_BYTES,
                signed=False,
            )
            said = value.get("server_keys")
            for one in said if isinstance(said, list) else ():
                if isinstance(one, dict) and one.get("server_name") == server:
                    await self.verify_json(notary, one, self._clock.now_ms())
                    answer = read_key_answer(one, server, self._clock.now_ms())
                    await self._keep(self._without_changes(answer), one)
                    return True
        except MatrixError as error:
            _log.info("a notary is of no help", notary=notary, server=server, reason=error.message)
        return False

    def _without_changes(self, answer: KeyAnswer) -> KeyAnswer:
        """Leave out what contradicts a key that is known: a notary is not asked to replace keys."""
        known = self.rows(answer.server)
        keys = tuple(
            key
            for key in answer.keys
            if key.key_id not in known or known[key.key_id].public_key == key.public_key
        )
        return answer._replace(keys=keys)

    async def _keep(self, answer: KeyAnswer, value: dict[str, Any]) -> None:
        row = PutKeyAnswer(
            answer.server, self._clock.now_ms(), answer.valid_until_ts, encode_canonical(value)
        )
        await self._journal.submit(Batch([*answer.keys, row]))
        known = {**self.rows(answer.server), **{key.key_id: key for key in answer.keys}}
        self._known.put(answer.server, known)
