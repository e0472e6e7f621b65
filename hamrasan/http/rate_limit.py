"""Rate limits: token buckets that cost one float for each key (the "generic cell rate algorithm").

A bucket is one number, the time at which it will be full again. A request moves it on by the time between two requests
at the lasting rate, and is refused if it is further ahead than the burst allows. Users are charged by their id, where
nobody is authenticated the address is. Addresses have generous rates: a whole mobile network may stand behind one.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from hamrasan.http.route import RateClass
from hamrasan.protocol.errors import MatrixError, limit_exceeded

MAX_KEYS = 50_000
"""Buckets of one kind in memory, twice: about 8 MB. Beyond it the oldest are forgotten, in favour of the client."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests at once, and `per_second` of them in the long run."""

    per_second: float
    burst: int


_NONE = RateClass.NONE
UNLIMITED = Rate(math.inf, 1)

USER_RATES: Mapping[RateClass, Rate] = {
    RateClass.NONE: UNLIMITED,
    RateClass.MESSAGES: Rate(10, 100),  # people type two a second; forwarding an album sends dozens at once
    RateClass.EPHEMERAL: Rate(20, 200),  # receipts in every room while catching up
    RateClass.PRESENCE: Rate(
        0.5, 20
    ),  # clients tell when somebody goes away or comes back, and new status messages
    RateClass.READS: Rate(50, 500),  # a client that starts asks for hundreds of profiles and states
    RateClass.SEARCH: Rate(3, 30),  # one for each key pressed; each costs as much as a hundred sends
    RateClass.ROOMS: Rate(2, 50),  # moving in joins a few dozen rooms
    RateClass.KEYS: Rate(
        20, 300
    ),  # the first message into a large encrypted room asks for every member's keys
    RateClass.MEDIA: Rate(50, 500),  # a room list has hundreds of thumbnails
    RateClass.ACCOUNT: Rate(5, 100),  # clients write account data for each room
    RateClass.LOGIN: Rate(0.1, 10),  # for one account: ten tries, then one in ten seconds
    RateClass.REGISTRATION: Rate(0.1, 10),  # for one name
    RateClass.FEDERATION: Rate(
        200, 2000
    ),  # for one server: a large one brings hundreds of transactions a second
    RateClass.ADMIN: Rate(50, 500),  # scripts of operators
}
"""Per user (server, account) and class."""

ADDRESS_RATES: Mapping[RateClass, Rate] = {
    **{kind: Rate(100, 1000) for kind in RateClass},  # what unauthenticated endpoints cost is little
    RateClass.NONE: UNLIMITED,
    RateClass.SEARCH: Rate(20, 200),  # public room lists without a token
    RateClass.LOGIN: Rate(5, 200),  # each costs a password hash; a campus at nine o'clock fits
    RateClass.REGISTRATION: Rate(2, 100),  # a class that signs up together fits; a farm of accounts does not
}
"""Per address and class, where nobody is authenticated."""

FAILURE_RATE = Rate(2, 200)
"""Wrong access tokens per address: clients with an expired token try a few times each, guessers try without end."""


class _Buckets:
    """The buckets of one kind. Two generations: what was not used while one filled up is forgotten with the next."""

    __slots__ = ("_fresh", "_interval", "_stale", "_tolerance")

    def __init__(self, rate: Rate) -> None:
        self._fresh: dict[str, float] = {}
        self._stale: dict[str, float] = {}
        self._interval = 1.0 / rate.per_second
        self._tolerance = self._interval * (rate.burst - 1)

    def missing(self, key: str, now: float) -> float:
        """Return for how many seconds the next request has to wait, 0 or less if it need not."""
        full_at = self._fresh.get(key)
        if full_at is None:
            full_at = self._stale.get(key, now)
        return full_at - now - self._tolerance

    def spend(self, key: str, now: float) -> float:
        """Charge a request, unless it has to wait; return as `missing` does."""
        fresh = self._fresh
        full_at = fresh.get(key)
        if full_at is None:
            full_at = self._stale.get(key, now)
        if full_at < now:
            full_at = now
        wait = full_at - now - self._tolerance
        if wait > 0:
            return wait
        fresh[key] = full_at + self._interval
        if len(fresh) > MAX_KEYS:
            self._stale, self._fresh = fresh, {}
        return 0.0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._stale)


def _uncounted(_limit: str) -> None:
    """Nobody counts refusals."""


class RateLimiter:
    """All buckets of one server; `clock` tells monotonic seconds, `on_limited` hears the class of each refusal."""

    def __init__(
        self,
        clock: Callable[[], float],
        enabled: bool = True,
        users: Mapping[RateClass, Rate] = USER_RATES,
        addresses: Mapping[RateClass, Rate] = ADDRESS_RATES,
        failures: Rate = FAILURE_RATE,
        on_limited: Callable[[str], None] = _uncounted,
    ) -> None:
        self._clock = clock
        self._on_limited = on_limited
        self._users = {kind: _Buckets(rate) for kind, rate in users.items()}
        self._addresses = {kind: _Buckets(rate) for kind, rate in addresses.items()}
        self._failures = _Buckets(failures)
        self.enabled = enabled
        """The setting `rate_limits`; may be changed at any time."""

    def set_rates(self, users: Mapping[RateClass, Rate], addresses: Mapping[RateClass, Rate]) -> None:
        """Take other rates for the classes given; in these everybody begins with a full bucket."""
        self._users.update({kind: _Buckets(rate) for kind, rate in users.items()})
        self._addresses.update({kind: _Buckets(rate) for kind, rate in addresses.items()})

    def limits(self, kind: RateClass) -> bool:
        """Return whether anything is charged for `kind`."""
        return self.enabled and kind is not _NONE

    def charge_user(self, kind: RateClass, key: str) -> None:
        """Charge one request to a user (or a server, or an account somebody tries to log in to).

        Raises M_LIMIT_EXCEEDED with the time to wait; a refused request costs nothing.
        """
        if self.enabled and kind is not _NONE:
            wait = self._users[kind].spend(key, self._clock())
            if wait > 0:
                raise self._refusal(kind.value, wait)

    def charge_address(self, kind: RateClass, address: str) -> None:
        """Charge one request of nobody in particular to an address. Raises M_LIMIT_EXCEEDED."""
        if self.enabled and kind is not _NONE:
            wait = self._addresses[kind].spend(network_of(address), self._clock())
            if wait > 0:
                raise self._refusal(kind.value, wait)

    @property
    def has_failures(self) -> bool:
        """Return whether any address failed to authenticate; if not, nobody's address need be looked at."""
        return self.enabled and len(self._failures) > 0

    def check_failures(self, address: str) -> None:
        """Raise M_LIMIT_EXCEEDED for an address from which too many wrong tokens came."""
        wait = self._failures.missing(network_of(address), self._clock())
        if self.enabled and wait > 0:
            raise self._refusal("authentication", wait)

    def count_failure(self, address: str) -> None:
        """Note that a wrong token came from `address`."""
        if self.enabled:
            self._failures.spend(network_of(address), self._clock())

    def _refusal(self, limit: str, wait: float) -> MatrixError:
        self._on_limited(limit)
        return limit_exceeded(math.ceil(wait * 1000))


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what an address is charged as: an IPv6 one as its /64, since one machine has all of that."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64)) + "/64"
