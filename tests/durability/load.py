"""People who send as fast as they can, and remember exactly what they were told."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from tests.running import Person

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


class Load:
    """Senders at work at the same time."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self.senders = senders
        self._answered = threading.Semaphore(0)

    def run(self, answers: int, end: Callable[[], None]) -> None:
        """Let everybody send; after so many answers call `end`, which must end the server, while they go on."""
        self._answered = threading.Semaphore(0)
        with ThreadPoolExecutor(len(self.senders)) as threads:
            working = [threads.submit(self._send_until_it_ends, sender) for sender in self.senders]
            try:
                for _ in range(answers):
                    assert self._answered.acquire(timeout=ANSWER_S), "the server answers no more"
            finally:
                end()
            for work in working:
                work.result(ANSWER_S)

    def _send_until_it_ends(self, sender: Sender) -> None:
        while True:
            try:
                answer = sender.attempt().send()
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            self._answered.release()
