"""What other servers push (server-server API, "Transactions"): taken once each, and answered in bounded time.

The events of one server for one room are judged one after another, in a *lane* of their own: a server that makes us
wait, or a room that is in trouble, holds up nobody else. What is not judged by the time an answer is due is staged in
the store, and judged later, after a restart if need be.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hamrasan.federation.edu_reception import EduReception
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, limit_exceeded
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.exchange import ExchangeReader, StagePdu, UnstagePdus
from hamrasan.storage.ports.journal import Batch, Journal

MAX_PDUS = 50
"""Server-server API, "Transactions"."""
MAX_EDUS = 100
"""Server-server API, "Transactions"."""
ANSWER_S = 30.0
"""After so long a transaction is answered, though events of it are not judged yet: servers wait for a minute."""
MAX_KEPT = 10_000
"""Transactions whose results are kept in case they are repeated."""
MAX_UNDER_WAY = 4
"""Transactions of one server at a time. A server is to wait for the answer before it sends the next one; a large one,
of several processes, may not."""
MAX_LANE = 500
"""Events of one server for one room that wait; those beyond it are not taken, and fetched later where they are needed.
"""
MAX_WAITING = 20_000
"""... and of all servers and rooms; some 100 MB at worst."""
STAGED_AT_ONCE = 200
RETRY_S = 5.0
"""Before staged events are tried again that could not be written."""
LOT_LETTERS = 16

_log = get_logger(__name__)

Results = Mapping[str, str | None]
"""By event id, why an event was not taken; None if it was."""
ReceivePdus = Callable[[str, str, Sequence[Any]], Awaitable[Results]]
"""Judges events that a server (its name) sends for a room (its id), in their order.

