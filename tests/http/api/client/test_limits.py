"""What one client may cost: rates, sizes, depths, lengths of lists; and what everybody hears who asks for more."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hamrasan.http.api.client import event_context, message_pagination, relations, threads_list
from hamrasan.http.api.routes import ROUTES
from hamrasan.http.api.unserved import UNSERVED
from hamrasan.http.limits import MAX_JSON_BYTES
from hamrasan.http.rate_limit import ADDRESS_RATES, FAILURE_RATE, USER_RATES
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.limits import MAX_EVENT_BYTES, MAX_JSON_DEPTH
from hamrasan.rooms import directory
from tests.reading import V1, bodies, react, relate, room_path
from tests.rooms_over_http import timeline
from tests.running import Person, Running, answered, refused, running

V3 = "/_matrix/client/v3"
PROXY = ("127.0.0.0/8",)


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Running]:
    """A server with rate limits, behind a proxy that it believes."""
    with running(tmp_path / "data", rate_limits=True, trusted_proxies=PROXY) as own:
        yield own


def event_ids(person: Person, room_id: str) -> list[str]:
    return [event["event_id"] for event in timeline(person, room_id)]


def check_refusal(response: httpx.Response) -> None:
    """Fail unless the answer says, in both ways, how long to wait."""
    wait = refused(response, 429, "M_LIMIT_EXCEEDED")["retry_after_ms"]
    assert type(wait) is int
    assert wait > 0
    seconds = int(response.headers["Retry-After"])
    assert wait <= seconds * 1000 < wait + 2000


def until_refused(requests: Iterator[httpx.Response], most: int) -> int:
    """Return how many requests were let through before one was refused."""
    for count, response in enumerate(requests):
        if response.status_code == 429:
            check_refusal(response)
            return count
        assert count <= most, "no end of what is let through"
    raise AssertionError("out of requests")


# Rates.


def test_a_user_who_sends_too_fast_is_asked_to_wait_and_nothing_of_it_is_sent(limited: Running) -> None:
    alice, bob = limited.register("alice"), limited.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    burst = USER_RATES[RateClass.MESSAGES].burst
    path = room_path(room_id, "send", "m.room.message")

    def sends() -> Iterator[httpx.Response]:
        for number in range(burst * 3):
            yield alice.request("PUT", f"{path}/t{number}", {"msgtype": "m.text", "body": f"{number}"})

    passed = until_refused(sends(), burst * 2)
    assert passed >= burst
    assert bodies(timeline(alice, room_id))[-1] == f"{passed - 1}"
    bob.send(room_id, "others are not held up")
    assert alice.get(room_path(room_id, "joined_members")), "and reading has a rate of its own"


def test_a_stranger_who_asks_too_often_is_asked_to_wait_by_address(limited: Running) -> None:
    burst = ADDRESS_RATES[RateClass.LOGIN].burst
    with limited.anonymous() as http:

        def tries(address: str) -> Iterator[httpx.Response]:
            for _ in range(burst * 3):
                yield http.post(f"{V3}/login", content=b"{", headers={"X-Forwarded-For": address})

        assert until_refused(tries("192.0.2.1"), burst * 2) >= burst
        assert next(tries("192.0.2.1")).status_code == 429
        refused(next(tries("192.0.2.2")), 400, "M_NOT_JSON")


def test_guessing_the_password_of_one_account_is_slowed_down(limited: Running) -> None:
    alice, bob = limited.register("alice"), limited.register("bob")
    burst = USER_RATES[RateClass.LOGIN].burst
    with limited.anonymous() as http:

        def guesses(who: Person) -> Iterator[httpx.Response]:
            identifier = {"type": "m.id.user", "user": who.user_id}
            for number in range(burst * 3):
                body = {"type": "m.login.password", "identifier": identifier, "password": f"guess {number}"}
                yield http.post(f"{V3}/login", json=body)

        assert until_refused(guesses(alice), burst * 2) <= burst
        refused(next(guesses(bob)), 403, "M_FORBIDDEN")


def test_guessing_tokens_is_slowed_down_by_address(limited: Running) -> None:
    with limited.anonymous() as http:

        def guesses() -> Iterator[httpx.Response]:
            for number in range(FAILURE_RATE.burst * 3):
                yield http.get(f"{V3}/account/whoami", headers={"Authorization": f"Bearer guess{number}"})

        assert until_refused(guesses(), FAILURE_RATE.burst * 2) >= FAILURE_RATE.burst


def test_a_rate_limit_can_be_switched_off(server: Running, alice: Person) -> None:
    room_id = alice.create_room()
    for number in range(USER_RATES[RateClass.MESSAGES].burst + 20):
        alice.send(room_id, f"{number}")


def test_only_answers_that_are_always_the_same_have_no_rate() -> None:
    free = {route.path for route in ROUTES if route.limit is RateClass.NONE}
    fixed = {f"/.well-known/matrix/{name}" for name in ("client", "policy_server", "support")}
    assert free == {*fixed, f"{V3}/login", "/_matrix/client/versions", "/health"}


# Sizes.


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(server: Running, alice: Person, chunked: bool) -> None:
    body = b'{"display_name":"' + b"x" * MAX_JSON_BYTES + b'"}'
    content: Any = (
        (body[start : start + 65_536] for start in range(0, len(body), 65_536)) if chunked else body
    )
    answer = alice.http.put(f"{V3}/devices/{alice.device_id}", content=content)
    refused(answer, 413, "M_TOO_LARGE")
    assert "display_name" not in alice.get(f"/devices/{alice.device_id}")


@pytest.mark.parametrize("state_key", [None, "key"])
def test_an_event_that_is_too_large_is_refused_and_not_sent(alice: Person, state_key: str | None) -> None:
    room_id = alice.create_room()
    before = event_ids(alice, room_id)

    def put(size: int) -> httpx.Response:
        parts = (
            ("send", "org.example.thing", "txn")
            if state_key is None
            else ("state", "org.example.thing", state_key)
        )
        return alice.request("PUT", room_path(room_id, *parts), {"body": "x" * size})

    refused(put(MAX_EVENT_BYTES), 413, "M_TOO_LARGE")
    refused(put(MAX_EVENT_BYTES - 100), 413, "M_TOO_LARGE")
    assert event_ids(alice, room_id) == before
    event_id = answered(put(MAX_EVENT_BYTES - 2_500))["event_id"]
    assert event_ids(alice, room_id) == [*before, event_id]


@pytest.mark.parametrize(
    "parts", [("send", "x" * 256, "t"), ("state", "x" * 256), ("state", "org.example", "k" * 256)]
)
def test_types_and_state_keys_have_255_bytes(alice: Person, parts: tuple[str, ...]) -> None:
    room_id = alice.create_room()
    before = event_ids(alice, room_id)
    assert alice.request("PUT", room_path(room_id, *parts), {}).status_code in (400, 413)
    assert event_ids(alice, room_id) == before
    shorter = [part[:255] for part in parts]
    answered(alice.request("PUT", room_path(room_id, *shorter), {}))


def test_json_that_is_nested_too_deep_is_refused(alice: Person) -> None:
    room_id = alice.create_room()
    before = event_ids(alice, room_id)

    def put(depth: int) -> httpx.Response:
        content = b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)
        return alice.http.put(V3 + room_path(room_id, "send", "org.example", f"t{depth}"), content=content)

    refused(put(MAX_JSON_DEPTH + 1), 400, "M_BAD_JSON")
    refused(put(100_000), 400, "M_BAD_JSON")
    assert event_ids(alice, room_id) == before
    answered(put(MAX_JSON_DEPTH - 1))
    assert len(alice.sync()["rooms"]["join"][room_id]["timeline"]["events"]) > 1


# Lists.


def test_pages_of_a_room_have_a_greatest_length(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_pagination, "MAX_EVENT_LIMIT", 5)
    monkeypatch.setattr(event_context, "MAX_EVENT_LIMIT", 4)
    room_id = alice.create_room()
    sent = [alice.send(room_id, f"{number}") for number in range(20)]
    page = alice.get(room_path(room_id, "messages"), dir="b", limit=2**53)
    assert [event["event_id"] for event in page["chunk"]] == sent[:-6:-1]
    more = alice.get(room_path(room_id, "messages"), dir="b", limit=1000, **{"from": page["end"]})
    assert [event["event_id"] for event in more["chunk"]] == sent[-6:-11:-1]
    around = alice.get(room_path(room_id, "context", sent[10]), limit=1000)
    assert len(around["events_before"]) + len(around["events_after"]) == 4


def test_pages_of_relations_and_threads_have_a_greatest_length(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations, "MAX_LIMIT", 3)
    monkeypatch.setattr(threads_list, "MAX_LIMIT", 3)
    room_id = alice.create_room()
    roots = [alice.send(room_id, "root") for _ in range(5)]
    for root in roots:
        relate(alice, room_id, root, "m.thread", "reply")
    for key in "abcde":
        react(alice, room_id, roots[0], key)
    for path in (f"/rooms/{quote(room_id)}/relations/{quote(roots[0])}", f"/rooms/{quote(room_id)}/threads"):
        seen, query = [], {"limit": "1000000"}
        while True:
            page = answered(alice.request("GET", V1 + path, **query))
            assert len(page["chunk"]) <= 3
            seen += [event["event_id"] for event in page["chunk"]]
            if "next_batch" not in page:
                break
            query["from"] = page["next_batch"]
        assert len(seen) == len(set(seen)) == (6 if "relations" in path else 5)


def test_pages_of_the_directory_have_a_greatest_length(
    fresh_server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "MAX_LIMIT", 2)
    alice = fresh_server.register("alice")
    rooms = {alice.create_room(visibility="public") for _ in range(5)}
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 1000}
    while True:
        page = alice.get("/publicRooms", **query)
        assert len(page["chunk"]) <= 2
        seen += [room["room_id"] for room in page["chunk"]]
        if "next_batch" not in page:
            break
        query["since"] = page["next_batch"]
    assert len(seen) == len(rooms)
    assert set(seen) == rooms


@pytest.mark.parametrize("limit", ["-1", "many", "1.5", "9" * 30, "", "٣"])
def test_a_limit_that_is_no_number_is_refused(alice: Person, limit: str) -> None:
    room_id = alice.create_room()
    refused(
        alice.request("GET", room_path(room_id, "messages"), dir="b", limit=limit), 400, "M_INVALID_PARAM"
    )
    refused(alice.request("GET", "/publicRooms", limit=limit), 400, "M_INVALID_PARAM")


# What everybody hears.


def filled(route: Route) -> str:
    """Return the path of a route with something in place of each parameter."""
    return "/".join("abc" if part.startswith("{") else part for part in route.path.split("/"))


def test_every_answer_is_for_browsers_too(server: Running, alice: Person) -> None:
    big = b"x" * (MAX_JSON_BYTES + 1)
    answers = [
        alice.http.get(f"{V3}/account/whoami"),
        alice.http.get(f"{V3}/nothing"),
        alice.http.delete(f"{V3}/sync"),
        alice.http.get(f"{V3}/sync?since=nonsense"),
        alice.http.put(f"{V3}/devices/X", content=b"{"),
        alice.http.put(f"{V3}/devices/X", content=big),
        alice.http.get(f"{V3}/rooms/%21nothing:x/messages?dir=b"),
        alice.http.get(f"{V3}/sync", headers={"Authorization": "Bearer nothing"}),
        alice.http.options(f"{V3}/sync"),
        alice.http.options(f"{V3}/nothing"),
        alice.http.options("/_matrix/media/v3/upload"),
        alice.http.get("/.well-known/matrix/client"),
    ]
    assert {answer.status_code for answer in answers} >= {200, 204, 400, 401, 403, 404, 405, 413}
    for answer in answers:
        headers, what = answer.headers, f"{answer.request.method} {answer.request.url}"
        assert headers["Access-Control-Allow-Origin"] == "*", what
        assert headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, DELETE, OPTIONS", what
        assert headers["Access-Control-Allow-Headers"] == "X-Requested-With, Content-Type, Authorization", (
            what
        )


@pytest.mark.parametrize(
    "path",
    ["/_matrix/client/v3/nothing", "/_matrix/client/v99/sync", "/_matrix/nothing", "/_matrix", "/nothing"],
)
def test_what_is_not_there_is_unrecognized(alice: Person, path: str) -> None:
    for method in ("GET", "PUT", "POST", "DELETE"):
        refused(alice.http.request(method, path), 404, "M_UNRECOGNIZED")


def test_what_is_not_served_is_unrecognized(alice: Person) -> None:
    for row in UNSERVED:
        path = "/".join("abc" if part.startswith("{") else part for part in row.path.split("/"))
        answer = alice.http.request(row.method, path, json={} if row.method in ("PUT", "POST") else None)
        # Another method of the same address may be served.
        assert answer.status_code in (404, 405), row.operation
        refused(answer, answer.status_code, "M_UNRECOGNIZED")


def test_every_address_refuses_other_methods(server: Running, alice: Person) -> None:
    methods: dict[str, set[str]] = {}
    for route in ROUTES:
        methods.setdefault(filled(route), set()).add(route.method)
    for path, served in methods.items():
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH"} - served:
            answer = alice.http.request(method, path)
            if answer.status_code == 404:
                continue  # "abc" in place of a parameter may be an address of its own
            refused(answer, 405, "M_UNRECOGNIZED")
            assert served <= set(answer.headers["Allow"].split(", ")), path


JSON_ROUTES = [route for route in ROUTES if route.body in (Body.JSON_OBJECT, Body.JSON_OPTIONAL)]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"{", "M_NOT_JSON"),
        (b"nonsense", "M_NOT_JSON"),
        (b'{"a":"\xff"}', "M_NOT_JSON"),
        (b'{"a":"\\ud800"}', "M_NOT_JSON"),
        (b"\xef\xbb\xbf{}", "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b'"text"', "M_BAD_JSON"),
        (b"null", "M_BAD_JSON"),
        (b"[" * 200 + b"]" * 200, "M_BAD_JSON"),
    ],
)
def test_every_body_that_is_no_json_object_is_refused(server: Running, body: bytes, errcode: str) -> None:
    admin = server.register("admin")
    server.run(server.server.services.accounts.set_admin(admin.user_id, True))
    told = 0
    for route in JSON_ROUTES:
        answer = admin.http.request(route.method, filled(route), content=body)
        assert 400 <= answer.status_code < 500, f"{route.operation}: {answer.text}"
        if answer.json()["errcode"] == errcode:
            told += 1
        else:
            # Whoever asks for something of a user "abc" or a room "abc" may hear of that first.
            assert answer.json()["errcode"] in ("M_FORBIDDEN", "M_NOT_FOUND", "M_INVALID_PARAM"), (
                route.operation
            )


def test_every_user_route_asks_for_a_token(server: Running) -> None:
    with server.anonymous() as http:
        for route in ROUTES:
            if route.auth in (Auth.USER, Auth.GUEST, Auth.ADMIN):
                refused(http.request(route.method, filled(route)), 401, "M_MISSING_TOKEN")


# Slow clients.


def test_clients_that_do_not_finish_their_requests_hold_up_nobody(server: Running, alice: Person) -> None:
    host, port = server.server.edge.addresses[0]
    half = b"PUT /_matrix/client/v3/devices/X HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    slow = []
    try:
        for number in range(200):
            connection = socket.create_connection((host, port), timeout=10)
            connection.sendall(half if number % 2 else half[:40])
            slow.append(connection)
        assert alice.get("/account/whoami")["user_id"] == alice.user_id
    finally:
        for connection in slow:
            connection.close()
