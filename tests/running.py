"""A real server for tests: its own thread, loop, data folder and port; and users who talk to it over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import uvloop

from hamrasan.federation.names import Names
from hamrasan.runtime.settings import Address, Settings
from hamrasan.server import RunningServer, start_server
from tests.identities import CHEAP
from tests.spec.exercised import note
from tests.spec.operations import problems_of

SHARED_SECRET = "a secret of the tests only"
PASSWORD = "correct horse battery staple"
DRAFT = b"org.matrix.msc"
"""In the query of a request that asks for what is only proposed; then the answer is not the specification's."""
_names = itertools.count(1)


def check_form(response: httpx.Response) -> None:
    """Fail unless an answer has the form that the specification gives it; runs after every request of every test."""
    response.read()
    path = response.request.url.raw_path.partition(b"?")[0].decode("ascii")
    if DRAFT in response.request.url.query and response.status_code < 400:
        return
    wrong = problems_of(response.request.method, path, response.status_code, response.content)
    assert not wrong, "\n".join(wrong)
    note(response)


def client(url: str, **options: Any) -> httpx.Client:
    """Return an HTTP client for a server under test, which checks the form of every answer."""
    hooks = {"response": [check_form]}
    # A context that verifies costs a megabyte and 20 ms, and nothing here speaks TLS.
    return httpx.Client(
        base_url=url, timeout=30.0, trust_env=False, verify=False, event_hooks=hooks, **options
    )


class Person:
    """A registered user on one device."""

    def __init__(self, url: str, user_id: str, device_id: str, token: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.token = token
        self.http = client(url, headers={"Authorization": f"Bearer {token}"})

    @property
    def localpart(self) -> str:
        return self.user_id[1:].partition(":")[0]

    def request(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Send a request; `path` is below `/_matrix/client/v3` unless it names a prefix."""
        url = path if path.startswith("/_") else f"/_matrix/client/v3{path}"
        return self.http.request(method, url, json=body, params=query or None)

    def get(self, path: str, **query: Any) -> Any:
        return answered(self.request("GET", path, **query))

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return answered(self.request("POST", path, {} if body is None else body, **query))

    def put(self, path: str, body: Any = None, **query: Any) -> Any:
        return answered(self.request("PUT", path, {} if body is None else body, **query))

    def delete(self, path: str, body: Any = None, **query: Any) -> Any:
        return answered(self.request("DELETE", path, body, **query))

    # What people do.

    def create_room(self, **options: Any) -> str:
        room_id: str = self.post("/createRoom", options)["room_id"]
        return room_id

    def join(self, room: str) -> str:
        room_id: str = self.post(f"/join/{quote(room, safe='')}")["room_id"]
        return room_id

    def invite(self, room_id: str, who: Person) -> None:
        self.post(f"/rooms/{quote(room_id)}/invite", {"user_id": who.user_id})

    def send(self, room_id: str, body: str, type: str = "m.room.message", **content: Any) -> str:
        content = {"msgtype": "m.text", "body": body, **content}
        txn_id = f"t{next(_names)}"
        event_id: str = self.put(f"/rooms/{quote(room_id)}/send/{type}/{txn_id}", content)["event_id"]
        return event_id

    def sync(self, since: str | None = None, **query: Any) -> Any:
        if since is not None:
            query["since"] = since
        return self.get("/sync", **query)

    def next_of_room(self, since: str, room_id: str) -> tuple[Any, str]:
        """Wait until `/sync` has something of a joined room; return that, and the token after it."""
        for _ in range(20):
            answer = self.sync(since, timeout=20_000)
            since = answer["next_batch"]
            section = answer.get("rooms", {}).get("join", {}).get(room_id)
            if section is not None:
                return section, since
        raise AssertionError(f"/sync says nothing of {room_id}")


class Running:
    """A server under test."""

    def __init__(self, settings: Settings, names: Names | None = None) -> None:
        self._settings = settings
        self._names = names
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._people: list[Person] = []
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()
        if not self._started.wait(30):
            raise TimeoutError("the server did not start")
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            self.server: RunningServer = await start_server(
                self._settings, password_cost=CHEAP, names=self._names
            )
        except BaseException as error:
            self._failure = error
            self._started.set()
            return
        host, port = self.server.edge.addresses[0]
        self.url = f"http://{host}:{port}"
        self._started.set()
        await self._stop.wait()
        await self.server.close(2.0)

    def run(self, coroutine: Any, within_s: float = 30) -> Any:
        """Run a coroutine on the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(within_s)

    def reload(self) -> None:
        """Let the server read its settings and registrations anew, as SIGHUP does."""

        async def reload() -> None:
            self.server.reload(self._settings)

        self.run(reload())

    def change(self, settings: Settings) -> None:
        """Let the server take those of other settings that can change while it runs."""
        self._settings = settings
        self.reload()

    def stop(self) -> None:
        """Stop the server and wait until its files are closed."""
        self.part_from(0)
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    @property
    def people(self) -> int:
        """How many people with open connections there are."""
        return len(self._people)

    def part_from(self, kept: int) -> None:
        """Close the connections of all people but the first `kept`."""
        for person in self._people[kept:]:
            person.http.close()
        del self._people[kept:]

    @property
    def name(self) -> str:
        return self._settings.server_name

    @property
    def data_dir(self) -> Path:
        return self._settings.data_dir

    def anonymous(self) -> httpx.Client:
        """Return a client without a token."""
        return client(self.url)

    def register(self, name: str = "user", **body: Any) -> Person:
        """Register somebody under a name that nobody has yet."""
        with self.anonymous() as http:
            answer = http.post(
                "/_matrix/client/v3/register",
                json={
                    "username": f"{name}-{next(_names)}",
                    "password": PASSWORD,
                    "auth": {"type": "m.login.dummy"},
                    **body,
                },
            )
        who = answered(answer)
        return self._met(who)

    def log_in(self, who: Person, **body: Any) -> Person:
        """Log somebody in on one more device."""
        identifier = {"type": "m.id.user", "user": who.user_id}
        wanted = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, **body}
        with self.anonymous() as http:
            answer = answered(http.post("/_matrix/client/v3/login", json=wanted))
        return self._met(answer)

    def _met(self, session: Any) -> Person:
        """Return the person who has this session; the connection is closed when the server stops."""
        person = Person(self.url, session["user_id"], session["device_id"], session["access_token"])
        self._people.append(person)
        return person


def answered(response: httpx.Response) -> Any:
    """Return the JSON of a successful answer; fail with the answer's text for any other."""
    assert response.status_code == 200, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json()


def refused(response: httpx.Response, status: int, errcode: str) -> Any:
    """Return the JSON of a refusal with this status and code; fail for any other answer."""
    assert (response.status_code, response.json().get("errcode")) == (status, errcode), response.text
    assert response.json()["error"]
    return response.json()


@contextmanager
def running(data_dir: Path, **settings: Any) -> Iterator[Running]:
    """Run a server on `data_dir` that anybody may register on, without rate limits unless `settings` says so."""
    wanted = Settings(
        server_name="hamrasan.test",
        data_dir=data_dir,
        listen=Address("127.0.0.1", 0),
        registration="open",
        registration_shared_secret=SHARED_SECRET,
        rate_limits=False,
    )
    server = Running(replace(wanted, **settings))
    try:
        yield server
    finally:
        server.stop()
