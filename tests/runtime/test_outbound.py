"""Requests to addresses that others name: no address that is not public, and no more than a limited answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest
import uvloop

from hamrasan.runtime.outbound import Outbound, OutboundFailed, Reach, is_public
from tests.gateways import HERE, Answer, Gateway, Received, gateway


@pytest.fixture(name="gateway")
def a_gateway() -> Iterator[Gateway]:
    with gateway() as own:
        yield own


def using(networks: Sequence[str], use: Callable[[Outbound], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        outbound = Outbound(networks)
        try:
            return await use(outbound)
        finally:
            await outbound.close()

    return uvloop.run(main())


def get(outbound: Outbound, url: str, **more: Any) -> Awaitable[Any]:
    return outbound.send("GET", url, **{"timeout_s": 10, "max_bytes": 1_000, **more})


def refusal(networks: Sequence[str], url: str, **more: Any) -> str:
    with pytest.raises(OutboundFailed) as refused:
        using(networks, lambda outbound: get(outbound, url, **more))
    return refused.value.reason


def test_an_answer_comes_with_status_headers_and_body(gateway: Gateway) -> None:
    gateway.answer = lambda received: Answer(418, b"short", (("X-Kind", "Teapot"),))
    answer = using(
        HERE, lambda o: get(o, gateway.base + "/tea?x=1", body=b"hot", headers={"content-type": "text/x"})
    )
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"short", "Teapot")
    (received,) = gateway.received
    assert (received.path, received.body) == ("/tea?x=1", b"hot")
    assert received.headers["content-type"] == "text/x"
    assert "cookie" not in received.headers


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "0",
        "[::]",
    ],
)
def test_the_own_machine_is_not_reached_in_any_disguise(gateway: Gateway, host: str) -> None:
    port = gateway.base.rpartition(":")[2]
    reason = refusal((), f"http://{host}:{port}/")
    assert reason in ("address", "unreachable")
    assert gateway.received == []


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "192.88.99.1",
        "198.18.0.1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::8.8.8.8",
        "2002:a00:1::1",
        "2001:0:0:0:0:0:f5ff:fffe",
        "100::1",
        "2001:db8::1",
    ],
)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public(address: str) -> None:
    assert is_public(address)


def test_a_name_that_is_private_the_second_time_is_not_reached(gateway: Gateway) -> None:
    """What counts is the address of the connection, not that of an earlier look."""
    port = int(gateway.base.rpartition(":")[2])
    asked: list[str] = []

    async def resolve(_self: object, host: str, *_: object, **__: object) -> Any:
        asked.append(host)
        address = "127.0.0.1"
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    with patch("aiohttp.ThreadedResolver.resolve", resolve):
        assert refusal((), f"http://rebinding.example:{port}/") == "address"
    assert asked == ["rebinding.example"]
    assert gateway.received == []


def test_redirects_are_handed_back_and_not_followed(gateway: Gateway) -> None:
    where = (("Location", gateway.base + "/secret"),)
    gateway.answer = lambda received: Answer(302, b"", where)
    answer = using(HERE, lambda outbound: get(outbound, gateway.base + "/"))
    assert (answer.status, len(gateway.received)) == (302, 1)


def test_without_encryption_only_listed_networks_are_reached(gateway: Gateway) -> None:
    with_list = Outbound(HERE)
    assert with_list.may_reach("127.0.0.1", Reach.LISTED)
    assert with_list.may_reach("::ffff:127.0.0.1", Reach.LISTED)
    assert not with_list.may_reach("8.8.8.8", Reach.LISTED)
    assert with_list.may_reach("8.8.8.8", Reach.PUBLIC)
    assert not with_list.may_reach("10.0.0.1", Reach.PUBLIC)
    assert using(HERE, lambda o: get(o, gateway.base + "/", reach=Reach.LISTED)).status == 200
    assert refusal((), gateway.base + "/", reach=Reach.LISTED) == "address"


def test_too_much_is_not_read_to_the_end(gateway: Gateway) -> None:
    gateway.answer = lambda received: Answer(200, b"x" * 1_001)
    assert refusal(HERE, gateway.base + "/") == "too_large"
    gateway.answer = lambda received: Answer(200, b"x" * 1_000)
    assert len(using(HERE, lambda outbound: get(outbound, gateway.base + "/")).body) == 1_000


def test_who_does_not_answer_in_time_is_given_up(gateway: Gateway) -> None:
    may_go_on = threading.Event()

    def wait(_: Received) -> Answer:
        may_go_on.wait(30)
        return Answer()

    gateway.answer = wait
    try:
        assert refusal(HERE, gateway.base + "/", timeout_s=0.05) == "timeout"
    finally:
        may_go_on.set()


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert refusal(HERE, f"http://127.0.0.1:{free.getsockname()[1]}/") == "unreachable"


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/", "nonsense", "http://[::1"])
def test_what_is_no_url_has_no_address(url: str) -> None:
    assert refusal(HERE, url) == "address"


def test_connections_are_used_again(gateway: Gateway) -> None:
    async def thrice(outbound: Outbound) -> None:
        for _ in range(3):
            await get(outbound, gateway.base + "/")
        await asyncio.gather(*(get(outbound, gateway.base + "/") for _ in range(5)))

    using(HERE, thrice)
    assert len(gateway.received) == 8
