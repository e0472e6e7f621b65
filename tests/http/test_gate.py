"""Who passes to a handler, over real requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from hamrasan.http.edge import Edge
from hamrasan.http.gate import Recall
from hamrasan.http.rate_limit import USER_RATES, Rate, RateLimiter
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.protocol.errors import MatrixError
from tests.http.edges import USERS, Answered, Client, Someone, World, connected, route, serving
from tests.http.running import run
from tests.worlds import ManualClock


async def who(request: Request, _services: World) -> Answer:
    """Tell whom the gate let in."""
    return ok(request.requester.user_id if request.is_authenticated else None)


async def origin(request: Request, _services: World) -> Answer:
    """Tell which server the gate let in."""
    return ok(request.requester.origin)


def _routes(limit: RateClass = RateClass.NONE) -> list[Route]:
    kinds = (Auth.NONE, Auth.USER, Auth.GUEST, Auth.OPTIONAL, Auth.ADMIN)
    return [route("GET", f"/{kind.value}", who, auth=kind, limit=limit) for kind in kinds]


async def _get(client: Client, target: str, token: str | None = None) -> Answered:
    return await client.ask("GET", target, b"", *([f"Authorization: Bearer {token}"] if token else []))


@pytest.mark.parametrize(
    ("kind", "token", "outcome"),
    [
        ("none", None, None),
        ("none", "wrong", None),
        ("user", "alice", "@alice:example.org"),
        ("user", None, (401, "M_MISSING_TOKEN")),
        ("user", "wrong", (401, "M_UNKNOWN_TOKEN")),
        ("user", "guest", (403, "M_GUEST_ACCESS_FORBIDDEN")),
        ("guest", "guest", "@guest:example.org"),
        ("guest", "alice", "@alice:example.org"),
        ("guest", None, (401, "M_MISSING_TOKEN")),
        ("optional", None, None),
        ("optional", "alice", "@alice:example.org"),
        ("optional", "wrong", (401, "M_UNKNOWN_TOKEN")),
        ("admin", "admin", "@admin:example.org"),
        ("admin", "alice", (403, "M_FORBIDDEN")),
        ("admin", "guest", (403, "M_GUEST_ACCESS_FORBIDDEN")),
        ("admin", None, (401, "M_MISSING_TOKEN")),
    ],
)
@pytest.mark.parametrize("recall", [None, USERS.get])
def test_who_may_pass(kind: str, token: str | None, outcome: Any, recall: Recall | None) -> None:
    async def test() -> None:
        async with serving(*_routes(), recall=recall) as edge, connected(edge) as client:
            answer = await _get(client, f"/{kind}", token)
            if isinstance(outcome, tuple):
                assert (answer.status, answer.json["errcode"]) == outcome
            else:
                assert (answer.status, answer.json) == (200, outcome)

    run(test())


@pytest.mark.parametrize(
    ("target", "header", "status"),
    [
        ("/user", "authorization: bearer alice", 200),
        ("/user", "Authorization:   Bearer   alice  ", 200),
        ("/user?access_token=alice", "X: y", 200),
        ("/user?access_token=%61lice&x=y", "X: y", 200),
        ("/user?access_token=alice", "Authorization: Bearer wrong", 401),
        ("/user", "Authorization: Basic alice", 401),
        ("/user", "Authorization: Bearer", 401),
        ("/user", "Authorization: Bearer ", 401),
        ("/user?access_token=", "X: y", 401),
        ("/user?access_token=%zz", "X: y", 400),
    ],
)
def test_where_the_token_may_stand(target: str, header: str, status: int) -> None:
    async def test() -> None:
        async with serving(*_routes()) as edge, connected(edge) as client:
            assert (await client.ask("GET", target, b"", header)).status == status

    run(test())


def test_an_authenticator_may_wait() -> None:
    async def slowly(token: str) -> Someone:
        await asyncio.sleep(0)
        if token != "alice":
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "no", {"soft_logout": True})
        return USERS[token]

    async def test() -> None:
        edge = Edge(_routes(), World(), authenticate=slowly)
        await edge.listen("127.0.0.1", 0)
        async with connected(edge) as client:
            assert (await _get(client, "/user", "alice")).json == "@alice:example.org"
            refused = await _get(client, "/user", "bob")
            assert refused.json == {"errcode": "M_UNKNOWN_TOKEN", "error": "no", "soft_logout": True}
        await edge.shutdown(0)

    run(test())


@pytest.mark.parametrize("recall", [None, USERS.get])
def test_application_services_speak_for_their_users(recall: Recall | None) -> None:
    async def identify(requester: Someone, request: Request) -> Someone:
        user_id = request.query.required("user_id")
        if requester.user_id != "@bridge:example.org":
            raise MatrixError(403, "M_FORBIDDEN", "not yours")
        return Someone(user_id)

    async def test() -> None:
        async with serving(*_routes(), identify=identify, recall=recall) as edge, connected(edge) as client:
            asked = "/user?user_id=%40ghost%3Aexample.org"
            assert (await _get(client, asked, "bridge")).json == "@ghost:example.org"
            assert (await _get(client, asked, "alice")).status == 403
            assert (await _get(client, "/user", "bridge")).json == "@bridge:example.org"

    run(test())


def test_servers_have_an_authenticator_of_their_own() -> None:
    @dataclass(frozen=True)
    class Server:
        origin: str

    async def signed(request: Request) -> Server:
        if request.header("authorization") is None:
            raise MatrixError(401, "M_UNAUTHORIZED", "not signed")
        return Server("remote.example.org")

    async def test() -> None:
        limiter = RateLimiter(ManualClock().monotonic, users={**USER_RATES, RateClass.FEDERATION: Rate(1, 2)})
        rows = [route("GET", "/version", origin, auth=Auth.SERVER, limit=RateClass.FEDERATION)]
        options: dict[str, Any] = {"authenticators": {Auth.SERVER: signed}, "limiter": limiter}
        async with serving(*rows, **options) as edge, connected(edge) as client:
            assert (await _get(client, "/version")).status == 401
            assert (await _get(client, "/version", "x")).json == "remote.example.org"
            assert (await _get(client, "/version", "x")).status == 200
            assert (await _get(client, "/version", "x")).status == 429

    run(test())


def test_a_route_without_its_authenticator_is_found_before_anybody_asks() -> None:
    async def test() -> None:
        with pytest.raises(ValueError, match="authenticator"):
            Edge([route("GET", "/x", origin, auth=Auth.SERVER)], World())
        with pytest.raises(ValueError, match="authenticator"):
            Edge([route("GET", "/x", origin, auth=Auth.USER)], World())

    run(test())


@pytest.mark.parametrize("recall", [None, USERS.get])
def test_rates_are_charged_to_users_and_to_the_addresses_of_strangers(recall: Recall | None) -> None:
    async def test() -> None:
        clock = ManualClock()
        few = {RateClass.READS: Rate(0.1, 2)}
        limiter = RateLimiter(clock.monotonic)
        limiter.set_rates(few, few)
        async with (
            serving(*_routes(RateClass.READS), limiter=limiter, clock=clock, recall=recall) as edge,
            connected(edge) as client,
        ):
            assert [(await _get(client, "/user", "alice")).status for _ in range(3)] == [200, 200, 429]
            assert (await _get(client, "/user", "bob")).status == 200
            assert [(await _get(client, "/user", "bridge")).status for _ in range(4)] == [200] * 4
            assert [(await _get(client, "/none")).status for _ in range(3)] == [200, 200, 429]
            refused = await _get(client, "/optional")
            assert refused.json["errcode"] == "M_LIMIT_EXCEEDED"
            assert refused.headers["retry-after"] == "10"
            assert refused.json["retry_after_ms"] == 10_000
            clock.advance(10)
            assert (await _get(client, "/optional")).status == 200
            assert (await _get(client, "/user", "alice")).status == 200

    run(test())


@pytest.mark.parametrize("recall", [None, USERS.get])
def test_too_many_wrong_tokens_are_not_even_looked_up(recall: Recall | None) -> None:
    async def test() -> None:
        limiter = RateLimiter(ManualClock().monotonic, failures=Rate(1, 3))
        async with serving(*_routes(), limiter=limiter, recall=recall) as edge, connected(edge) as client:
            assert [(await _get(client, "/user", "wrong")).status for _ in range(4)] == [401, 401, 401, 429]
            assert (await _get(client, "/user", "alice")).status == 429, (
                "nobody is told which tokens are good"
            )
            assert (await _get(client, "/none")).status == 200

    run(test())
