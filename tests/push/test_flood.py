"""A flood of notifications and a gateway that never answers: memory is bounded, and nobody who writes notices."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.http.services import Services
from hamrasan.push import senders
from hamrasan.push.gateways import MAX_AT_ONCE_PER_GATEWAY
from hamrasan.push.pushers import WantedPusher
from hamrasan.push.reactor import MAX_WAITING
from hamrasan.storage.ports.push import PusherId
from tests.fuzz.memory import resident
from tests.gateways import HERE, Answer, Gateway, Received, accept
from tests.running import Running, running

LISTENERS = 1_000
MESSAGES = 100
"""Each is pushed to each listener: 100,000 notifications, and no more than are kept for one of them."""
MAX_GROWTH = 64 * 1024 * 1024
LONG_S = 200
LOOK_S = 0.1


def listener(number: int) -> str:
    return f"@listener{number}:hamrasan.test"


async def listen(services: Services, room_id: str, url: str) -> None:
    """Let a thousand people join a room, each with a pusher."""
    for number in range(LISTENERS):
        user_id = listener(number)
        await services.accounts.create(user_id, None)
        await services.membership.join(room_id, user_id)
        wanted = WantedPusher("http", "App", "Phone", None, "fa", {"url": url})
        await services.pushers.put(PusherId(user_id, "app", f"key{number}"), "", wanted, append=False)


async def count_waiting(server: Running) -> int:
    rows = await server.server.store.database.scan("SELECT count(*) FROM waiting_pushes")
    count: int = rows[0][0]
    return count


def hang(until_set: threading.Event) -> Callable[[Received], Answer]:
    """Return what answers nobody before `until_set`."""

    def wait(_: Received) -> Answer:
        until_set.wait(LONG_S)
        return Answer(503)

    return wait


async def until_waiting(server: Running, wanted: int) -> None:
    while await count_waiting(server) != wanted:  # noqa: ASYNC110 - a count of rows is no event
        await asyncio.sleep(LOOK_S)


@pytest.mark.timeout(300)
def test_a_hundred_thousand_notifications_wait_for_a_dead_gateway(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "TIMEOUT_S", 1_000.0)  # the gateway hangs for all of the test
    assert MESSAGES <= MAX_WAITING
    may_go_on = threading.Event()
    gateway.answer = hang(may_go_on)
    with running(tmp_path, reachable_networks=HERE) as server:
        alice = server.register("alice")
        room_id = alice.create_room(preset="public_chat")
        server.run(listen(server.server.services, room_id, gateway.url), LONG_S)
        alice.send(room_id, "warm")
        server.run(until_waiting(server, LISTENERS), LONG_S)
        before = resident(os.getpid())
        for number in range(MESSAGES - 1):
            alice.send(room_id, f"{number}")
        server.run(until_waiting(server, LISTENERS * MESSAGES), LONG_S)
        assert resident(os.getpid()) - before < MAX_GROWTH
        assert len(gateway.received) <= MAX_AT_ONCE_PER_GATEWAY
        assert gateway.accepted == []
        last = alice.send(room_id, "while everything waits")
        gateway.answer = accept
        may_go_on.set()
        gateway.wait(lambda: len({each.pushkey for each in gateway.accepted}) == LISTENERS)
        server.run(until_waiting(server, 0), LONG_S)
    assert last in gateway.events()
    assert len(gateway.accepted) < LISTENERS * MESSAGES / 5, "a backlog is not told message by message"
