"""The edge as a whole: listeners, the orderly end, and limits on connections."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from hamrasan.http.edge import Edge, listen
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, StreamResponse, ok
from hamrasan.storage.blobs.folder import BlobFolder
from tests.http.edges import ECHO, Client, World, connected, message, route, serving, until
from tests.http.running import run


def test_the_standard_loop_serves_as_well() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            assert (await client.ask("GET", "/echo/x")).status == 200
            assert (await client.ask("POST", "/echo/x", b"x" * 2_000_000)).status == 413
            assert await client.is_closed()

    asyncio.run(test())


def test_listens_on_several_addresses_and_a_unix_socket(tmp_path: Path) -> None:
    async def address(request: Request, _services: World) -> Answer:
        return ok(request.client_address)

    async def test() -> None:
        path = str(tmp_path / "edge.sock")
        async with serving(route("GET", "/address", address)) as edge:
            await edge.listen("127.0.0.1", 0)
            await edge.listen_unix(path)
            assert len({port for _, port in edge.addresses}) == 2
            client = Client(*await asyncio.open_unix_connection(path))
            assert (await client.ask("GET", "/address")).json == "unix"
            forwarded = await client.ask("GET", "/address", b"", "X-Forwarded-For: 192.0.2.7")
            assert forwarded.json == "192.0.2.7"
            await client.close()
        assert not (tmp_path / "edge.sock").exists()

    run(test())


def test_an_address_that_is_taken_is_an_error() -> None:
    async def test() -> None:
        async with serving() as edge:
            with pytest.raises(OSError, match="in use"):
                await listen(*edge.addresses[0], [ECHO], World())

    run(test())


def test_listen_makes_an_edge() -> None:
    async def test() -> None:
        edge = await listen("127.0.0.1", 0, [ECHO], World())
        async with connected(edge) as client:
            assert (await client.ask("GET", "/echo/x")).status == 200
        await edge.shutdown(0)

    run(test())


def put_file(place: Path, content: bytes) -> None:
    place.parent.mkdir()
    place.write_bytes(content)


def test_tls(tmp_path: Path) -> None:
    async def test() -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
        )
        await asyncio.to_thread(
            subprocess.run,
            [*command.split(), "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        blobs = BlobFolder(tmp_path)
        await asyncio.to_thread(put_file, blobs.path("abc"), b"0123456789" * 100_000)

        async def send_file(_request: Request, _services: World) -> StreamResponse:
            return StreamResponse(200, await blobs.read("abc", 5, 900_000), "text/plain", (), 900_000)

        routes = [ECHO, route("GET", "/file", send_file)]
        edge = await listen("127.0.0.1", 0, routes, World(), tls=context)
        trust = ssl.create_default_context(cafile=str(certificate))
        reader, writer = await asyncio.open_connection(
            *edge.addresses[0], ssl=trust, server_hostname="localhost"
        )
        client = Client(reader, writer)
        assert (await client.ask("GET", "/echo/x")).status == 200
        assert (await client.ask("GET", "/file")).body == b"5678901234" * 90_000
        assert (await client.ask("GET", "/echo/y")).json["path"] == {"name": "y"}
        await client.close()
        await edge.shutdown(1)
        blobs.close()

    run(test())


def test_one_connection_too_many_is_told_so() -> None:
    async def test() -> None:
        async with serving(max_connections=1) as edge, connected(edge) as client:
            assert (await client.ask("GET", "/echo/x")).status == 200
            async with connected(edge) as other:
                answer = await other.answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
                assert await other.is_closed()
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_shutdown_closes_what_is_idle_and_refuses_what_is_new() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            await client.ask("GET", "/echo/x")
            address = edge.addresses[0]
            await edge.shutdown(5)
            assert await client.is_closed()
            with pytest.raises(ConnectionError):
                await asyncio.open_connection(*address)

    run(test())


def test_shutdown_lets_running_requests_end() -> None:
    async def test() -> None:
        go_on, began = asyncio.Event(), asyncio.Event()

        async def slow(_request: Request, _services: World) -> Answer:
            began.set()
            await go_on.wait()
            return ok({"done": True})

        async with serving(route("GET", "/slow", slow)) as edge, connected(edge) as client:
            await client.send(message("GET", "/slow"))
            await began.wait()
            stopping = asyncio.create_task(edge.shutdown(30))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not stopping.done()
            go_on.set()
            answer = await client.answer()
            assert (answer.json, answer.headers["connection"]) == ({"done": True}, "close")
            await stopping

    run(test())


def test_shutdown_finishes_a_request_that_is_half_there() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            data = message("POST", "/echo/x", b'{"a":1}')
            await client.send(data[:-3])
            await until(lambda: edge.connections)
            for _ in range(10):
                await asyncio.sleep(0)
            stopping = asyncio.create_task(edge.shutdown(30))
            await asyncio.sleep(0)
            await client.send(data[-3:])
            assert (await client.answer()).headers["connection"] == "close"
            await stopping

    run(test())


def test_shutdown_does_not_wait_for_ever() -> None:
    async def test() -> None:
        ends: list[str] = []

        async def stuck(_request: Request, _services: World) -> Answer:
            try:
                await asyncio.Event().wait()
            finally:
                ends.append("ended")
            return ok({})

        async def endless(_request: Request, _services: World) -> Answer:
            async def chunks() -> object:
                try:
                    while True:
                        await asyncio.sleep(0)
                        yield b"x" * 1000
                finally:
                    ends.append("closed")

            return StreamResponse(200, chunks())  # type: ignore[arg-type]  # an async generator of bytes

        rows = [route("POST", "/stuck", stuck), route("GET", "/endless", endless)]
        async with (
            serving(*rows) as edge,
            connected(edge) as one,
            connected(edge) as two,
            connected(edge) as three,
        ):
            await one.send(message("POST", "/stuck"))
            await two.send(message("GET", "/endless"))
            await two.reader.readexactly(5000)
            await three.send(message("POST", "/stuck"))
            for _ in range(10):
                await asyncio.sleep(0)
            three.reset()
            await until(lambda: edge.connections == 2)
            await edge.shutdown(0.01)
            assert edge.connections == 0
            await until(lambda: sorted(ends) == ["closed", "ended", "ended"])

    run(test())


def test_shutdown_without_connections_is_immediate_and_leaves_no_timer() -> None:
    async def test() -> None:
        edge = Edge([ECHO], World())
        await edge.listen("127.0.0.1", 0)
        await edge.shutdown(1000)
        assert edge._tick is None

    run(test())
