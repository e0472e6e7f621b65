"""A real HTTP server that tests send pushes to, in threads of its own."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson

WAIT_S = 30
HERE = ("127.0.0.0/8",)
"""The setting `reachable_networks` with which a server reaches a gateway of a test."""
PATH = "/_matrix/push/v1/notify"


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def notification(self) -> dict[str, Any]:
        """What a push gateway is told."""
        notification: dict[str, Any] = orjson.loads(self.body)["notification"]
        return notification

    @property
    def pushkey(self) -> str:
        (device,) = self.notification["devices"]
        pushkey: str = device["pushkey"]
        return pushkey


class Answer(NamedTuple):
    """What the gateway says to a request."""

    status: int = 200
    body: bytes = b'{"rejected":[]}'
    headers: tuple[tuple[str, str], ...] = ()


def accept(_: Received) -> Answer:
    """Take whatever comes."""
    return Answer()


class Gateway:
    """Takes down what it is sent, and answers as `answer` says, which may take its time."""

    def __init__(self, host: str = "127.0.0.1", *, private: bool = False) -> None:
        """A `private` gateway hears only who has its URL: ports are used again, and a server may still try old ones."""
        self._word = secrets.token_urlsafe(8) if private else ""
        self.answer: Callable[[Received], Answer] = accept
        self.received: list[Received] = []
        """Every request, in the order in which they came."""
        self.accepted: list[Received] = []
        """Those that were answered with a status of success."""
        self._changed = threading.Condition()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                gateway._take(self, Received(self.path, headers, self.rfile.read(length)))

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def url(self) -> str:
        return f"{self.base}{PATH}?{self._word}" if self._word else self.base + PATH

    def push_resource(self) -> str:
        """Return a URL of its own for a subscription to Web Push."""
        return f"{self.base}/push/{self._word}/{secrets.token_urlsafe(8)}"

    def _take(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        if self._word not in received.path:
            handler.send_error(404)
            return
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()
        status, body, headers = self.answer(received)
        try:
            handler.send_response(status)
            for name, value in headers:
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            return  # whoever asked is gone
        if status < 300:
            with self._changed:
                self.accepted.append(received)
                self._changed.notify_all()

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds of what was received, and return it."""
        with self._changed:
            found = self._changed.wait_for(condition, WAIT_S)
        assert found, f"received only {[each.body[:2000] for each in self.received][-20:]}"
        return found

    def first(self, count: int) -> list[Received]:
        """Wait until so many requests have been accepted; return these."""
        self.wait(lambda: len(self.accepted) >= count)
        return self.accepted[:count]

    def events(self, pushkey: str | None = None) -> list[str]:
        """Return the ids of the events that were accepted, in order."""
        return [
            each.notification["event_id"]
            for each in self.accepted
            if "event_id" in each.notification and pushkey in (None, each.pushkey)
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_S)


@contextmanager
def gateway(host: str = "127.0.0.1", *, private: bool = False) -> Iterator[Gateway]:
    own = Gateway(host, private=private)
    try:
        yield own
    finally:
        own.close()
