"""People who send as fast as they can, and remember exactly what they were told."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx

from tests.running import Person, refused

ANSWER_S = 30


@dataclass(slots=True)
class Attempt:
    """A message that somebody sent; `event_id` is None until the server has answered."""

    sender: Person
    room_id: str
    txn_id: str
    body: str
    event_id: str | None = None

    def send(self) -> httpx.Response:
        """Send it, or send it once more: the same transaction, the same content."""
        path = f"/rooms/{self.room_id}/send/m.room.message/{self.txn_id}"
        answer = self.sender.request("PUT", path, {"msgtype": "m.text", "body": self.body})
        if answer.status_code == 200:
            event_id = answer.json()["event_id"]
            assert self.event_id in (None, event_id), f"{self.txn_id} is another event now"
            self.event_id = event_id
        return answer


class Sender:
    """Somebody who sends to some rooms, one message after the other."""

    def __init__(self, person: Person, rooms: Sequence[str], seed: int) -> None:
        self.person = person
        self.attempts: list[Attempt] = []
        self._rooms = rooms
        self._random = random.Random(seed)
        self._numbers = itertools.count()

    def attempt(self) -> Attempt:
        """Write the next message; it is remembered before it is sent."""
        number = next(self._numbers)
        body = f"{number} " + "پیام " * self._random.randrange(40)
        attempt = Attempt(self.person, self._random.choice(self._rooms), f"txn-{number}", body)
        self.attempts.append(attempt)
        return attempt

    @property
    def unanswered(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.event_id is None]


class Sendable(Protocol):
    """Something that can be sent to the server."""

    def send(self) -> httpx.Response:
        """Send it and remember what the server answers."""


class Worker(Protocol):
    """Somebody who always has something more to send."""

    def attempt(self) -> Sendable:
        """Return the next thing to send."""


class Load:
    """People at work at the same time; each sends the next thing when the last one was answered."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._taken = threading.Semaphore(0)
        self._refused = threading.Semaphore(0)
        self._enough = threading.Event()

    def run(self, answers: int, end: Callable[[], None]) -> None:
        """Let everybody send; after so many answers call `end`, which must end the server, while they go on."""
        with self.working():
            try:
                self.wait_until_taken(answers)
            finally:
                end()
        assert not self._refused.acquire(blocking=False), "the server refused something"

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let everybody send while the block runs, or until the server ends."""
        self._taken = threading.Semaphore(0)
        self._refused = threading.Semaphore(0)
        self._enough.clear()
        with ThreadPoolExecutor(len(self._workers)) as threads:
            working = [threads.submit(self._work, worker) for worker in self._workers]
            try:
                yield
            finally:
                self._enough.set()
            for work in working:
                work.result(ANSWER_S)

    def wait_until_taken(self, count: int) -> None:
        """Wait until the server has taken so many more."""
        self._wait(self._taken, count)

    def wait_until_refused(self, count: int) -> None:
        """Wait until the server has refused so many more."""
        self._wait(self._refused, count)

    @staticmethod
    def _wait(counted: threading.Semaphore, count: int) -> None:
        for _ in range(count):
            assert counted.acquire(timeout=ANSWER_S), "the server answers no more"

    def _work(self, worker: Worker) -> None:
        while not self._enough.is_set():
            try:
                answer = worker.attempt().send()
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                self._taken.release()
            else:
                refused(answer, 503, "M_UNKNOWN")
                self._refused.release()
