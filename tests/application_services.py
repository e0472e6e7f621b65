"""A real application service for tests: an HTTP server that takes down what it is told and answers as a test says."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx
import orjson

from tests.registrations import registration, write_registration
from tests.running import answered, client

WAIT_S = 30
TRANSACTIONS = "/_matrix/app/v1/transactions/"


class Told(NamedTuple):
    """One request to the service."""

    method: str
    path: str
    """With its query, as sent."""
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Says(NamedTuple):
    """What the service answers; `before` is called when the answer has begun, and may take its time."""

    status: int = 200
    body: bytes = b"{}"


Answer = Callable[[Told], Says]


def take(_told: Told) -> Says:
    """Take whatever comes."""
    return Says()


def take_transactions(told: Told) -> Says:
    """Take transactions; know nobody and nothing."""
    return Says() if told.path.startswith(TRANSACTIONS) else Says(404, b'{"errcode":"M_NOT_FOUND"}')


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Let those go who did not wait for an answer; show what else fails."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


class Bridge:
    """An application service with the id `id`, whose users and aliases begin with `_<id>_`."""

    def __init__(self, id: str = "bridge", **changes: Any) -> None:
        self.answer: Answer = take_transactions
        self.told: list[Told] = []
        """Every request, in order."""
        self.transactions: list[tuple[str, bytes]] = []
        """Id and body of each transaction that was taken, in order."""
        self._changed = threading.Condition()
        bridge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                bridge._take(self, Told(self.command, self.path, headers, self.rfile.read(length)))

            do_GET = do_POST = do_PUT = handle_request

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.registration = registration(id, url=f"http://127.0.0.1:{self._server.server_port}", **changes)
        self.bot = f"@{self.registration['sender_localpart']}:hamrasan.test"

    def _take(self, handler: BaseHTTPRequestHandler, told: Told) -> None:
        with self._changed:
            self.told.append(told)
            self._changed.notify_all()
        says = self.answer(told)
        if 200 <= says.status < 300 and told.path.startswith(TRANSACTIONS):
            txn_id = unquote(told.path.removeprefix(TRANSACTIONS))
            with self._changed:
                if txn_id not in [known for known, _ in self.transactions]:
                    self.transactions.append((txn_id, told.body))
                self._changed.notify_all()
        try:
            handler.send_response(says.status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(says.body)))
            handler.end_headers()
            handler.wfile.write(says.body)
        except OSError:
            handler.close_connection = True  # whoever asked did not wait

    # What tests look at.

    @property
    def bodies(self) -> list[Any]:
        return [orjson.loads(body) for _, body in list(self.transactions)]

    @property
    def events(self) -> list[Any]:
        """Every event that the service was told, in order."""
        return [event for body in self.bodies for event in body["events"]]

    @property
    def texts(self) -> list[str]:
        """The texts of the messages among them."""
        return [event["content"]["body"] for event in self.events if event["type"] == "m.room.message"]

    def extra(self, name: str) -> list[Any]:
        """What transactions hold under another name, in order."""
        return [body[name] for body in self.bodies if name in body]

    @property
    def ephemeral(self) -> list[Any]:
        return [event for events in self.extra("ephemeral") for event in events]

    @property
    def to_device(self) -> list[Any]:
        return [event for events in self.extra("de.sorunome.msc2409.to_device") for event in events]

    def wait(self, condition: Callable[[], object], what: str = "what was waited for") -> None:
        """Wait until something is so."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), f"{what} did not come; told: {self.bodies}"

    def wait_for_text(self, text: str) -> None:
        """Wait until a message came."""
        self.wait(lambda: text in self.texts, f"the message '{text}'")

    # What the service does.

    @contextmanager
    def http(self, url: str) -> Iterator[httpx.Client]:
        """Yield a client of a server with the token of the service."""
        headers = {"Authorization": f"Bearer {self.registration['as_token']}"}
        with client(url + "/_matrix/client/v3", headers=headers) as http:
            yield http

    def make_ghost(self, url: str, name: str = "ghost") -> str:
        """Register a user of the service and return the id."""
        body = {
            "type": "m.login.application_service",
            "username": f"_{self.registration['id']}_{name}",
            "inhibit_login": True,
        }
        with self.http(url) as http:
            user_id: str = answered(http.post("/register", json=body))["user_id"]
        return user_id

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_S)


@contextmanager
def bridge(data_dir: Path, id: str = "bridge", **changes: Any) -> Iterator[Bridge]:
    """Run an application service that is registered in a data folder; `changes` are those of its registration."""
    service = Bridge(id, **changes)
    write_registration(data_dir, service.registration)
    try:
        yield service
    finally:
        service.close()
