"""How often somebody may try a password, by account and by address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from hamrasan.protocol.errors import limit_exceeded
from hamrasan.runtime.clock import Clock

MAX_KEYS = 100_000
"""Accounts or addresses that are remembered at once (about 20 MB); those that rest longest are forgotten first."""
IPV6_PREFIX = 64
"""A household has a whole /64: its addresses count as one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and then one more each `interval_s`."""

    burst: int
    interval_s: float


FROM_ADDRESS = Rate(burst=100, interval_s=0.5)
"""All attempts of an address. Generous, because a mobile network puts thousands of people behind one address."""
TO_ACCOUNT_FROM_ADDRESS = Rate(burst=6, interval_s=30)
"""Failures at one account from one address: enough for somebody who mistypes, 2,900 guesses a day."""
TO_ACCOUNT = Rate(burst=60, interval_s=60)
"""Failures at one account from anywhere: a botnet is slowed down, and yet has to work to keep the owner out."""


class Buckets:
    """A leaky bucket for each key (generic cell rate algorithm: the key's bucket is empty at a point in time)."""

    def __init__(self, clock: Clock, rate: Rate) -> None:
        self._clock = clock
        self._interval = rate.interval_s
        self._capacity = rate.burst * rate.interval_s
        self._empty_at: dict[object, float] = {}

    def wait_ms(self, key: object) -> int:
        """Return for how long the key has to wait; 0 if it may go on."""
        now = self._clock.monotonic()
        over = max(self._empty_at.get(key, now), now) + self._interval - now - self._capacity
        return max(0, round(over * 1000))

    def take(self, key: object) -> None:
        """Count one."""
        now = self._clock.monotonic()
        empty_at = max(self._empty_at.pop(key, now), now) + self._interval
        if len(self._empty_at) >= MAX_KEYS:
            self._forget(now)
        self._empty_at[key] = empty_at

    def give_back(self, key: object) -> None:
        """Uncount one."""
        if key in self._empty_at:
            self._empty_at[key] -= self._interval

    def _forget(self, now: float) -> None:
        """Drop the buckets that are empty, and as many of the longest at rest as make room for a while."""
        self._empty_at = {key: empty_at for key, empty_at in self._empty_at.items() if empty_at > now}
        for key in list(self._empty_at)[: max(0, len(self._empty_at) - MAX_KEYS * 9 // 10)]:
            del self._empty_at[key]


class WrongGuesses:
    """Limits wrong guesses of short codes, by each of several keys. It cannot be switched off: codes are short."""

    def __init__(self, clock: Clock, rate: Rate) -> None:
        self._buckets = Buckets(clock, rate)

    def begin(self, *keys: object) -> None:
        """Count a guess as wrong until `succeeded` says otherwise; raises `M_LIMIT_EXCEEDED` if it is one too many."""
        wait_ms = max(map(self._buckets.wait_ms, keys))
        if wait_ms:
            raise limit_exceeded(wait_ms)
        for key in keys:
            self._buckets.take(key)

    def succeeded(self, *keys: object) -> None:
        """Take back what `begin` has counted."""
        for key in keys:
            self._buckets.give_back(key)


class LoginThrottle:
    """Limits attempts to authenticate with a password."""

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._address = Buckets(clock, FROM_ADDRESS)
        self._pair = Buckets(clock, TO_ACCOUNT_FROM_ADDRESS)
        self._account = Buckets(clock, TO_ACCOUNT)

    def begin(self, account: str, address: str) -> None:
        """Count an attempt as failed until `succeeded` says otherwise; raises `M_LIMIT_EXCEEDED` if it is one too many.

        Counting first keeps a thousand attempts at the same time from passing together.
        """
        if not self.enabled:
            return
        network = network_of(address)
        pair = (account, network)
        wait_ms = max(
            self._address.wait_ms(network), self._pair.wait_ms(pair), self._account.wait_ms(account)
        )
        if wait_ms:
            raise limit_exceeded(wait_ms)
        self._address.take(network)
        self._pair.take(pair)
        self._account.take(account)

    def succeeded(self, account: str, address: str) -> None:
        """Take back the failure that `begin` has counted."""
        if self.enabled:
            self._pair.give_back((account, network_of(address)))
            self._account.give_back(account)


def network_of(address: str) -> str:
    """Return the address as it is counted: IPv4 as it is, IPv6 by its prefix."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        shift = 128 - IPV6_PREFIX
        return f"{IPv6Address(int(parsed) >> shift << shift)}/{IPV6_PREFIX}"
    return str(parsed)
