"""What is to be pushed survives `kill -9`: everything arrives, in order, and hardly anything twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.durability.folders import sound
from tests.gateways import HERE, Answer, Gateway, Received, accept, gateway
from tests.processes import server_process
from tests.push.pushing import push_to

SEED = 1404
KILLS = 6
MESSAGES = 8
"""In each round: fewer than make a backlog, of which only some would be sent."""
SECRET = "nobody may read this in a log"


def fail_after(pushes: Gateway, key: str, count: int) -> Callable[[Received], Answer]:
    """Return what answers with success until so many events were accepted."""
    return lambda _: Answer(503) if len(set(pushes.events(key))) >= count else Answer()


def wait_for(pushes: Gateway, key: str, event_id: str) -> None:
    pushes.wait(lambda: event_id in pushes.events(key))


@pytest.mark.timeout(180)
def test_notifications_arrive_in_order_though_server_and_gateway_fail(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    with (
        server_process(tmp_path / "data", reachable_networks=",".join(HERE), log_level="debug") as server,
        gateway() as pushes,
    ):
        alice, bob = server.register("alice"), server.register("bob")
        room_id = alice.create_room(preset="public_chat")
        bob.join(room_id)
        key = push_to(bob, pushes)
        said: list[str] = []
        for _ in range(KILLS):
            pushes.answer = fail_after(pushes, key, len(said) + generator.randint(0, MESSAGES))
            said += [alice.send(room_id, SECRET) for _ in range(MESSAGES)]
            server.kill()
            sound(server.data_dir)
            pushes.answer = accept
            server.start()
            wait_for(pushes, key, said[-1])
            assert list(dict.fromkeys(pushes.events(key))) == said
        # Only what was under way when the server was killed may have come twice.
        assert len(pushes.events(key)) <= len(said) + KILLS
        server.stop()
        assert server.complaints == []
        assert SECRET not in server.log
        assert key not in server.log


@pytest.mark.timeout(120)
def test_a_pusher_is_told_after_a_stop_of_what_came_before_it(tmp_path: Path) -> None:
    with (
        server_process(tmp_path / "data", reachable_networks=",".join(HERE)) as server,
        gateway() as pushes,
    ):
        alice, bob = server.register("alice"), server.register("bob")
        room_id = alice.create_room(preset="public_chat")
        bob.join(room_id)
        pushes.answer = lambda received: Answer(500)
        key = push_to(bob, pushes)
        said = [alice.send(room_id, f"{number}") for number in range(3)]
        pushes.wait(lambda: pushes.received)
        server.restart()
        pushes.answer = accept
        pushes.wait(lambda: len(pushes.events(key)) >= 3)
        assert pushes.events(key) == said
        server.stop()
        assert server.complaints == []
