"""The parts of the generator: what they must find, and what they must leave alone."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from tests.fuzz import generate, mutations
from tests.fuzz.drafts import Draft, Pairs, Raw, write_json
from tests.fuzz.findings import Findings, kind_of, problems, shrink
from tests.fuzz.memory import LEAST_SAMPLES, Memory
from tests.fuzz.wire import Answer, Closed, Malformed, NoAnswer, Wire
from tests.fuzz.world import User, World

HEADERS = {"access-control-allow-origin": "*", "content-type": "application/json"}
WHOAMI = Draft("getTokenOwner", "GET", ["_matrix", "client", "v3", "account", "whoami"])
REFUSAL = b'{"errcode":"M_FORBIDDEN","error":"No."}'


def world() -> World:
    found = World()
    for name in ("anna", "bob"):
        found.met(User(f"@{name}:hamrasan.test", ["secret"], "DEVICE", "token", admin=name == "anna"))
    return found


def drafts(seed: int, count: int = 300) -> Iterator[Draft]:
    everybody = world()
    for number in range(count):
        rng = Random(f"{seed}/{number}")
        yield mutations.mutate(generate.valid(rng, everybody).copy(), rng)


# Judging answers.


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (500, HEADERS, REFUSAL, "500"),
        (502, HEADERS, REFUSAL, "502"),
        (200, {}, b'{"user_id":"@a:b"}', "CORS"),
        (200, HEADERS, b'{"user_id":1}', "not of type 'string'"),
        (200, HEADERS, b"{}", "required"),
        (200, HEADERS, b"{", "no JSON"),
        (200, HEADERS, b'{"user_id":"\xed\xa0\x80"}', "no JSON"),
        (403, HEADERS, b'{"errcode":"M_FORBIDDEN"}', "without ['error']"),
        (403, {**HEADERS, "content-type": "text/html"}, b"<p>", "without JSON"),
    ],
)
def test_what_is_wrong_with_an_answer_is_found(
    status: int, headers: dict[str, str], body: bytes, said: str
) -> None:
    assert said in "\n".join(problems(WHOAMI, Answer(status, headers, body)))


@pytest.mark.parametrize(("status", "body"), [(200, b'{"user_id":"@a:b"}'), (403, REFUSAL), (204, b"")])
def test_a_good_answer_is_left_alone(status: int, body: bytes) -> None:
    assert problems(WHOAMI, Answer(status, HEADERS, body)) == []


def test_findings_of_one_kind_are_counted_once() -> None:
    found = Findings()
    for number in range(3):
        found.add(f"$event{number}abc is not there", lambda: "how")
    found.add("another one", lambda: "how")
    assert [finding.count for finding in found.found.values()] == [3, 1]
    assert kind_of("at 12: !abcdef:x") == kind_of("at 3: !ghijkl:y")


def test_the_smallest_request_is_found() -> None:
    body = {"a": [1, {"bad": True, "good": 1}], "b": {"c": 2}}
    draft = Draft("x", "PUT", ["x"], query=[("p", "1"), ("q", "2")], body=body)

    def still(candidate: Draft) -> bool:
        return '"bad": true' in json.dumps(candidate.body) and ("q", "2") in candidate.query

    smallest = shrink(draft, still)
    assert (smallest.body, smallest.query) == ({"a": [{"bad": True}]}, [("q", "2")])
    assert draft.body == body


def test_memory_that_grows_to_the_end_is_seen_and_caches_that_fill_are_not() -> None:
    def run(sizes: list[int]) -> bool:
        memory = Memory()
        memory.samples = [size * 2**20 for size in sizes]
        return memory.grows()

    assert run(list(range(50, 50 + LEAST_SAMPLES)))
    assert not run([min(100, 50 + number) for number in range(300)])
    assert not run([50, 100, 200])


# Making requests.


def test_the_same_seed_makes_the_same_requests() -> None:
    assert [draft.encode() for draft in drafts(1)] == [draft.encode() for draft in drafts(1)]
    assert [draft.encode() for draft in drafts(1)] != [draft.encode() for draft in drafts(2)]


def test_every_operation_can_be_asked_for() -> None:
    everybody = world()
    for target in generate.TARGETS:
        draft = generate.request_for(target, Random(target.id), everybody)
        assert draft.path.count("/") == target.path.strip().count("/"), target.id
        assert draft.encode().startswith(f"{target.method} /".encode())


def test_mutations_of_one_request_do_not_change_another() -> None:
    before = write_json(list(mutations.VALUES.values()))
    notes = {note.partition(":")[0] for draft in drafts(3, 3_000) for note in draft.notes}
    assert write_json(list(mutations.VALUES.values())) == before
    assert notes >= {"value", "member", "body", "segment", "path", "query", "header", "method"}


def test_json_that_no_writer_writes() -> None:
    value: Any = {"a": [Raw(b"NaN"), Pairs((("k", 1), ("k", 2)))], "b": "\ud800"}
    assert write_json(value) == b'{"a":[NaN,{"k":1,"k":2}],"b":"\xed\xa0\x80"}'


# The wire.


@contextmanager
def answering(data: bytes, close: bool = True) -> Iterator[int]:
    """Listen on a port and give everybody these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(data)
            if not close:
                done.wait(10)
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        done.set()
        thread.join(10)


def ask(port: int, patience: float = 5.0) -> Answer:
    wire = Wire(port)
    try:
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        return wire.answer("GET", patience)
    finally:
        wire.close()


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ],
)
def test_answers_are_read(data: bytes) -> None:
    with answering(data) as port:
        answer = ask(port)
    assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Closed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}", Malformed),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", Malformed),
        (b"nonsense\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Malformed),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes, error: type[Exception]) -> None:
    with answering(data) as port, pytest.raises(error):
        ask(port)


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}", close=False) as port,
        pytest.raises(NoAnswer),
    ):
        ask(port, 0.05)
