"""Servers that nobody here wrote: they say and do what a test tells them, over real TLS, under a name that is found.

    with country("a") as (a,):
        evil = a.land.stranger("evil")
        evil.answers["/_matrix/federation/v1/version"] = json_answer({"server": {"name": "evil"}})
        assert evil.request(a, "PUT", "/_matrix/federation/v1/send/1", {"pdus": []}).status_code == 200

A stranger has a key, and publishes it, unless it is told to do something else there.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple, cast

import httpx
import orjson

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.hashing import add_content_hash
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.protocol.signing import SigningKey, sign_event, sign_json
from hamrasan.protocol.x_matrix import sign_request
from tests.federation.wires import LOCAL
from tests.running import check_form

KEYS = "/_matrix/key/v2/server"
DAY_MS = 24 * 3600 * 1000


class Asked(NamedTuple):
    """A request that somebody made to a stranger."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes


Behaviour = Callable[[Asked], AsyncIterator[bytes]]
"""From a request to the raw bytes of the answer, head and all; when it ends, the connection is closed."""


def raw_answer(*pieces: bytes) -> Behaviour:
    """Answer with these bytes, whatever they are."""

    async def answer(_asked: Asked) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return answer


def text_answer(body: bytes, status: int = 200, **headers: str) -> Behaviour:
    """Answer with a body and headers (with `_` for `-` in their names)."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines.append("Connection: close")  # as it does once it has answered
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw_answer("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def json_answer(value: Any, status: int = 200) -> Behaviour:
    """Answer with JSON."""
    return text_answer(orjson.dumps(value), status)


def dripping(body: bytes, pause_s: float) -> Behaviour:
    """Answer one byte at a time, with a pause after each."""

    async def answer(_asked: Asked) -> AsyncIterator[bytes]:
        for byte in b"HTTP/1.1 200 Slow\r\nContent-Length: %d\r\n\r\n" % len(body) + body:
            yield bytes([byte])
            await asyncio.sleep(pause_s)

    return answer


def endless(piece: bytes = b"x" * 65536) -> Behaviour:
    """Answer with a body that never ends."""

    async def answer(_asked: Asked) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 Long\r\n\r\n"
        while True:
            yield piece

    return answer


async def _silent(_asked: Asked) -> AsyncIterator[bytes]:
    """Say nothing, and keep the connection."""
    await asyncio.sleep(3600)
    yield b""


silent: Behaviour = _silent


class Stranger:
    """A server under the control of a test. `land` is where it lives: `tests.federation.country.Land`."""

    def __init__(self, name: str, land: Any, *, hosts: tuple[str, ...] = ()) -> None:
        self.name = name
        self.key = SigningKey("ed25519:stranger", name.encode().ljust(32, b"."))
        self.answers: dict[str, Behaviour] = {}
        """By path, without the query: what to do; without an entry, 404."""
        self.answers_below: dict[str, Behaviour] = {}
        """The same for all paths that begin so."""
        self.asked: list[Asked] = []
        self.port = 0
        self._land = land
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        files = land.authority.certify(*(hosts or (name,)))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(files.certificate, files.key)
        land.loop.run(self._start())

    # What it says.

    def say_keys(self, **changes: Any) -> dict[str, Any]:
        """Return what it says of its keys, signed; with `changes`, if they are wrong, a lie that it signs."""
        said = {
            "server_name": self.name,
            "valid_until_ts": int(time.time() * 1000) + DAY_MS,
            "verify_keys": {self.key.key_id: {"key": encode_base64(self.key.public_key)}},
            "old_verify_keys": {},
            **changes,
        }
        return sign_json(said, self.name, self.key)

    def sign(self, pdu: dict[str, Any], version: RoomVersion) -> dict[str, Any]:
        """Return an event with its hash and this server's signature."""
        sealed = dict(pdu)
        add_content_hash(sealed, version)
        return sign_event(sealed, version, self.name, self.key)

    # What it asks.

    def request(self, member: Any, method: str, uri: str, body: Any = None, **headers: str) -> httpx.Response:
        """Make a signed request to a server of the country, over TLS at its listener for servers."""
        content = None if body is None else encode_canonical(body)
        signature = sign_request(method, uri, self.name, member.name, content, self.key)
        return self.request_unsigned(
            member, method, uri, content, **{"Authorization": signature, "Host": member.name, **headers}
        )

    def request_unsigned(
        self, member: Any, method: str, uri: str, body: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Make a request with these headers only."""
        trust = ssl.create_default_context(cafile=str(self._land.authority.file))
        url = f"https://{LOCAL}:{member.federation_port}{uri}"
        hooks = {"response": [check_form]}
        with httpx.Client(verify=trust, trust_env=False, timeout=30, event_hooks=hooks) as http:
            extensions = {"sni_hostname": member.name}
            return http.request(method, url, content=body, headers=headers, extensions=extensions)

    # Its life.

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOCAL, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, uri, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(method, uri, headers, body)
            self.asked.append(asked)
            async for piece in self._behaviour(uri.partition("?")[0])(asked):
                writer.write(piece)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            self._serving.discard(task)
            writer.close()

    def _behaviour(self, path: str) -> Behaviour:
        if path == KEYS and path not in self.answers:
            return json_answer(self.say_keys())
        if path in self.answers:
            return self.answers[path]
        for prefix, behaviour in self.answers_below.items():
            if path.startswith(prefix):
                return behaviour
        return json_answer({"errcode": "M_UNRECOGNIZED", "error": "not told what to say"}, 404)

    def close(self) -> None:
        self._land.loop.run(self._stop())

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
