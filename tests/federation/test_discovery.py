"""From a server's name to where it is (server-server API, "Resolving server names")."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from hamrasan.federation.discovery import DiscoveryFailed, Endpoint, in_order
from hamrasan.federation.names import Service
from hamrasan.http.response import Response, ok
from tests.federation.domains import Domains, in_domains

WELL_KNOWN = "/.well-known/matrix/server"
FED, OLD = "_matrix-fed._tcp.", "_matrix._tcp."


def redirect(to: str, status: int = 302) -> Response:
    return Response(status, b"", headers=[("Location", to)])


def found(server_name: str, prepare: Callable[[Domains], None] = lambda domains: None) -> Endpoint:
    places: list[Endpoint] = []

    async def scenario(domains: Domains) -> None:
        prepare(domains)
        places.append(await domains.find(server_name))

    in_domains(scenario)
    return places[0]


@pytest.mark.parametrize(
    ("server_name", "expected"),
    [
        ("192.0.2.7", Endpoint("192.0.2.7", 8448, "192.0.2.7", "192.0.2.7")),
        ("192.0.2.7:99", Endpoint("192.0.2.7", 99, "192.0.2.7:99", "192.0.2.7")),
        ("[2001:db8::7]", Endpoint("2001:db8::7", 8448, "[2001:db8::7]", "2001:db8::7")),
        ("[2001:db8::7]:99", Endpoint("2001:db8::7", 99, "[2001:db8::7]:99", "2001:db8::7")),
        ("here.test:99", Endpoint("here.test", 99, "here.test:99", "here.test")),
    ],
)
def test_a_literal_and_a_port_need_no_question(server_name: str, expected: Endpoint) -> None:
    async def scenario(domains: Domains) -> None:
        domains.delegates("here.test", "there.test:1")
        assert await domains.find(server_name) == expected
        assert (domains.asked, domains.name_server.questions) == ([], [])

    in_domains(scenario)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("192.0.2.7", Endpoint("192.0.2.7", 8448, "192.0.2.7", "192.0.2.7")),
        ("192.0.2.7:99", Endpoint("192.0.2.7", 99, "192.0.2.7:99", "192.0.2.7")),
        ("[2001:db8::7]", Endpoint("2001:db8::7", 8448, "[2001:db8::7]", "2001:db8::7")),
        ("there.test:99", Endpoint("there.test", 99, "there.test:99", "there.test")),
        ("there.test", Endpoint("there.test", 8448, "there.test", "there.test")),
    ],
)
def test_a_domain_names_its_server(named: str, expected: Endpoint) -> None:
    assert found("here.test", lambda domains: domains.delegates("here.test", named)) == expected


def test_the_named_host_is_looked_up_as_a_service() -> None:
    def both(domains: Domains) -> None:
        domains.delegates("here.test", "there.test")
        domains.services(FED + "there.test", (10, 5, 4443, "machine.test"))
        domains.services(OLD + "there.test", (10, 5, 5555, "old.test"))
        domains.services(FED + "here.test", (10, 5, 6666, "wrong.test"))

    assert found("here.test", both) == Endpoint("machine.test", 4443, "there.test", "there.test")

    def only_old(domains: Domains) -> None:
        both(domains)
        domains.name_server.services.pop(FED + "there.test")

    assert found("here.test", only_old) == Endpoint("old.test", 5555, "there.test", "there.test")


def test_without_a_file_the_services_of_the_name_itself_count() -> None:
    def new(domains: Domains) -> None:
        domains.services(FED + "here.test", (10, 5, 4443, "machine.test"))

    def old(domains: Domains) -> None:
        domains.services(OLD + "here.test", (10, 5, 4443, "machine.test"))

    expected = Endpoint("machine.test", 4443, "here.test", "here.test")
    assert found("here.test", new) == found("here.test", old) == expected
    assert found("here.test") == Endpoint("here.test", 8448, "here.test", "here.test")


@pytest.mark.parametrize(
    "answer",
    [
        Response(404, b'{"m.server":"there.test:1"}'),
        Response(200, b"<html>", "text/html"),
        Response(200, b'{"m.server":"there.test:1"'),
        ok({}),
        ok(["m.server"]),
        ok({"m.server": 7}),
        ok({"m.server": "no name"}),
        ok({"m.server": "there.test:1/path"}),
        ok({"m.server": "user@there.test"}),
        Response(200, b'{"m.server":"there.test:1"}' + b" " * 60_000),
        redirect("http://there.test/"),
        redirect(WELL_KNOWN),
        redirect("https://[::1"),
        Response(302, b""),
    ],
)
def test_a_file_that_is_none_is_passed_over(answer: Response) -> None:
    place = found("here.test", lambda domains: domains.says("here.test", answer))
    assert place == Endpoint("here.test", 8448, "here.test", "here.test")


def test_redirects_are_followed_as_far_as_makes_sense() -> None:
    async def scenario(domains: Domains) -> None:
        domains.says("here.test", redirect(f"https://www.here.test:{domains.port}/there"))
        domains.says("www.here.test", redirect("/further", 308), ok({"m.server": "there.test:1"}))
        assert (await domains.find("here.test")).host_header == "there.test:1"
        assert domains.asked == [f"here.test{WELL_KNOWN}", "www.here.test/there", "www.here.test/further"]
        domains.says("there.test", redirect("/again"))
        assert (await domains.find("there.test")).host_header == "there.test"
        assert len(domains.asked) == 3 + 6

    in_domains(scenario)


def test_a_file_is_asked_for_as_seldom_as_it_allows() -> None:
    async def scenario(domains: Domains) -> None:
        async def asked_after(seconds: float) -> int:
            domains.clock.advance(seconds)
            before = len(domains.asked)
            await domains.find("here.test")
            return len(domains.asked) - before

        domains.delegates("here.test", "there.test:1", **{"Cache-Control": "public, max-age=3600"})
        assert [await asked_after(seconds) for seconds in (0, 3599, 1)] == [1, 0, 1]
        domains.delegates("here.test", "there.test:1", **{"Cache-Control": "no-store"})
        assert [await asked_after(seconds) for seconds in (3601, 299, 1)] == [1, 0, 1]
        domains.delegates("here.test", "there.test:1", **{"Cache-Control": "max-age=99999999"})
        assert [await asked_after(seconds) for seconds in (301, 48 * 3600 - 1, 1)] == [1, 0, 1]
        domains.delegates("here.test", "there.test:1")
        assert [await asked_after(seconds) for seconds in (48 * 3600, 24 * 3600 - 1, 1)] == [1, 0, 1]

    in_domains(scenario)


def test_a_failure_is_asked_again_less_and_less_often() -> None:
    async def scenario(domains: Domains) -> None:
        times = []
        for second in range(3 * 3600 // 10):
            before = len(domains.asked)
            await domains.find("here.test")
            if len(domains.asked) > before:
                times.append(second * 10)
            domains.clock.advance(10)
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600]

    in_domains(scenario)


def test_a_name_holds_on_while_its_domain_is_away() -> None:
    async def scenario(domains: Domains) -> None:
        domains.delegates("here.test", "there.test:1", **{"Cache-Control": "max-age=600"})
        await domains.find("here.test")
        domains.says("here.test", Response(503, b""))
        domains.clock.advance(601)
        assert (await domains.find("here.test")).host_header == "there.test:1"
        domains.clock.advance(48 * 3600)
        assert (await domains.find("here.test")).host_header == "here.test"
        domains.delegates("here.test", "there.test:1")
        domains.clock.advance(3600)
        assert (await domains.find("here.test")).host_header == "there.test:1"
        domains.says("here.test", Response(404, b""))
        domains.clock.advance(24 * 3600)
        assert (await domains.find("here.test")).host_header == "here.test"

    in_domains(scenario)


def test_a_private_address_is_not_asked_for_a_file() -> None:
    async def scenario(domains: Domains) -> None:
        domains.delegates("here.test", "there.test:1")
        assert (await domains.find("here.test")).host_header == "here.test"
        assert domains.asked == []

    in_domains(scenario, networks=())


def test_a_wrong_certificate_is_not_believed() -> None:
    async def scenario(domains: Domains) -> None:
        domains.name_server.addresses["other.test"] = "127.0.0.1"
        domains.delegates("other.test", "there.test:1")
        assert (await domains.find("other.test")).host_header == "other.test"
        assert domains.asked == []

    in_domains(scenario)


@pytest.mark.parametrize(
    "server_name", ["", "no name", "here.test:0", "here.test:99999", "a/b", "here.test?x", "user@here.test"]
)
def test_what_is_no_name_leads_nowhere(server_name: str) -> None:
    async def scenario(domains: Domains) -> None:
        with pytest.raises(DiscoveryFailed):
            await domains.find(server_name)
        assert (domains.asked, domains.name_server.questions) == ([], [])

    in_domains(scenario)


def test_a_domain_may_say_that_it_has_no_server() -> None:
    async def scenario(domains: Domains) -> None:
        domains.services(FED + "here.test", (0, 0, 0, ""))
        with pytest.raises(DiscoveryFailed, match="no Matrix server"):
            await domains.find("here.test")

    in_domains(scenario)


def test_services_are_tried_by_priority_and_weight() -> None:
    rows = [Service(20, 1, 1, "late"), Service(10, 0, 1, "seldom"), Service(10, 100, 1, "often")]
    orders = [[row.target for row in in_order(rows)] for _ in range(200)]
    assert all(sorted(order[:2]) == ["often", "seldom"] and order[2] == "late" for order in orders)
    assert sum(order[0] == "often" for order in orders) > 150
    assert in_order([Service(1, 1, 0, "no-port"), Service(1, 1, 1, "."), Service(1, 1, 1, "")]) == []


def test_a_server_that_moved_is_looked_for_anew() -> None:
    async def scenario(domains: Domains) -> None:
        domains.services(FED + "here.test", (10, 5, 1, "machine.test"))
        assert (await domains.find("here.test")).port == 1
        domains.services(FED + "here.test", (10, 5, 2, "machine.test"))
        assert (await domains.find("here.test")).port == 1
        domains.discovery.forget("here.test")
        assert (await domains.find("here.test")).port == 2
        assert await domains.discovery.addresses("here.test", 9) == ["127.0.0.1"]

    in_domains(scenario)
