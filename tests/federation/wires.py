"""What lies between servers under test, in a thread of its own: a name server, and wires that can be cut.

Both are real: questions come over UDP, and every byte between two servers goes through a socket here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import uvloop

T = TypeVar("T")
LOCAL = "127.0.0.1"
TTL_S = 0


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    def close(self) -> None:
        """End the loop; what runs on it must have ended."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


class NameServer(asyncio.DatagramProtocol):
    """Answers for names that it was told: addresses, and services with their ports."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        """Host to IP address, both without a dot at the end."""
        self.services: dict[str, list[tuple[int, int, int, str]]] = {}
        """Name of a service, such as `_matrix-fed._tcp.a.test`, to (priority, weight, port, target)."""
        self.questions: list[tuple[str, str]] = []
        """What was asked: name and type."""
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()

    async def start(self) -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, (LOCAL, 0))

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.AA | dns.flags.RA
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.questions.append((name, kind))
        records = self._records(name, kind)
        if records:
            answer.answer.append(dns.rrset.from_text(asked.name, TTL_S, "IN", kind, *records))
        elif name not in self.addresses and name not in self.services:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)

    def _records(self, name: str, kind: str) -> list[str]:
        address = self.addresses.get(name)
        if address is not None and kind == ("AAAA" if ":" in address else "A"):
            return [address]
        if kind == "SRV":
            return [" ".join(map(str, row[:3])) + f" {row[3]}." for row in self.services.get(name, [])]
        return []

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()


class Wire:
    """A port that leads to another one, until it is cut: then what goes over it ends, and nothing comes through."""

    def __init__(self) -> None:
        self._target: tuple[str, int] | None = None
        self._whole = True
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Return the port."""
        self._server = await asyncio.start_server(self._carry, LOCAL, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def lead_to(self, port: int | None) -> None:
        """Lead to a port of this machine; None while nobody is there."""
        self._target = None if port is None else (LOCAL, port)

    async def cut(self) -> None:
        self._whole = False
        for end in list(self._ends):
            end.transport.abort()

    async def mend(self) -> None:
        self._whole = True

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole or self._target is None:
            writer.transport.abort()
            return
        self._ends.add(writer)
        try:
            other_reader, other_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            self._ends.discard(writer)
            return
        self._ends.add(other_writer)
        await asyncio.gather(self._pump(reader, other_writer), self._pump(other_reader, writer))
        for end in (writer, other_writer):
            end.transport.abort()
            self._ends.discard(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.transport.abort()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self.cut()
            await self._server.wait_closed()
