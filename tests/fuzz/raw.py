"""What is not, or only just, HTTP: framing that lies, pipelines, heads that never end, other protocols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.fuzz.world import World

VERSIONS = b"/_matrix/client/versions"
LOGIN = b"/_matrix/client/v3/login"
HOST = b"Host: hamrasan.test\r\n"
GET = b"GET " + VERSIONS + b" HTTP/1.1\r\n" + HOST + b"\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(197))
MANY = b"".join(b"A%d: b\r\n" % number for number in range(500))
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
MAX_PIPELINE = 40


@dataclass(frozen=True, slots=True)
class RawCase:
    """Bytes to send in one or more parts, and how many answers must come.

    `answers` is None where the server may answer, wait for more, or close, as it likes.
    """

    name: str
    parts: tuple[bytes, ...]
    answers: int | None
    statuses: tuple[int, ...] = ()
    """The statuses that are right, if only some are."""
    half_close: bool = False


def _one(name: str, data: bytes, *statuses: int) -> RawCase:
    return RawCase(name, (data,), 1, statuses)


def _post(headers: bytes, body: bytes) -> bytes:
    return b"POST " + LOGIN + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body


def _get(line: bytes, headers: bytes = HOST) -> bytes:
    return line + b"\r\n" + headers + b"\r\n"


def _chunked(body: bytes, rng: Random) -> bytes:
    parts = []
    while body:
        size = rng.randrange(1, min(len(body), 7) + 1)
        extension = rng.choice((b"", b";a=b", b';c="d e"'))
        parts.append(b"%x%b\r\n%b\r\n" % (size, extension, body[:size]))
        body = body[size:]
    return b"".join(parts) + b"0\r\n" + rng.choice((b"", b"X-Trailer: 1\r\n")) + b"\r\n"


_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_BODY = b'{"type":"m.login.password"}'

FIXED: tuple[RawCase, ...] = (
    _one("lower-case method", _get(b"get " + VERSIONS + b" HTTP/1.1"), 400),
    _one("unknown method", _get(b"BREW " + VERSIONS + b" HTTP/1.1"), 400, 405, 501),
    _one("long method", _get(b"A" * 5_000 + b" " + VERSIONS + b" HTTP/1.1"), 400, 501),
    _one("no target", _get(b"GET HTTP/1.1"), 400, 404),
    _one("no slash", _get(b"GET versions HTTP/1.1"), 400, 404),
    _one("absolute target", _get(b"GET http://hamrasan.test" + VERSIONS + b" HTTP/1.1"), 200),
    _one("target of another scheme", _get(b"GET gopher://a/ HTTP/1.1"), 400, 404),
    _one("star", _get(b"GET * HTTP/1.1"), 400, 404),
    _one("options star", _get(b"OPTIONS * HTTP/1.1"), 200, 204),
    _one("connect", _get(b"CONNECT hamrasan.test:443 HTTP/1.1"), 400, 404, 405, 501),
    _one("NUL in the target", _get(b"GET /\0 HTTP/1.1"), 400),
    _one("target of bytes", _get(b"GET /\xff\xfe HTTP/1.1"), 400, 404),
    _one("tab in the target", _get(b"GET /\ta HTTP/1.1"), 400),
    _one("target too long", _get(b"GET /" + b"a" * 40_000 + b" HTTP/1.1"), 400, 414, 431),
    _one("many slashes", _get(b"GET " + b"/" * 10_000 + b" HTTP/1.1"), 400, 404, 414),
    _one("many parameters", _get(b"GET " + VERSIONS + b"?" + b"a=b&" * 3_000 + b" HTTP/1.1"), 200, 400, 414),
    _one("version 9", _get(b"GET " + VERSIONS + b" HTTP/9.9"), 400, 505),
    _one("version without number", _get(b"GET " + VERSIONS + b" HTTP/"), 400),
    _one("HTTP/1.0", _get(b"GET " + VERSIONS + b" HTTP/1.0", b""), 200),
    _one("no host", _get(b"GET " + VERSIONS + b" HTTP/1.1", b""), 200, 400),
    _one("header without colon", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + b"nonsense\r\n"), 400),
    _one("header without name", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + b": a\r\n"), 400),
    _one("blank before the colon", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + b"A : b\r\n"), 200, 400),
    _one("NUL in a header", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + b"A: b\0c\r\n"), 400),
    _one("folded header", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + b"A: b\r\n c\r\n"), 200, 400),
    _one("huge header", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + b"A: " + b"b" * 60_000 + b"\r\n"), 400, 431),
    _one("many headers", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + MANY), 400, 431),
    _one("upgrade", _get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + UPGRADE), 200, 400),
    _one("length and chunks", _post(b"Content-Length: 5\r\n" + _CHUNKED, b"0\r\n\r\n"), 400),
    _one("two lengths", _post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "), 400),
    _one("negative length", _post(b"Content-Length: -1\r\n", b""), 400),
    _one("length with a sign", _post(b"Content-Length: +2\r\n", b"{}"), 400),
    _one("length of 30 digits", _post(b"Content-Length: " + b"9" * 30 + b"\r\n", b""), 400, 413),
    _one("length of a terabyte", _post(b"Content-Length: 1099511627776\r\n", b"{"), 413),
    _one("length in hexadecimal", _post(b"Content-Length: 0x2\r\n", b"{}"), 400),
    _one("chunk of no number", _post(_CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n"), 400),
    _one("chunk of many digits", _post(_CHUNKED, b"f" * 40 + b"\r\n"), 400, 413),
    _one("chunk that does not end", _post(_CHUNKED, b"2\r\n{}XX0\r\n\r\n"), 400),
    _one("gzip and chunked", _post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 400, 501),
    _one("chunked, not last", _post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"), 400, 501),
    _one("expects the impossible", _post(b"Expect: miracle\r\nContent-Length: 2\r\n", b"{}"), 400, 417),
    _one("expects to go on", _post(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}"), 400),
    RawCase("TLS", (TLS_HELLO,), None),
    RawCase("HTTP/2", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), None),
    RawCase("SSH", (b"SSH-2.0-OpenSSH_9.2\r\n",), None),
    RawCase("line breaks", (b"\r\n" * 1_000,), None),
    RawCase("HTTP/0.9", (b"GET /\r\n",), None),
    RawCase("head cut short", (b"GET / HTTP/1.1\r\nHost:",), None, half_close=True),
    RawCase("body cut short", (_post(b"Content-Length: 100\r\n", b"{"),), None, half_close=True),
    RawCase("half closed", (GET,), None, half_close=True),
    RawCase("more than its length", (_post(b"Content-Length: 2\r\n", b"{}garbage garbage\r\n\r\n"),), None),
)  # fmt: skip


def _pipeline(rng: Random, world: World) -> RawCase:
    count = rng.randrange(2, MAX_PIPELINE)
    token = rng.choice(world.active).token.encode()
    whoami = (
        b"GET /_matrix/client/v3/account/whoami HTTP/1.1\r\n"
        + HOST
        + b"Authorization: Bearer "
        + token
        + b"\r\n\r\n"
    )
    post = _post(b"Content-Length: %d\r\n" % len(_BODY), _BODY)
    return RawCase("pipeline", (b"".join(rng.choice((GET, whoami, post)) for _ in range(count)),), count)


def _dribble(rng: Random, world: World) -> RawCase:
    data = _post(_CHUNKED, _chunked(_BODY, rng)) if rng.random() < 0.5 else GET
    places = sorted(rng.sample(range(1, len(data)), 12))
    parts = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    return RawCase("in small parts", tuple(parts), 1, (200, 400))


def _good_chunks(rng: Random, world: World) -> RawCase:
    return RawCase("chunks", (_post(_CHUNKED, _chunked(_BODY, rng)) + GET,), 2)


def _noise(rng: Random, world: World) -> RawCase:
    return RawCase("noise", (rng.randbytes(rng.randrange(1, 3_000)),), None)


def _flipped(rng: Random, world: World) -> RawCase:
    data = bytearray(_post(b"Content-Length: %d\r\n" % len(_BODY), _BODY))
    for _ in range(rng.randrange(1, 5)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return RawCase("bytes changed", (bytes(data),), None)


def _headers_of_noise(rng: Random, world: World) -> RawCase:
    lines = b"".join(rng.randbytes(8).hex().encode() + b": " + rng.randbytes(20) + b"\r\n" for _ in range(5))
    return RawCase("headers of noise", (_get(b"GET " + VERSIONS + b" HTTP/1.1", HOST + lines),), None)


_MADE: tuple[Callable[[Random, World], RawCase], ...] = (
    _pipeline, _dribble, _good_chunks, _noise, _flipped, _headers_of_noise,
)  # fmt: skip


def raw_case(rng: Random, world: World) -> RawCase:
    """Return one case, as often fixed as made."""
    return rng.choice(FIXED) if rng.random() < 0.5 else rng.choice(_MADE)(rng, world)