Raises `MatrixError` only if the same may succeed later.
"""
Answer = dict[str, Any]


class _Lot:
    """Events of one server for one room that came in one transaction."""

    __slots__ = ("done", "name", "origin", "pdus", "room_id")

    def __init__(self, origin: str, room_id: str, pdus: Sequence[Any], name: str = "") -> None:
        self.origin = origin
        self.room_id = room_id
        self.pdus = pdus
        self.name = name
        """Under which they are staged; empty if they are not."""
        self.done: asyncio.Future[Results] = asyncio.get_running_loop().create_future()


class _Lane:
    """Lots that are judged one after another."""

    __slots__ = ("lots", "pdus")

    def __init__(self) -> None:
        self.lots: deque[_Lot] = deque()
        self.pdus = 0


class Inbound:
    """Takes transactions."""

    def __init__(
        self,
        receive: ReceivePdus,
        edus: EduReception,
        exchange: ExchangeReader,
        journal: Journal,
        entropy: Entropy,
        tasks: TaskSupervisor,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._receive = receive
        self._edus = edus
        self._exchange = exchange
        self._journal = journal
        self._entropy = entropy
        self._tasks = tasks
        self._answer_s = answer_s
        self._taken: BoundedCache[tuple[str, str], asyncio.Task[Answer]] = BoundedCache(MAX_KEPT)
        self._under_way: Counter[str] = Counter()
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many events wait to be judged."""
        return self._waiting

    async def take(self, origin: str, txn_id: str, transaction: Mapping[str, Any]) -> Answer:
        """Return the answer to a transaction; a repeated one gets the first answer, also while that is not there yet.

        Raises `M_BAD_JSON` for a wrong form or too much in it, `M_FORBIDDEN` if it names another origin,
        `M_LIMIT_EXCEEDED` if too many of one server are under way, `CommitFailed`.
        """
        key = (origin, txn_id)
        task = self._taken.get(key)
        if task is None:
            pdus, edus = _parts(origin, transaction)
            if self._under_way[origin] >= MAX_UNDER_WAY:
                raise limit_exceeded(1_000)
            self._under_way[origin] += 1
            task = asyncio.get_running_loop().create_task(self._process(origin, pdus, edus))
            task.add_done_callback(partial(self._ended, key))
            self._taken.put(key, task)
        return await asyncio.shield(task)

    def _ended(self, key: tuple[str, str], task: asyncio.Task[Answer]) -> None:
        origin = key[0]
        self._under_way[origin] -= 1
        if not self._under_way[origin]:
            del self._under_way[origin]
        if task.cancelled() or task.exception() is not None:
            self._taken.drop(key)  # nothing was answered, so it may be tried again

    async def _process(self, origin: str, pdus: Sequence[Any], edus: Sequence[Any]) -> Answer:
        # Keys come before what they open, and receipts after what they are for.
        await self._edus.take_messages(origin, edus)
        results = await self._take_pdus(origin, pdus)
        await self._edus.take(origin, edus)
        shown = {id: {} if error is None else {"error": error} for id, error in results.items()}
        return {"pdus": shown}

    async def _take_pdus(self, origin: str, pdus: Sequence[Any]) -> dict[str, str | None]:
        of_rooms: dict[str, list[Any]] = {}
        for pdu in pdus:
            room_id = pdu.get("room_id") if isinstance(pdu, dict) else None
            if isinstance(room_id, str):  # else nobody can say what it is: no version, so no id
                of_rooms.setdefault(room_id, []).append(pdu)
        lots = [lot for room_id, those in of_rooms.items() if (lot := self._enter(origin, room_id, those))]
        results: dict[str, str | None] = {}
        if not lots:
            return results
        await asyncio.wait([lot.done for lot in lots], timeout=self._answer_s)
        late = [lot for lot in lots if not lot.done.done()]
        if late:
            await self._stage(late)
        for lot in lots:
            if lot.done.done():
                results.update(lot.done.result())
        return results

    def _enter(self, origin: str, room_id: str, pdus: Sequence[Any], name: str = "") -> _Lot | None:
        """Put events into their lane; None if there is no room."""
        key = (origin, room_id)
        lane = self._lanes.get(key)
        if lane is None:
            lane = _Lane()
        count = len(pdus)
        if not name and (lane.pdus + count > MAX_LANE or self._waiting + count > MAX_WAITING):
            _log.info("events of a server are not taken: too many wait", server=origin, room_id=room_id)
            return None
        lot = _Lot(origin, room_id, pdus, name)
        lane.lots.append(lot)
        lane.pdus += count
        self._waiting += count
        if key not in self._lanes:
            self._lanes[key] = lane
            self._tasks.spawn("federation lane", self._run(key, lane))
        return lot

    async def _run(self, key: tuple[str, str], lane: _Lane) -> None:
        """Judge what is in a lane until it is empty."""
        try:
            while lane.lots:
                await self._judge(lane.lots[0])
                lot = lane.lots.popleft()
                lane.pdus -= len(lot.pdus)
                self._waiting -= len(lot.pdus)
        finally:
            del self._lanes[key]
            for lot in lane.lots:
                self._waiting -= len(lot.pdus)
                lot.done.cancel()

    async def _judge(self, lot: _Lot) -> None:
        while True:
            try:
                results = await self._receive(lot.origin, lot.room_id, lot.pdus)
            except MatrixError as error:  # the server is too busy, or its disk full
                if not lot.name:
                    if not lot.done.done():
                        lot.done.set_exception(error)
                    return
                await asyncio.sleep(RETRY_S)
                continue
            except Exception as error:  # whatever it is, what comes after it is judged
                _log.error("events of a server could not be judged", server=lot.origin, exc_info=error)
                results = {}
            break
        if lot.name:
            await self._journal.submit(Batch([UnstagePdus(lot.name)]))
        elif not lot.done.done():
            lot.done.set_result(results)

    # What takes longer than an answer.

    async def _stage(self, lots: Sequence[_Lot]) -> None:
        """Make durable what is still to be judged, so that it can be answered for."""
        batch = Batch()
        for lot in lots:
            lot.name = self._entropy.id(LOT_LETTERS)
            batch.writes += [
                StagePdu(lot.name, lot.origin, lot.room_id, encode_json(pdu)) for pdu in lot.pdus
            ]
        await self._journal.submit(batch)

    async def resume(self) -> None:
        """Judge what was staged before a restart."""
        pdus: list[Any] = []
        after, name, origin, room_id = 0, "", "", ""
        while rows := await self._exchange.staged(after, STAGED_AT_ONCE):
            for row in rows:
                if row.lot != name and pdus:
                    self._enter(origin, room_id, pdus, name)
                    pdus = []
                name, origin, room_id, after = row.lot, row.origin, row.room_id, row.number
                pdus.append(parse_json(row.pdu))
        if pdus:
            self._enter(origin, room_id, pdus, name)


def _parts(origin: str, transaction: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the PDUs and the EDUs of a transaction."""
    if transaction.get("origin", origin) != origin:
        raise forbidden("The transaction names another origin than the server that sends it.")
    pdus, edus = transaction.get("pdus", []), transaction.get("edus", [])
    if not isinstance(pdus, list) or not isinstance(edus, list):
        raise bad_json("'pdus' and 'edus' of a transaction must be arrays.")
    if len(pdus) > MAX_PDUS:
        raise bad_json(f"A transaction has at most {MAX_PDUS} PDUs.")
    if len(edus) > MAX_EDUS:
        raise bad_json(f"A transaction has at most {MAX_EDUS} EDUs.")
    return pdus, edus
