"""What is kept of other servers: their keys, and which of them cannot be reached."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PutServerKey(NamedTuple):
    """A key of a server, new or with another end; also the row that is read.

    `valid_until_ts` is up to when its signatures count; `is_old`, that the server does not sign with it any more.
    """

    server: str
    key_id: str
    public_key: bytes
    valid_until_ts: int
    is_old: bool


class PutKeyAnswer(NamedTuple):
    """What a server says of its keys, as it signed it (JSON); also the row that is read."""

    server: str
    fetched_ts: int
    valid_until_ts: int
    answer: bytes


class PutFailingDestination(NamedTuple):
    """A server cannot be reached; also the row that is read. All times in milliseconds since 1970."""

    server: str
    failing_since_ts: int
    failed_ts: int
    retry_ts: int


class DeleteFailingDestination(NamedTuple):
    """A server is reached again."""

    server: str


class FederationReader(Protocol):
    """Reads what is known of other servers."""

    def server_keys(self, server: str) -> list[PutServerKey]:
        """Return all keys of a server that are known."""

    def key_answer(self, server: str) -> PutKeyAnswer | None:
        """Return what a server last said of its keys."""

    def failing_destinations(self) -> list[PutFailingDestination]:
        """Return all servers that could not be reached."""
