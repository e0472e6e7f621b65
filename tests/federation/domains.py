"""A part of the Internet: domains with a web server each, and a name server, all on the loop of one test."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from hamrasan.federation.discovery import Discovery, Endpoint
from hamrasan.federation.names import SystemNames
from hamrasan.federation.well_known import WellKnown
from hamrasan.http.edge import Edge
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.runtime.outbound import Outbound
from tests.federation.authority import Authority
from tests.federation.wires import LOCAL, NameServer
from tests.worlds import ManualClock

HOSTS = ("here.test", "there.test", "www.here.test")
Sites = dict[str, list[Response]]


class Domains:
    """What the domains say (`sites`), in turn, the last one for ever; and who looks them up."""

    def __init__(self, folder: Path, networks: tuple[str, ...]) -> None:
        self.clock = ManualClock()
        self.name_server = NameServer()
        self.sites: Sites = {}
        self.asked: list[str] = []
        self.port = 0
        self._authority = Authority(folder)
        self._networks = networks

    async def start(self) -> None:
        files = self._authority.certify(*HOSTS)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files.certificate, files.key)
        self._edge = Edge([Route("GET", "/{rest*}", self._serve, "site", Auth.NONE)], None)
        await self._edge.listen(LOCAL, 0, tls=tls)
        self.port = self._edge.addresses[0][1]
        await self.name_server.start()
        self.name_server.addresses.update(dict.fromkeys(HOSTS, LOCAL))
        self._names = SystemNames([self.name_server.address])

        async def resolve(host: str, port: int) -> list[str]:
            return list(await self.discovery.addresses(host, port))

        self.outbound = Outbound(
            self._networks,
            resolve=resolve,
            trust=lambda: ssl.create_default_context(cafile=str(self._authority.file)),
        )
        self.discovery = Discovery(self._names, WellKnown(self.outbound, self.clock, self.port), self.clock)

    async def _serve(self, request: Request, _services: None) -> Response:
        host = (request.header("host") or "").partition(":")[0]
        self.asked.append(host + request.target)
        said = self.sites.get(host)
        if said is None:
            return Response(404, b"<html>", "text/html")
        return said[0] if len(said) == 1 else said.pop(0)

    def says(self, host: str, *answers: Response) -> None:
        self.sites[host] = list(answers)

    def delegates(self, host: str, to: object, **headers: str) -> None:
        """Let a domain name a server."""
        answer = ok({"m.server": to})
        self.says(host, Response(200, answer.body, headers=headers.items()))

    def services(self, name: str, *rows: tuple[int, int, int, str]) -> None:
        self.name_server.services[name] = list(rows)

    async def find(self, server_name: str) -> Endpoint:
        return await self.discovery.find(server_name)

    async def close(self) -> None:
        await self.outbound.close()
        await self._edge.shutdown(0)
        await self.name_server.stop()
        await self._names.close()


@asynccontextmanager
async def _domains(networks: tuple[str, ...]) -> AsyncIterator[Domains]:
    with tempfile.TemporaryDirectory() as folder:
        domains = Domains(Path(folder), networks)
        await domains.start()
        try:
            yield domains
        finally:
            await domains.close()


def in_domains(
    scenario: Callable[[Domains], Awaitable[None]], networks: tuple[str, ...] = ("127.0.0.0/8",)
) -> None:
    """Run a scenario; `networks` are those that may be reached though they are private."""

    async def main() -> None:
        async with _domains(networks) as domains:
            await scenario(domains)

    uvloop.run(main())
