"""Requests to other servers: what is sent, what comes back, and what hostile servers cannot do."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from hamrasan.federation.client import FederationClient, RemoteRefused, ServerUnreachable, path_of
from hamrasan.protocol.x_matrix import parse_x_matrix
from tests.federation.country import Member, country
from tests.federation.strangers import (
    Behaviour,
    Stranger,
    dripping,
    endless,
    json_answer,
    raw_answer,
    silent,
    text_answer,
)
from tests.federation.wires import LOCAL

PATH = "/_matrix/federation/v1/query/profile"


def client(member: Member) -> FederationClient:
    found: FederationClient = member.services.federation
    return found


def test_a_request_says_who_asks_whom_for_what() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers[path_of("/_matrix/x/{}", "!é/?")] = json_answer({"n": 1.5})
        path = path_of("/_matrix/x/{}", "!é/?")
        query: dict[str, str | int | list[str]] = {"ver": ["1", "2"], "user": "@a b&c", "n": 3}
        answer = a.run(client(a).put(stranger.name, path, query=query, body={"b": "é", "a": [1]}))
        assert answer == {"n": 1.5}
        (asked,) = stranger.asked
        assert asked.method == "PUT"
        assert asked.uri == "/_matrix/x/%21%C3%A9%2F%3F?ver=1&ver=2&user=%40a+b%26c&n=3"
        assert asked.headers["host"] == "c.test"
        assert asked.headers["content-type"] == "application/json"
        assert asked.body == '{"a":[1],"b":"é"}'.encode()
        said = parse_x_matrix(asked.headers["authorization"])
        assert (said.origin, said.destination) == ("a.test", "c.test")


def test_connections_are_used_again() -> None:
    with country("a", "b") as (a, b):
        for _ in range(5):
            a.ask(b, "GET", "/_matrix/federation/v1/version")
        assert b.running.server.federation_listener is not None
        assert b.running.server.federation_listener.edge.connections == 1


@pytest.mark.parametrize(
    ("status", "said", "passed_on"),
    [
        (404, {"errcode": "M_NOT_FOUND", "error": "none"}, (404, "M_NOT_FOUND", "none")),
        (403, {"errcode": "M_FORBIDDEN", "error": "no"}, (403, "M_FORBIDDEN", "no")),
        (400, {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "x", "room_version": "12"},
         (400, "M_INCOMPATIBLE_ROOM_VERSION", "x")),
        # What would log a client out, or is no matter of its own, is not passed on as it is.
        (401, {"errcode": "M_UNAUTHORIZED", "error": "who?"}, (502, "M_UNKNOWN", "who?")),
        (403, {"errcode": "M_UNKNOWN_TOKEN", "error": "gone"}, (502, "M_UNKNOWN", "gone")),
        (500, {"errcode": "M_UNKNOWN", "error": "oh"}, (502, "M_UNKNOWN", "oh")),
        (404, "text", (404, "M_UNKNOWN", "The other server refuses with the status 404.")),
        (404, {"errcode": 7, "error": []}, (404, "M_UNKNOWN", "The other server refuses with the status 404.")),
        (404, {"errcode": "M_" + "X" * 1000, "error": "e" * 1000}, (404, "M_UNKNOWN", "e" * 500)),
    ],
)  # fmt: skip
def test_a_refusal_is_the_other_servers_word(status: int, said: Any, passed_on: tuple[int, str, str]) -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers[PATH] = json_answer(said, status)
        with pytest.raises(RemoteRefused) as refused:
            a.ask(stranger, "GET", PATH)
        assert (refused.value.status, refused.value.errcode, refused.value.message) == passed_on
        assert refused.value.remote_status == status
        assert refused.value.error_body == (said if isinstance(said, dict) else {})
        # It has answered, so it is there.
        assert client(a).back_off.failing_since_ts(stranger.name) is None


HOSTILE: dict[str, Behaviour] = {
    "silence": silent,
    "a body that drips": dripping(b'{"displayname":"slow"}' * 100, 0.05),
    "a body without end": endless(),
    "more than is read": text_answer(b'{"a":"' + b"x" * 20_000 + b'"}'),
    "a head without end": raw_answer(b"HTTP/1.1 200 OK\r\n", *[b"X: %b\r\n" % (b"y" * 8000)] * 100),
    "a head line without end": raw_answer(b"HTTP/1.1 200 OK\r\nX: ", *[b"y" * 65536] * 10),
    "half a body": raw_answer(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}'),
    "two lengths": raw_answer(b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 9\r\n\r\n{"a":1}xx'),
    "no HTTP": raw_answer(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "nothing": raw_answer(b""),
    "no JSON": text_answer(b"<html>"),
    "deep JSON": text_answer(b"[" * 5000 + b"]" * 5000),
    "a list": json_answer([{}]),
    "compressed": text_answer(b"\x1f\x8b" + b"\x00" * 100, Content_Encoding="gzip"),
    "a redirect": text_answer(b"", 307, Location="https://c.test/elsewhere"),
    "a redirect into the house": text_answer(b"", 301, Location="http://169.254.169.254/latest"),
    "a proxy without a server": text_answer(b"{}", 502),
}


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_whatever_a_server_does_ends_soon_and_small(behaviour: str) -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers[PATH] = HOSTILE[behaviour]
        with pytest.raises(ServerUnreachable) as failed:
            a.run(client(a).get(stranger.name, PATH, timeout_s=1, max_bytes=16_384))
        assert (failed.value.status, failed.value.errcode) == (502, "M_CONNECTION_FAILED")
        assert {asked.uri for asked in stranger.asked} == {PATH}


def test_a_stream_is_bounded_and_refusals_are_raised() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers["/file"] = text_answer(b"x" * 100_000, X_Name="v")

        async def read(path: str, max_bytes: int) -> bytes:
            async with client(a).stream(stranger.name, path, timeout_s=2) as answer:
                assert answer.headers["x-name"] == "v"
                return b"".join([chunk async for chunk in answer.chunks(max_bytes)])

        assert len(a.run(read("/file", 100_000))) == 100_000
        with pytest.raises(ServerUnreachable, match="more than 99999 bytes"):
            a.run(read("/file", 99_999))
        stranger.answers["/gone"] = json_answer({"errcode": "M_NOT_FOUND", "error": "none"}, 404)
        with pytest.raises(RemoteRefused) as refused:
            a.run(read("/gone", 1))
        assert refused.value.errcode == "M_NOT_FOUND"
        stranger.answers["/away"] = text_answer(b"", 307, Location="/file")
        with pytest.raises(ServerUnreachable):
            a.run(read("/away", 1))


def test_a_private_address_is_reached_only_where_the_operator_says_so() -> None:
    with country("a", reachable_networks=()) as (a,):
        stranger = a.land.stranger("c")
        for name in (stranger.name, f"{LOCAL}:{stranger.port}", f"[::ffff:7f00:1]:{stranger.port}"):
            with pytest.raises(ServerUnreachable, match="none that is reached from here"):
                a.ask(name, "GET", PATH)
        assert stranger.asked == []


def test_a_name_that_turns_to_a_private_address_is_caught_there() -> None:
    with country("a", reachable_networks=()) as (a,):
        stranger = a.land.stranger("c")
        # The service names a host, the host an address: each of them may lie.
        a.name_server.services["_matrix-fed._tcp.evil.test"] = [(1, 1, stranger.port, "inner.test")]
        for address in (LOCAL, "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1"):
            a.name_server.addresses["inner.test"] = address
            a.name_server.addresses["evil.test"] = address
            a.forgive(stranger)
            with pytest.raises(ServerUnreachable):
                a.run(client(a).get("evil.test", PATH, timeout_s=5))
            a.run(forgive(a, "evil.test"))
        assert stranger.asked == []


async def forgive(member: Member, name: str) -> None:
    client(member).back_off.note_success(name)


def test_a_certificate_must_be_of_the_name_and_valid() -> None:
    with country("a") as (a,):
        right = a.land.stranger("c")
        wrong = Stranger("d.test", a.land, hosts=("c.test", "x.test"))
        try:
            services = a.name_server.services
            a.name_server.addresses["d.test"] = LOCAL
            services["_matrix-fed._tcp.d.test"] = [(1, 1, wrong.port, "c.test")]
            with pytest.raises(ServerUnreachable, match="certificate"):
                a.ask("d.test", "GET", PATH)
            assert wrong.asked == []
            # The target of a service record is not whose certificate is expected.
            services["_matrix-fed._tcp.e.test"] = [(1, 1, right.port, "c.test")]
            with pytest.raises(ServerUnreachable, match="certificate"):
                a.ask("e.test", "GET", PATH)
        finally:
            wrong.close()


def test_an_address_is_a_name_that_a_certificate_can_have() -> None:
    with country("a") as (a,):
        stranger = Stranger(LOCAL, a.land)
        try:
            stranger.answers[PATH] = json_answer({"displayname": "Nobody"})
            name = f"{LOCAL}:{stranger.port}"
            assert a.ask(name, "GET", PATH) == {"displayname": "Nobody"}
            assert stranger.asked[0].headers["host"] == name
            assert a.name_server.questions == []
        finally:
            stranger.close()


def test_of_several_places_the_next_is_tried() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        stranger.answers[PATH] = json_answer({"displayname": "here"})
        a.name_server.services["_matrix-fed._tcp.c.test"] = [
            (1, 1, 1, "c.test"),  # nobody listens at port 1
            (2, 1, stranger.port, "c.test"),
        ]
        assert a.ask(stranger, "GET", PATH) == {"displayname": "here"}


def test_a_server_does_not_ask_itself() -> None:
    with country("a") as (a,), pytest.raises(ServerUnreachable, match="itself"):
        a.ask("a.test", "GET", PATH)


def test_what_fails_is_remembered_over_a_restart_and_found_again_where_it_moved() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        a.name_server.services["_matrix-fed._tcp.c.test"] = [(1, 1, 1, "c.test")]
        with pytest.raises(ServerUnreachable):
            a.ask(stranger, "GET", PATH)
        retry_ts = client(a).back_off.retry_ts("c.test")
        assert retry_ts > 0
        a.stop()
        a.start()
        assert client(a).back_off.retry_ts("c.test") == retry_ts
        with pytest.raises(ServerUnreachable, match="seconds ago"):
            a.ask(stranger, "GET", PATH)
        a.name_server.services["_matrix-fed._tcp.c.test"] = [(1, 1, stranger.port, "c.test")]
        stranger.answers[PATH] = json_answer({})
        a.forgive(stranger)
        assert a.ask(stranger, "GET", PATH) == {}


def presented(member: Member) -> bytes:
    """Return the certificate that a server shows at its listener for servers."""
    pem = ssl.get_server_certificate((LOCAL, member.federation_port))
    return ssl.PEM_cert_to_DER_cert(pem)


def test_a_new_certificate_is_taken_while_the_server_runs() -> None:
    with country("a", "b") as (a, b):
        a.ask(b, "GET", "/_matrix/federation/v1/version")
        before = presented(b)
        fresh = b.land.authority.certify("b.test")
        b.certificate.certificate.write_bytes(b"no certificate")
        b.running.reload()
        assert presented(b) == before
        b.certificate.key.write_bytes(fresh.key.read_bytes())
        b.certificate.certificate.write_bytes(fresh.certificate.read_bytes())
        b.running.reload()
        assert presented(b) == ssl.PEM_cert_to_DER_cert(fresh.certificate.read_text())
        assert a.ask(b, "GET", "/_matrix/federation/v1/version")
