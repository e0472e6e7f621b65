"""One run: requests without end at a real server, each answer looked at, and a look at the whole at the end."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import Counter
from random import Random
from typing import Any

from tests.fuzz import generate, mutations
from tests.fuzz.drafts import Draft
from tests.fuzz.findings import Findings, kind_of, problems, shrink
from tests.fuzz.memory import Memory, resident
from tests.fuzz.raw import RawCase, raw_case
from tests.fuzz.wire import Answer, Closed, Malformed, NoAnswer, Wire
from tests.fuzz.world import User, World
from tests.processes import ServerProcess
from tests.running import PASSWORD, SHARED_SECRET

USERS = 6
"""Users with a token whom a run keeps; when some have lost theirs, they log in again, or others register."""
PATIENCE = 5.0
"""Seconds in which every request must be answered, unless a run is told otherwise."""
PARKED_AFTER = 0.3
"""Seconds after which a request that may wait for news is given up, as a client that loses its connection does."""
RAW, BURST, VALID = 0.06, 0.005, 0.5
"""Share of raw cases, of bursts, and of valid requests among the others."""
MAX_BURST = 12
ALONE = frozenset({"changePassword", "deactivateAccount"})
"""Never in a burst: afterwards it would not be known with which password somebody can log in."""
SAMPLE_SECONDS = 0.5


class Run:
    """A run on one server. The same seed and number of steps give the same requests, but for ids that chance makes."""

    def __init__(self, server: ServerProcess, seed: int, patience: float = PATIENCE) -> None:
        self.server = server
        self.patience = patience
        self.seed = seed
        self.world = World()
        self.findings = Findings()
        self.memory = Memory()
        self.statuses: Counter[tuple[str, str]] = Counter()
        self.notes: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        """Refusals with the code that says nothing; the specification asks for it in a few places."""
        self.partial: set[str] = set()
        """Filters that leave out members of events."""
        self.slowest: list[tuple[float, str]] = []
        self.steps = 0
        self._wire: Wire | None = None
        self._next_sample = 0.0

    @property
    def requests(self) -> int:
        """Return how many requests were sent."""
        return sum(self.statuses.values())

    # The whole.

    def prepare(self) -> None:
        """Register an administrator and a few users, and let them make rooms."""
        self._register_administrator()
        while len(self.world.active) < USERS:
            self._register(f"user-{self.world.number()}")
        rooms = []
        for user in self.world.active:
            answer = self.ask("POST", "/createRoom", user, {"preset": "public_chat"})
            rooms.append(json.loads(answer.body)["room_id"])
        for user in self.world.active:
            for room in rooms:
                self.ask("POST", f"/rooms/{room}/join", user, {})
                self.world.joined(user.user_id, room)
                self.world.note("room", room, Random(0))

    def go_on(self, seconds: float, steps: int | None = None) -> None:
        """Send requests for some time, or only a number of steps of it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.steps != steps:
            self.step(Random(f"{self.seed}/{self.steps}"))
            self.steps += 1
            if time.monotonic() >= self._next_sample:
                self._next_sample = time.monotonic() + SAMPLE_SECONDS
                self.memory.samples.append(resident(self.server.pid))
            if not self.server.running:
                self.findings.add("the server has ended", lambda: self.server.log[-5_000:])
                return
        self._hang_up()

    def step(self, rng: Random) -> None:
        """Send one request, or several at once."""
        self._keep_users()
        chance = rng.random()
        if chance < RAW:
            self._raw(raw_case(rng, self.world))
        elif chance < RAW + BURST:
            self._burst([self._draft(rng) for _ in range(rng.randrange(2, MAX_BURST))])
        else:
            draft = self._draft(rng)
            answer = self._send(draft)
            if answer is not None:
                self._judge(draft, answer)
                self._learn(draft, answer, rng)

    def _draft(self, rng: Random) -> Draft:
        draft = generate.valid(rng, self.world)
        return draft if rng.random() < VALID else mutations.mutate(draft.copy(), rng)

    # One request.

    def _send(self, draft: Draft) -> Answer | None:
        """Return the answer; note what kept it from coming."""
        data, started = draft.encode(), time.monotonic()
        wire = self._wire or Wire(self.server.port)
        self._wire = None
        try:
            answer = self._try(wire, draft, data)
        except Closed:
            if wire.used:  # the server closed it meanwhile, as it may
                return self._send(draft)
            self._note(draft, "closed without an answer")
        except NoAnswer as error:
            if draft.may_wait:
                self.statuses[draft.operation, "parked"] += 1
            else:
                self._note(draft, f"no answer in {self.patience} s: {error}")
        except Malformed as error:
            self._note(draft, f"malformed answer: {error}")
        else:
            self._time(draft, time.monotonic() - started)
            if answer.closes:
                wire.close()
            else:
                self._wire = wire
            return answer
        wire.close()
        return None

    def _try(self, wire: Wire, draft: Draft, data: bytes) -> Answer:
        wire.send(data)
        return wire.answer(draft.method, PARKED_AFTER if draft.may_wait else self.patience)

    def _time(self, draft: Draft, seconds: float) -> None:
        self.slowest.append((seconds, f"{draft.operation} {draft.notes}"))
        if len(self.slowest) > 1_000:
            self.slowest = sorted(self.slowest, reverse=True)[:10]

    def _judge(self, draft: Draft, answer: Answer) -> None:
        self._count(draft, answer)
        for problem in problems(draft, answer, self._is_whole(draft)):
            self._note(draft, problem)
        if b'"M_UNKNOWN"' in answer.body and answer.status >= 400:
            self.unknown[kind_of(answer.body.decode()[:150])] += 1

    def _is_whole(self, draft: Draft) -> bool:
        """Return whether the events of an answer have all their members."""
        return "event_fields" not in draft.target and self.partial.isdisjoint(
            value for _, value in draft.query
        )

    def _count(self, draft: Draft, answer: Answer) -> None:
        self.statuses[draft.operation, str(answer.status)] += 1
        for note in draft.notes:
            self.notes[note, str(answer.status)] += 1

    def _note(self, draft: Draft, problem: str) -> None:
        def example() -> str:
            notes = ", ".join(draft.notes) or "valid"
            return f"({notes}) {self._smallest(draft, kind_of(problem)).curl(self.server.url)}"

        self.findings.add(problem if draft.operation in problem else f"{draft.operation}: {problem}", example)

    def _smallest(self, draft: Draft, kind: str) -> Draft:
        def still(candidate: Draft) -> bool:
            wire = Wire(self.server.port)
            try:
                answer = self._try(wire, candidate, candidate.encode())
            except (Closed, NoAnswer, Malformed):
                return False
            finally:
                wire.close()
            return kind in map(kind_of, problems(candidate, answer, self._is_whole(candidate)))

        return shrink(draft, still)

    def _burst(self, drafts: list[Draft]) -> None:
        """Send requests at once, each on a connection of its own, and read the answers afterwards."""
        sent = []
        for draft in drafts:
            if not draft.may_wait and draft.operation not in ALONE:
                wire = Wire(self.server.port)
                wire.send(draft.encode())
                sent.append((draft, wire))
        for draft, wire in sent:
            try:
                answer = wire.answer(draft.method, self.patience)
            except (Closed, NoAnswer, Malformed) as error:
                self._note(draft, f"in a burst: {type(error).__name__} {error}")
            else:
                self._judge(draft, answer)
            wire.close()

    def _raw(self, case: RawCase) -> None:
        """Send a raw case, and see that what comes back are answers, and all that must."""
        wire = Wire(self.server.port)
        for part in case.parts:
            wire.send(part)
        if case.half_close:
            wire.half_close()
        wanted = case.answers
        statuses: list[int] = []
        try:
            while wanted is None or len(statuses) < wanted:
                statuses.append(wire.answer("GET", PARKED_AFTER if wanted is None else self.patience).status)
        except (Closed, NoAnswer) as error:
            if wanted is not None:
                self._raw_finding(case, f"{type(error).__name__} after {statuses}")
        except Malformed as error:
            self._raw_finding(case, f"malformed: {error}")
        wire.close()
        for status in statuses or [0]:
            self.statuses[f"raw: {case.name}", str(status or "closed")] += 1
            wrong = bool(case.statuses) and status not in case.statuses
            if wrong or (status >= 500 and status not in (501, 505)):
                self._raw_finding(case, f"answered {status}")

    def _raw_finding(self, case: RawCase, what: str) -> None:
        shown = [part[:300] for part in case.parts[:20]]
        self.findings.add(f"raw, {case.name}: {what}", lambda: f"{shown}")

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    # What answers teach.

    def _learn(self, draft: Draft, answer: Answer, rng: Random) -> None:
        try:
            value = json.loads(answer.body)
        except ValueError:
            return
        if not isinstance(value, dict):
            return
        user = self.world.users.get(draft.user_id or "")
        errcode = value.get("errcode")
        if user is not None and errcode == "M_UNKNOWN_TOKEN":
            self.world.lost(user)
        elif user is not None and errcode in ("M_USER_LOCKED", "M_USER_SUSPENDED"):
            self.release(user)
        if answer.status in (200, 401):  # the stages of authentication are told with 401
            self.world.learn(draft.operation, value, rng)
        if answer.status == 200:
            self._learn_deed(draft, user, value, rng)

    def _learn_deed(self, draft: Draft, user: User | None, value: dict[str, Any], rng: Random) -> None:
        if draft.operation in ("createRoom", "upgradeRoom"):
            self.world.rooms_made += 1
        match draft.operation:
            case "createRoom" | "joinRoom" | "joinRoomById" | "upgradeRoom":
                self.world.joined(draft.user_id, value.get("room_id") or value.get("replacement_room"))
            case "register" | "adminRegister" if isinstance(value.get("user_id"), str):
                made = User(value["user_id"], [_member(draft, "password")], "", "")
                self.world.users[made.user_id] = made
            case "defineFilter":
                filter_id = str(value.get("filter_id"))
                self.world.note(f"filter of {draft.user_id}", filter_id, rng)
                if b"event_fields" in (draft.payload() or b""):
                    self.partial.add(filter_id)
            case "changePassword" if user is not None:
                user.passwords.append(_member(draft, "new_password"))
            case "deactivateAccount" if user is not None:
                user.gone = True
                self.world.lost(user)

    # Users.

    def ask(self, method: str, path: str, user: User | None, body: Any = None) -> Answer:
        """Send a plain request of our own and return the answer, whatever it is."""
        url = path if path.startswith("/_") else f"/_matrix/client/v3{path}"
        draft = Draft("", method, url[1:].split("/"), body=body)
        if user is not None:
            draft.headers.append(("Authorization", f"Bearer {user.token}".encode()))
        wire = Wire(self.server.port)
        try:
            wire.send(draft.encode())
            return wire.answer(method, 30.0)
        finally:
            wire.close()

    def _keep_users(self) -> None:
        """See to it that enough users have a token, and one of them is an administrator."""
        while len(self.world.active) < USERS or not any(user.admin for user in self.world.active):
            lost = [user for user in self.world.users.values() if not user.token and not user.gone]
            admins = [user for user in lost if user.admin]
            if not any(user.admin for user in self.world.active) and not admins:
                self._register_administrator()
            elif not lost or not self.log_in((admins or lost)[0]):
                self._register(f"user-{self.world.number()}")

    def log_in(self, user: User) -> bool:
        """Give a user a token; note it if none of their passwords is right."""
        self.release(user)
        for password in reversed(user.passwords[-3:]):
            body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id}}
            answer = self.ask("POST", "/login", None, {**body, "password": password})
            if answer.status == 200:
                session = json.loads(answer.body)
                user.token, user.device_id = session["access_token"], session["device_id"]
                self.world.met(user)
                return True
        user.gone = True
        self.findings.add(f"a user cannot log in again: {answer.body!r}", lambda: user.user_id)
        return False

    def release(self, user: User) -> None:
        """Let an administrator unlock a user and lift their suspension."""
        admin = next((other for other in self.world.active if other.admin), None)
        if admin is not None and admin is not user:
            base = "/_matrix/client/v1/admin"
            self.ask("PUT", f"{base}/lock/{user.user_id}", admin, {"locked": False})
            self.ask("PUT", f"{base}/suspend/{user.user_id}", admin, {"suspended": False})

    def _register(self, name: str) -> None:
        body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        self._met(self.ask("POST", "/register", None, body), admin=False)

    def _register_administrator(self) -> None:
        nonce = json.loads(self.ask("GET", "/_synapse/admin/v1/register", None).body)["nonce"]
        name = f"admin-{self.world.number()}"
        text = "\0".join((nonce, name, PASSWORD, "admin"))
        mac = hmac.new(SHARED_SECRET.encode(), text.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": True, "mac": mac}
        self._met(self.ask("POST", "/_synapse/admin/v1/register", None, body), admin=True)

    def _met(self, answer: Answer, admin: bool) -> None:
        session = json.loads(answer.body)
        user = User(session["user_id"], [PASSWORD], session["device_id"], session["access_token"], admin)
        self.world.met(user)


def _member(draft: Draft, name: str) -> str:
    """Return a member of a body that the server has accepted."""
    found = json.loads(draft.payload() or b"{}").get(name)
    return found if isinstance(found, str) else ""
