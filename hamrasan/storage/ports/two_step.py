"""What is kept of two-step login: a sealed secret, the last code that was used, and hashes of recovery codes."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PutTwoStep(NamedTuple):
    """Passwords of the user need a code besides, from now on."""

    user_id: str
    secret: bytes
    """Sealed."""
    last_step: int
    """The step of time whose code was used last; no code of it or of an earlier one is good any more."""
    created_ts: int


class UseTwoStepCode(NamedTuple):
    """A code has been used."""

    last_step: int
    user_id: str


class DeleteTwoStep(NamedTuple):
    """The password alone is enough again; recovery codes go with it."""

    user_id: str


class NewRecoveryCode(NamedTuple):
    """A code for whoever has lost the app that makes them; good for once."""

    user_id: str
    code_hash: bytes


class DeleteRecoveryCode(NamedTuple):
    """A recovery code has been used."""

    user_id: str
    code_hash: bytes


class TwoStepRow(NamedTuple):
    """Two-step login of a user."""

    secret: bytes
    last_step: int
    recovery_codes: int
    """How many are left."""


class TwoStepReader(Protocol):
    """Reads two-step logins."""

    async def two_step(self, user_id: str) -> TwoStepRow | None:
        """Return the user's two-step login, None if there is none."""

    async def has_recovery_code(self, user_id: str, code_hash: bytes) -> bool:
        """Tell whether this is a recovery code of the user that has not been used."""
