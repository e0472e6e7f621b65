"""User-interactive authentication (client-server API, "User-Interactive Authentication API").

A session remembers which stages somebody has completed for one operation. Sessions live in memory: one that is lost is
begun anew, at the cost of typing a password again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, not_found
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy

PASSWORD = "m.login.password"
DUMMY = "m.login.dummy"
REGISTRATION_TOKEN = "m.login.registration_token"
OAUTH = "m.oauth"
SSO = "m.login.sso"

SESSION_LIFETIME_S = 15 * 60
"""Long enough to look for a password or an invitation."""
MAX_SESSIONS = 10_000
"""Sessions at the same time (about 10 MB); beyond it the oldest end."""
SESSION_ID_LETTERS = 32
"""As hard to guess as a key: a session with completed stages is as good as what completed them."""

Flow = tuple[str, ...]


@dataclass(slots=True)
class Session:
    """One operation that somebody is authenticating for."""

    id: str
    operation: Operation
    ends_at: float
    completed: dict[str, Any] = field(default_factory=dict)
    """What each completed stage has found out."""
    outcome: Any = None
    """What the operation came to, once it is done; told again if the answer was lost on its way."""
    on_end: list[Callable[[], None]] = field(default_factory=list)
    """Called when the operation is done, or the session ends without it."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


Stage = Callable[[Session, Mapping[str, Any]], Awaitable[Any]]
"""Judges what a client submits for a stage: returns what it found out, or raises `StageFailed` or another refusal."""


class StageFailed(Exception):
    """The client may try the stage again; `errcode` and `message` say what was wrong."""

    def __init__(self, errcode: str, message: str) -> None:
        super().__init__(errcode, message)
        self.errcode = errcode
        self.message = message


@dataclass(frozen=True, slots=True)
class Operation:
    """What has to be authenticated: its name, which a session is bound to, and the ways of doing so."""

    name: str
    flows: tuple[Flow, ...]
    stages: Mapping[str, Stage]
    keeps_outcome: bool = False
    """Whether repeating a completed session returns its outcome, rather than asking to authenticate again."""
    elsewhere: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    """Stages that are done elsewhere, in a browser: each tells whether that has happened."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """What clients have to know of the stages."""
    user_id: str = ""
    """Who has to confirm it; empty if nobody is logged in yet."""


class InteractionNeeded(MatrixError):
    """More has to be authenticated: the answer lists the flows and what is completed of them."""

    def __init__(self, operation: Operation, session: Session, failure: StageFailed | None = None) -> None:
        super().__init__(401, failure.errcode if failure else "", failure.message if failure else "")
        self._failed = failure is not None
        self._members: dict[str, Any] = {
            "flows": [{"stages": list(flow)} for flow in operation.flows],
            "params": operation.params,
            "session": session.id,
        }
        if session.completed or failure:
            self._members["completed"] = list(session.completed)

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the response; it is an error object only if a stage failed."""
        return {**self._members, **super().body()} if self._failed else self._members


