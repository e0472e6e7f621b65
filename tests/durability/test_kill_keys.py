"""A server that is killed while keys are claimed and messages go to devices: no key is given twice, no message lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.http.api.client.test_keys import ALGORITHM, one_time
from tests.processes import ServerProcess, server_process
from tests.running import Person

CLAIMERS = 50
PEOPLE = 3
"""Who claim: making one costs the server as much as a hundred claims."""
KEYS = 300
KILLS = 3
ANSWERS = 80
"""Claims, or sends, that are answered before the server is killed."""
SENDERS = 5
SEED = 1403


def unchecked(server: ServerProcess, person: Person) -> httpx.Client:
    """Return a connection of a person, beside others of theirs."""
    headers = {"Authorization": f"Bearer {person.token}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=30.0, trust_env=False)


def until_killed(server: ServerProcess, work: Callable[[int], bool], workers: int, answers: int) -> None:
    """Let `workers` work until the server does not answer, and kill it after so many answers."""
    left = threading.Semaphore(0)

    def keep_working(number: int) -> None:
        try:
            while work(number):
                left.release()
        except httpx.TransportError:
            pass
        finally:
            left.release(answers)  # nobody waits for what does not come any more

    with ThreadPoolExecutor(workers) as threads:
        working = [threads.submit(keep_working, number) for number in range(workers)]
        for _ in range(answers):
            left.acquire()
        server.kill()
        for each in working:
            each.result(60)


@pytest.mark.timeout(180)
def test_no_one_time_key_is_given_twice_by_a_server_that_is_killed(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        alice = server.register("alice")
        people = [server.register("claimer", checked=False) for _ in range(PEOPLE)]
        claimers = [unchecked(server, people[number % PEOPLE]) for number in range(CLAIMERS)]
        names = [f"k{number:03}" for number in range(KEYS)]
        alice.post("/keys/upload", {"one_time_keys": one_time(*names)})
        given: list[str] = []

        def claim(number: int) -> bool:
            wanted = {"one_time_keys": {alice.user_id: {alice.device_id: ALGORITHM}}}
            answer = claimers[number].post("/_matrix/client/v3/keys/claim", json=wanted)
            assert answer.status_code == 200, answer.text
            keys = answer.json()["one_time_keys"].get(alice.user_id, {}).get(alice.device_id, {})
            given.extend(keys)
            return bool(keys)

        generator = random.Random(SEED)
        for _ in range(KILLS):
            until_killed(server, claim, CLAIMERS, generator.randrange(ANSWERS // 4, ANSWERS))
            server.start()
        with ThreadPoolExecutor(CLAIMERS) as threads:
            for _ in range(KEYS // CLAIMERS + 1):
                list(threads.map(claim, range(CLAIMERS)))
        for http in claimers:
            http.close()

        assert len(given) > ANSWERS
        assert [name for name, times in Counter(given).items() if times > 1] == []
        assert set(given) <= {f"{ALGORITHM}:{name}" for name in names}
        # What is not with anybody was given to somebody who did not hear the answer.
        assert alice.sync()["device_one_time_keys_count"] == {ALGORITHM: 0}
        assert len(given) >= KEYS - KILLS * CLAIMERS
        assert server.complaints == []


@pytest.mark.timeout(180)
def test_messages_to_devices_come_once_and_in_order_from_a_server_that_is_killed(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        bob = server.register("bob")
        senders = [server.register("sender", checked=False) for _ in range(SENDERS)]
        sent = [0] * SENDERS
        heard: list[list[int]] = [[] for _ in senders]
        numbers = {sender.user_id: number for number, sender in enumerate(senders)}
        since: str | None = None

        def send(number: int) -> bool:
            """Send the next message; one that was not answered is sent again with its transaction id."""
            messages = {bob.user_id: {bob.device_id: {"n": sent[number]}}}
            path = f"/sendToDevice/m.x/t{sent[number]}"
            answer = senders[number].request("PUT", path, {"messages": messages})
            assert answer.status_code == 200, answer.text
            sent[number] += 1
            return True

        def listen(person: Person, since: str | None) -> str:
            while True:
                answer = person.sync(since)
                token: str = answer["next_batch"]
                events = answer.get("to_device", {}).get("events", [])
                for event in events:
                    heard[numbers[event["sender"]]].append(event["content"]["n"])
                if not events:
                    return token
                since = token

        generator = random.Random(SEED)
        for _ in range(KILLS):
            until_killed(server, send, SENDERS, generator.randrange(ANSWERS // 4, ANSWERS))
            server.start()
            since = listen(bob, since)
        for number in range(SENDERS):
            send(number)
        listen(bob, since)
        assert heard == [list(range(count)) for count in sent]
        assert server.complaints == []
