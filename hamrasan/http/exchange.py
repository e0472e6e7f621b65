"""One request and what is known about its answer, from the end of its head to the last byte of the answer."""

from __future__ import annotations

from typing import Protocol

from hamrasan.http.body_stream import BodyStream
from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Body, Route

CANCELLABLE = frozenset(["GET", "HEAD"])
"""Handlers of these stop when the client goes away. Others run to their end: half a change is worse than a lost
answer, and the client will repeat its request.
"""


class Answerer(Protocol):
    """The connection, as a parked exchange needs it."""

    def answer_parked(self, exchange: Exchange, response: Response) -> None:
        """Send the answer, if `exchange` is still the one that is being answered."""


class Exchange:
    """What a parked request answers through, too: it stands for one request only, unlike its connection.

    `early` is an answer that is known without asking a handler; then `request` and `route` do not matter."""

    __slots__ = (
        "body_limit",
        "early",
        "expects_continue",
        "head_sent",
        "keep_alive",
        "method",
        "old_version",
        "operation",
        "owner",
        "parked",
        "request",
        "route",
        "started",
        "stream",
        "unread",
    )

    def __init__(self, method: str, operation: str, body_limit: int) -> None:
        self.method = method
        self.operation = operation
        self.body_limit = body_limit
        self.request: Request | None = None
        self.route: Route | None = None
        self.early: Response | None = None
        self.stream: BodyStream | None = None
        self.keep_alive = True
        self.old_version = False
        """HTTP/1.0: no chunks, and keeping the connection has to be said."""
        self.expects_continue = False
        self.unread = False
        """Part of the body is still on its way, so the connection cannot be used again."""
        self.owner: Answerer | None = None
        """Where a parked request is answered; None otherwise."""
        self.head_sent = False
        self.parked = False
        self.started = 0.0

    def respond(self, response: Response) -> None:
        """Answer the parked request; without effect once it is answered, or the client has gone."""
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.answer_parked(self, response)

    def set_body(self, body: bytes) -> None:
        """The whole body has arrived."""
        if self.request is not None and self.route is not None:
            if not body and self.route.body is Body.JSON_OPTIONAL:
                body = b"{}"
            self.request.body = body


def refusal(method: str, operation: str, answer: Response) -> Exchange:
    """Return an exchange that ends the connection with `answer`."""
    exchange = Exchange(method, operation, 0)
    exchange.early = answer
    exchange.keep_alive = False
    exchange.unread = True
    return exchange
