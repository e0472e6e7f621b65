"""Two-step login: besides the password a code from an app, or one of the recovery codes."""

from __future__ import annotations

import re

from hamrasan.accounts.sealing import Sealing
from hamrasan.accounts.throttle import Rate, WrongGuesses
from hamrasan.accounts.totp import DIGITS, SECRET_BYTES, step_of
from hamrasan.accounts.user_identifier import latin_digits
from hamrasan.protocol.errors import MatrixError, forbidden
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.two_step import (
    DeleteRecoveryCode,
    DeleteTwoStep,
    NewRecoveryCode,
    PutTwoStep,
    TwoStepReader,
    TwoStepRow,
    UseTwoStepCode,
)

GUESSES = Rate(burst=5, interval_s=300)
"""Wrong codes of a user: 288 guesses a day at a million codes, three of which are right; after the password."""
RECOVERY_CODES = 10
RECOVERY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Nothing that looks like something else."""
RECOVERY_CODE_LETTERS = 12
"""59 bits; a hash with a key that is not in the database protects them there."""

_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")
_PURPOSE = "recovery code"


class TwoStep:
    """Turns two-step login on and off, and judges codes."""

    def __init__(
        self, journal: Journal, reader: TwoStepReader, sealing: Sealing, clock: Clock, entropy: Entropy
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._sealing = sealing
        self._clock = clock
        self._entropy = entropy
        self._guesses = WrongGuesses(clock, GUESSES)
        self._locks = KeyedLocks()

    async def find(self, user_id: str) -> TwoStepRow | None:
        """Return the user's two-step login, None if the password alone is enough."""
        return await self._reader.two_step(user_id)

    async def is_on(self, user_id: str) -> bool:
        """Tell whether the password alone is not enough."""
        return await self._reader.two_step(user_id) is not None

    def new_secret(self) -> bytes:
        """Return a secret for an app to make codes with."""
        return self._entropy.bytes(SECRET_BYTES)

    async def turn_on(self, user_id: str, secret: bytes, code: str) -> list[str] | None:
        """Ask for codes made with `secret` from now on; return the recovery codes, which nobody can see again.

        None if `code` was not made with it. Raises `M_LIMIT_EXCEEDED`.
        """
        async with self._locks(user_id):
            self._guesses.begin(user_id)
            step = step_of(secret, _typed(code), self._clock.now_ms(), 0)
            if step is None:
                return None
            self._guesses.succeeded(user_id)
            codes = [self._new_recovery_code() for _ in range(RECOVERY_CODES)]
            writes = [
                DeleteTwoStep(user_id),
                PutTwoStep(user_id, self._sealing.seal(secret), step, self._clock.now_ms()),
                *(NewRecoveryCode(user_id, self._hash(user_id, code)) for code in codes),
            ]
            await self._journal.submit(Batch([*writes]))
        return codes

    async def turn_off(self, user_id: str) -> None:
        """Let the password alone be enough."""
        await self._journal.submit(Batch([DeleteTwoStep(user_id)]))

    async def check(self, user_id: str, code: str) -> bool:
        """Tell whether a code is good, from the app or a recovery code; it is used up.

        Raises `M_LIMIT_EXCEEDED` after too many wrong ones.
        """
        async with self._locks(user_id):
            self._guesses.begin(user_id)
            row = await self._reader.two_step(user_id)
            if row is None:
                return False
            typed = _typed(code)
            used: UseTwoStepCode | DeleteRecoveryCode | None
            if _CODE.fullmatch(typed):
                used = self._app_code(user_id, row, typed)
            else:
                used = await self._recovery_code(user_id, typed)
            if used is None:
                return False
            self._guesses.succeeded(user_id)
            await self._journal.submit(Batch([used]))
        return True

    def _app_code(self, user_id: str, row: TwoStepRow, code: str) -> UseTwoStepCode | None:
        try:
            secret = self._sealing.open(row.secret)
        except ValueError:
            return None  # the key was lost; recovery codes and administrators remain
        step = step_of(secret, code, self._clock.now_ms(), row.last_step)
        return None if step is None else UseTwoStepCode(step, user_id)

    async def _recovery_code(self, user_id: str, code: str) -> DeleteRecoveryCode | None:
        code_hash = self._hash(user_id, code)
        if len(code) != RECOVERY_CODE_LETTERS or not await self._reader.has_recovery_code(user_id, code_hash):
            return None
        return DeleteRecoveryCode(user_id, code_hash)

    def _hash(self, user_id: str, code: str) -> bytes:
        return self._sealing.keyed_hash(_PURPOSE, f"{user_id}\0{code}")

    def _new_recovery_code(self) -> str:
        fair, code = 256 - 256 % len(RECOVERY_LETTERS), ""
        while len(code) < RECOVERY_CODE_LETTERS:
            drawn = self._entropy.bytes(2 * RECOVERY_CODE_LETTERS)
            code += "".join(RECOVERY_LETTERS[byte % len(RECOVERY_LETTERS)] for byte in drawn if byte < fair)
        return code[:RECOVERY_CODE_LETTERS]


def shown_code(code: str) -> str:
    """Return a recovery code as it is written down."""
    return "-".join(code[begin : begin + 4] for begin in range(0, len(code), 4))


def _typed(code: str) -> str:
    """Return what somebody means who types blanks, dashes, capital letters, or the digits of another keyboard."""
    return "".join(letter for letter in latin_digits(code[:64]).lower() if letter not in " -\u200c")


def needs_browser() -> MatrixError:
    """A password alone is not enough, and this way of logging in has no place for a code."""
    return forbidden(
        "This account has two-step login, which this app does not know. Please choose to log in with the browser"
        " (single sign-on), or use an app that does so."
    )
