"""Events of other servers that take long to be judged hold up nobody else, and survive a restart."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hamrasan.federation.inbound import MAX_LANE, MAX_UNDER_WAY, Inbound
from hamrasan.protocol.errors import MatrixError, limit_exceeded
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.sqlite.store import Store
from tests.http.edges import until
from tests.stores import on_store
from tests.worlds import SeededEntropy


class NoEdus:
    """Takes no ephemeral data: these tests send none."""

    async def take_messages(self, origin: str, edus: Sequence[Any]) -> None:
        assert not edus

    async def take(self, origin: str, edus: Sequence[Any]) -> None:
        assert not edus


class Judge:
    """Judges events by their names, and is slow where it is told to be."""

    def __init__(self) -> None:
        self.judged: list[str] = []
        self.slow: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.failures: list[MatrixError] = []

    async def receive(self, origin: str, room_id: str, pdus: Sequence[Any]) -> dict[str, str | None]:
        if self.failures:
            raise self.failures.pop()
        results: dict[str, str | None] = {}
        for pdu in pdus:
            name = pdu["name"]
            if name.startswith("slow"):
                await self.slow[name].wait()
            if name == "broken":
                raise RuntimeError("a fault")
            self.judged.append(name)
            results["$" + name] = "bad" if name.startswith("bad") else None
        return results


def pdu(name: str, room_id: str = "!r") -> dict[str, str]:
    return {"room_id": room_id, "name": name}


def inbound(store: Store, judge: Judge, tasks: TaskSupervisor, answer_s: float = 0.05) -> Inbound:
    edus: Any = NoEdus()
    return Inbound(judge.receive, edus, store.exchange, store.journal, SeededEntropy(), tasks, answer_s)


async def pushed(taker: Inbound, origin: str, txn_id: str, *pdus: Any) -> Any:
    return (await taker.take(origin, txn_id, {"origin": origin, "pdus": list(pdus)}))["pdus"]


def test_a_slow_room_and_a_slow_server_hold_up_nobody_else(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        taker = inbound(store, judge, tasks)
        slow = asyncio.create_task(
            pushed(taker, "evil", "1", pdu("slow", "!r"), pdu("behind", "!r"), pdu("beside", "!other"))
        )
        assert await pushed(taker, "good", "1", pdu("fine"), pdu("bad")) == {
            "$fine": {},
            "$bad": {"error": "bad"},
        }
        assert await slow == {"$beside": {}}, "answered, though not all is judged"
        rows = await store.exchange.staged(0, 10)
        assert [(row.origin, row.room_id) for row in rows] == [("evil", "!r")] * 2
        judge.slow["slow"].set()
        await until(lambda: not taker.waiting)
        assert await store.exchange.staged(0, 10) == []
        assert judge.judged[-2:] == ["slow", "behind"]
        await tasks.close(1)

    on_store(tmp_path, scenario)


def test_what_was_staged_is_judged_after_a_restart(tmp_path: Path) -> None:
    async def before(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        taker = inbound(store, judge, tasks)
        for number in range(3):
            events = [pdu(f"slow {number} {n}", f"!{number}") for n in range(2)]
            assert await pushed(taker, "far", str(number), *events) == {}
        await tasks.close(1)

    async def after(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        for number in range(3):
            for n in range(2):
                judge.slow[f"slow {number} {n}"].set()
        taker = inbound(store, judge, tasks)
        await taker.resume()
        await until(lambda: not taker.waiting)
        assert await store.exchange.staged(0, 10) == []
        assert sorted(judge.judged) == [f"slow {number} {n}" for number in range(3) for n in range(2)]
        await tasks.close(1)

    on_store(tmp_path, before)
    on_store(tmp_path, after)


def test_a_fault_in_one_room_is_no_fault_of_the_others(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        taker = inbound(store, judge, tasks, 5)
        assert await pushed(taker, "far", "1", pdu("broken", "!a"), pdu("fine", "!b")) == {"$fine": {}}
        assert await pushed(taker, "far", "2", pdu("next", "!a")) == {"$next": {}}
        await tasks.close(1)

    on_store(tmp_path, scenario)


def test_a_server_that_is_too_busy_takes_nothing_and_is_asked_again(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        taker = inbound(store, judge, tasks, 5)
        judge.failures.append(limit_exceeded(500))
        with pytest.raises(MatrixError) as refused:
            await pushed(taker, "far", "1", pdu("one"))
        assert refused.value.errcode == "M_LIMIT_EXCEEDED"
        assert await pushed(taker, "far", "1", pdu("one")) == {"$one": {}}
        await tasks.close(1)

    on_store(tmp_path, scenario)


def test_a_transaction_is_taken_once_however_often_it_comes(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        taker = inbound(store, judge, tasks, 5)
        same = [asyncio.create_task(pushed(taker, "far", "1", pdu("slow"))) for _ in range(20)]
        await asyncio.sleep(0)
        judge.slow["slow"].set()
        assert await asyncio.gather(*same) == [{"$slow": {}}] * 20
        assert await pushed(taker, "other", "1", pdu("own")) == {"$own": {}}, "ids are of a server"
        assert judge.judged == ["slow", "own"]
        await tasks.close(1)

    on_store(tmp_path, scenario)


def test_floods_are_bounded(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        judge, tasks = Judge(), TaskSupervisor()
        taker = inbound(store, judge, tasks, 0.01)
        first = [
            asyncio.create_task(pushed(taker, "far", f"a{n}", pdu("slow"))) for n in range(MAX_UNDER_WAY)
        ]
        await asyncio.sleep(0)
        with pytest.raises(MatrixError) as refused:
            await pushed(taker, "far", "one more", pdu("slow"))
        assert refused.value.errcode == "M_LIMIT_EXCEEDED"
        await asyncio.gather(*first)
        for number in range(MAX_LANE // 50 + 5):
            await pushed(taker, "far", f"b{number}", *[pdu(f"slow {number} {n}") for n in range(50)])
        assert taker.waiting <= MAX_LANE
        assert await pushed(taker, "near", "1", pdu("mine")) == {"$mine": {}}
        await tasks.close(1)

    on_store(tmp_path, scenario)