class UserInteractive:
    """The sessions under way."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._sessions: dict[str, Session] = {}

    @asynccontextmanager
    async def authorized(self, auth: object, operation: Operation) -> AsyncIterator[Session]:
        """Do `operation` inside, once somebody has completed one of its flows.

        `auth` is the request's member of that name. Raises `InteractionNeeded` (401) as long as something is missing,
        `M_FORBIDDEN` if the session was begun for another operation, and what a stage raises. The session is used up
        when the block ends well, and can be used again when it fails.
        """
        submitted = _checked(auth)
        session = self._find(submitted, operation) or self._begin(operation)
        async with session.lock:
            if session.id not in self._sessions:
                session = self._begin(operation)
            if submitted is None:
                raise InteractionNeeded(operation, session)
            if session.outcome is None:
                await self._attempt(session, submitted, operation)
            yield session
            _release(session)
            if not operation.keeps_outcome:
                self._end(session)

    def done(self, auth: object, operation: Operation) -> bool:
        """Tell whether `auth` belongs to a session whose operation has been done and that keeps its outcome."""
        session = self._find(_checked(auth), operation)
        return session is not None and session.outcome is not None

    def check_stage(self, session_id: str, kind: str) -> None:
        """Raise `M_NOT_FOUND` unless the session lives and has, or could complete, this stage ("Fallback")."""
        session = self._sessions.get(session_id)
        if session is None or session.ends_at <= self._clock.monotonic():
            raise not_found("This session is unknown or has ended; please begin again.")
        if kind not in session.operation.stages or (
            kind not in session.completed and kind not in _next_stages(session, session.operation)
        ):
            raise not_found("This cannot be done now in this session.")

    def access_elsewhere(self, session_id: str, kind: str, user_id: str) -> Session:
        """Return a session in which this user may now do a stage in a browser; raises `M_NOT_FOUND`."""
        session = self._sessions.get(session_id)
        if session is None or session.ends_at <= self._clock.monotonic():
            raise not_found("This session is unknown or has ended; please begin again.")
        operation = session.operation
        if operation.user_id != user_id or kind not in operation.elsewhere:
            raise not_found("This cannot be done in this session by this user.")
        return session

    async def submit(self, session_id: str, submitted: Mapping[str, Any]) -> None:
        """Complete a stage of a session without its operation, as the fallback pages do.

        Raises `M_NOT_FOUND` as `check_stage`, `StageFailed`, and what the stage raises.
        """
        kind = str(submitted.get("type"))
        self.check_stage(session_id, kind)
        session = self._sessions[session_id]
        async with session.lock:
            if kind not in session.completed:
                session.completed[kind] = await session.operation.stages[kind](session, submitted)

    async def _attempt(self, session: Session, submitted: Mapping[str, Any], operation: Operation) -> None:
        for stage in _next_stages(session, operation) & operation.elsewhere.keys():
            if operation.elsewhere[stage]():
                session.completed[stage] = None
        kind = submitted.get("type")
        if kind in operation.elsewhere:
            kind = None  # says nothing: what counts is whether it has been done there
        if kind is not None and kind not in session.completed and kind in _next_stages(session, operation):
            try:
                session.completed[kind] = await operation.stages[kind](session, submitted)
            except StageFailed as failure:
                raise InteractionNeeded(operation, session, failure) from None
        elif kind is not None and kind not in session.completed:
            unexpected = StageFailed(
                "M_UNRECOGNIZED", f"The stage '{kind}' cannot be done now for this request."
            )
            raise InteractionNeeded(operation, session, unexpected)
        if tuple(session.completed) not in operation.flows:
            raise InteractionNeeded(operation, session)

    def _find(self, submitted: Mapping[str, Any] | None, operation: Operation) -> Session | None:
        session = self._sessions.get(submitted.get("session", "")) if submitted else None
        if session is None:
            return None
        if session.ends_at <= self._clock.monotonic():
            self._end(session)
            return None
        if session.operation.name != operation.name:
            raise forbidden("This session was begun to authenticate something else.")
        return session

    def _begin(self, operation: Operation) -> Session:
        now = self._clock.monotonic()
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if oldest.ends_at > now and len(self._sessions) < MAX_SESSIONS:
                break
            self._end(oldest)
        session = Session(self._entropy.id(SESSION_ID_LETTERS), operation, now + SESSION_LIFETIME_S)
        self._sessions[session.id] = session
        return session

    def _end(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is not None:
            _release(session)


def _release(session: Session) -> None:
    while session.on_end:
        session.on_end.pop()()


def _checked(auth: object) -> Mapping[str, Any] | None:
    if auth is None:
        return None
    if not isinstance(auth, Mapping):
        raise bad_json("'auth' must be an object.")
    for key in ("type", "session"):
        if not isinstance(auth.get(key, ""), str):
            raise bad_json(f"'auth.{key}' must be a string.")
    return auth


def _next_stages(session: Session, operation: Operation) -> set[str]:
    """Return the stages that may be done now: flows are completed in order."""
    done = tuple(session.completed)
    return {
        flow[len(done)] for flow in operation.flows if flow[: len(done)] == done and len(flow) > len(done)
    }


async def dummy_stage(_session: Session, _submitted: Mapping[str, Any]) -> None:
    """Let everybody pass ("Dummy Auth")."""
