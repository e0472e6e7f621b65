"""Several servers that reach each other as they would in a country: by name, over TLS, each believing one authority.

    with country("a", "b") as (a, b):
        alice, bob = a.register("alice"), b.register("bob")

They are named `a.test`, `b.test`. Each finds the others through a name server of the test (SRV records), and reaches
them over a wire of its own, which can be cut: `a.cut_off(b)`, `a.reconnect(b)`.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson

from hamrasan.federation.names import SystemNames
from hamrasan.federation.server_names import split_server_name
from hamrasan.runtime.settings import Address, Settings
from tests.federation.authority import Authority
from tests.federation.strangers import Stranger
from tests.federation.wires import LOCAL, Loop, NameServer, Wire
from tests.running import SHARED_SECRET, Person, Running
from tests.spec.operations import problems_of

T = TypeVar("T")


class Land:
    """What the servers of a country have in common."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = Loop()
        self.authority = Authority(folder)
        self.members: dict[str, Member] = {}
        self.wrong: list[str] = []
        """What is wrong with the form of answers of one server to another."""
        self._strangers: list[Stranger] = []

    def found(self, label: str, **settings: Any) -> Member:
        """Add a server; those that are there already find it."""
        return self._add(Member(self, f"{label}.test", settings))

    def found_by_address(self, **settings: Any) -> Member:
        """Add a server that is named by its address and port, for those that ask no name server of ours."""
        with socket.create_server((LOCAL, 0)) as taken:
            address = Address(LOCAL, taken.getsockname()[1])
        return self._add(Member(self, str(address), {"federation_listen": address, **settings}))

    def _add(self, member: Member) -> Member:
        for other in self.members.values():
            other.learn_of(member)
            member.learn_of(other)
        self.members[member.name] = member
        member.start()
        return member

    def stranger(self, label: str, *, hosts: tuple[str, ...] = ()) -> Stranger:
        """Add a server that a test plays itself; the others find it. It has a certificate for `hosts`, or its name."""
        stranger = Stranger(f"{label}.test", self, hosts=hosts)
        self._strangers.append(stranger)
        for member in self.members.values():
            member.name_server.addresses[stranger.name] = LOCAL
            member.name_server.services[f"_matrix-fed._tcp.{stranger.name}"] = [
                (10, 10, stranger.port, stranger.name)
            ]
        return stranger

    def close(self) -> None:
        for stranger in self._strangers:
            stranger.close()
        for member in self.members.values():
            member.end()
        self.loop.close()


