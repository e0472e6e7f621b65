"""What is kept of people who sign in with another provider (single sign-on)."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class NewUpstreamLink(NamedTuple):
    """Somebody whom a provider knows by `subject` has this account; if the subject has one, nothing is written."""

    issuer: str
    subject: str
    user_id: str
    created_ts: int


class UpstreamReader(Protocol):
    """Reads who is who."""

    async def user_of(self, issuer: str, subject: str) -> str | None:
        """Return the account of whoever the provider knows by this subject."""

    async def is_linked(self, user_id: str) -> bool:
        """Tell whether any provider knows the user."""