class Member:
    """One server of a country; has what `tests.running.Running` has while it runs."""

    def __init__(self, land: Land, name: str, settings: dict[str, Any]) -> None:
        self.name = name
        self.land = land
        self.server: Running | None = None
        self._wires: dict[str, Wire] = {}
        self._name_server = NameServer()
        land.loop.run(self._name_server.start())
        self.certificate = land.authority.certify(split_server_name(name).host)
        self.settings = Settings(
            server_name=name,
            data_dir=land.folder / name.replace(":", "-"),
            listen=Address(LOCAL, 0),
            registration="open",
            registration_shared_secret=SHARED_SECRET,
            rate_limits=False,
            reachable_networks=("127.0.0.0/8",),
            federation_listen=Address(LOCAL, 0),
            federation_certificate=self.certificate.certificate,
            federation_key=self.certificate.key,
            federation_ca=land.authority.file,
        )
        self.settings = replace(self.settings, **settings)

    @property
    def name_server(self) -> NameServer:
        """What this server asks where others are."""
        return self._name_server

    @property
    def federation_port(self) -> int:
        """Where this server listens for others."""
        listener = self.running.server.federation_listener
        assert listener is not None
        return listener.edge.addresses[0][1]

    @property
    def running(self) -> Running:
        assert self.server is not None, f"{self.name} does not run"
        return self.server

    @property
    def services(self) -> Any:
        """The services of the server; to be used on its loop (`run`)."""
        return self.running.server.services

    @property
    def url(self) -> str:
        """Where people reach the server."""
        return self.running.url

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    def register(self, name: str = "user", **body: Any) -> Person:
        """Register somebody under a name that nobody has yet."""
        return self.running.register(name, **body)

    def log_in(self, who: Person, **body: Any) -> Person:
        """Log somebody in on one more device."""
        return self.running.log_in(who, **body)

    def anonymous(self) -> httpx.Client:
        """Return a client without a token, at the address for people."""
        return self.running.anonymous()

    def run(self, work: Coroutine[Any, Any, T], within_s: float = 30) -> T:
        """Run a coroutine on the server's loop and return its result."""
        result: T = self.running.run(work, within_s)
        return result

    def learn_of(self, other: Member) -> None:
        """Be able to find another server, over a wire to it."""
        wire = self._wires[other.name] = Wire()
        port = self.land.loop.run(wire.start())
        self.name_server.addresses[other.name] = LOCAL
        self.name_server.services[f"_matrix-fed._tcp.{other.name}"] = [(10, 10, port, other.name)]
        if other.server is not None:
            wire.lead_to(other.federation_port)

    def start(self) -> None:
        """Start the server, for the first time or again; the others reach it from now on."""
        names = SystemNames([self.name_server.address])
        self.server = Running(self.settings, names=names)
        self._watch_answers()
        for other in self.land.members.values():
            if other is not self:
                other._wires[self.name].lead_to(self.federation_port)

    def _watch_answers(self) -> None:
        """Hold what other servers of the country answer this one against the specification, too."""
        client = self.services.federation
        ask = client._ask

        async def watched(method: str, destination: str, path: str, *rest: Any) -> Any:
            answer = await ask(method, destination, path, *rest)
            if destination in self.land.members:
                self.land.wrong += problems_of(method, path, 200, orjson.dumps(answer))
            return answer

        client._ask = watched

    def stop(self) -> None:
        """Stop the server; its data stay."""
        for other in self.land.members.values():
            if other is not self:
                other._wires[self.name].lead_to(None)
        self.running.stop()
        self.server = None

    def cut_off(self, other: Member) -> None:
        """Cut the wires between this server and another one, in both directions."""
        self.land.loop.run(self._wires[other.name].cut())
        self.land.loop.run(other._wires[self.name].cut())

    def reconnect(self, other: Member) -> None:
        """Mend the wires to another server; what failed before is tried again at once."""
        for one, two in ((self, other), (other, self)):
            self.land.loop.run(one._wires[two.name].mend())
            one.forgive(two)

    def forgive(self, other: Member | Stranger) -> None:
        """Forget that another server could not be reached."""

        async def forget() -> None:
            self.services.federation.back_off.note_success(other.name)

        self.run(forget())

    def change(self, **settings: Any) -> None:
        """Change settings while the server runs, as a new file and SIGHUP do."""
        self.settings = replace(self.settings, **settings)
        self.running.change(self.settings)

    def end(self) -> None:
        if self.server is not None:
            self.stop()
        for wire in self._wires.values():
            self.land.loop.run(wire.stop())
        self.land.loop.run(self.name_server.stop())

    def ask(
        self, other: Member | Stranger | str, method: str, path: str, body: Any = None, **query: Any
    ) -> Any:
        """Ask another server in the name of this one, as its own code does; return the answer, or raise its refusal."""
        destination = other if isinstance(other, str) else other.name
        client = self.services.federation
        match method:
            case "GET":
                return self.run(client.get(destination, path, query=query))
            case "PUT":
                return self.run(client.put(destination, path, query=query, body=body))
            case _:
                return self.run(client.post(destination, path, query=query, body=body))


@contextmanager
def land() -> Iterator[Land]:
    """A country without servers, to which a test adds some."""
    with ExitStack() as stack:
        empty = Land(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(empty.close)
        yield empty


@contextmanager
def country(*labels: str, **settings: Any) -> Iterator[tuple[Member, ...]]:
    """Run a server for each label; `settings` are for all of them. Without rate limits, open for registration."""
    with land() as empty:
        yield tuple(empty.found(label, **settings) for label in labels)
        assert not empty.wrong, "\n".join(empty.wrong)
