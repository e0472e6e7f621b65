"""What a domain says of where its Matrix server is: `/.well-known/matrix/server` (server-server API, "Resolving server
names", step 3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import check_server_name
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.outbound import Outbound, OutboundAnswer, OutboundFailed

PATH = "/.well-known/matrix/server"
HTTPS_PORT = 443
TIMEOUT_S = 5.0
"""For each address that is asked, redirects being some of them: it is a small file on a web server."""
MAX_BYTES = 50 * 1024
"""The file has some fifty bytes; what has a thousand times as many is something else."""
MAX_REDIRECTS = 5
"""To a name with www, to a language: real chains have two; and so a loop ends, too."""
DEFAULT_S = 24 * 3600.0
"""How long an answer holds that does not say; the specification recommends it, and the next one."""
LONGEST_S = 48 * 3600.0
SHORTEST_S = 300.0
"""Whatever an answer says: or every message would begin with a question."""
FIRST_ERROR_S = 30.0
"""How long a failure holds; doubled with each that follows it ..."""
LONGEST_ERROR_S = 3600.0
"""... up to this, as the specification recommends."""
MAX_KEPT = 10_000
"""Domains whose answers are kept; about 2 MB."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,10})", re.IGNORECASE)
_NO_STORE = re.compile(r"(?:^|[\s,])(?:no-store|no-cache)(?:$|[\s,])", re.IGNORECASE)


@dataclass(slots=True)
class _Kept:
    """What was found at a domain: a name, or none; `good_until` is where a name ends that could not be renewed."""

    name: str | None
    until: float
    good_until: float
    failures: int


class WellKnown:
    """Asks domains, and remembers what they said."""

    def __init__(self, outbound: Outbound, clock: Clock, port: int = HTTPS_PORT) -> None:
        self._outbound = outbound
        self._clock = clock
        self._port = port
        self._kept: BoundedCache[str, _Kept] = BoundedCache(MAX_KEPT)

    async def delegated(self, host: str) -> tuple[str | None, float]:
        """Return the server name that `host` delegates to, or None, and until when that holds (monotonic seconds)."""
        now = self._clock.monotonic()
        kept = self._kept.get(host)
        if kept is not None and now < kept.until:
            return kept.name, kept.until
        try:
            name, lifetime_s = await self._ask(host)
        except OutboundFailed:
            kept = _after_failure(kept, now)
        else:
            if name is None:
                kept = _after_failure(None if kept is None else _without_name(kept), now)
            else:
                kept = _Kept(name, now + lifetime_s, now + LONGEST_S, 0)
        self._kept.put(host, kept)
        return kept.name, kept.until

    def forget(self, host: str) -> None:
        """Ask again the next time, unless asking fails: then what was known holds on."""
        kept = self._kept.get(host)
        if kept is not None and not kept.failures:
            kept.until = 0.0

    async def _ask(self, host: str) -> tuple[str | None, float]:
        """Return what a domain says, and for how many seconds; raises `OutboundFailed` if it does not answer."""
        url = f"https://{host}{'' if self._port == HTTPS_PORT else f':{self._port}'}{PATH}"
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._outbound.send("GET", url, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
            if answer.status >= 500 or answer.status == 429:
                raise OutboundFailed("unreachable", f"it answers with the status {answer.status}")
            if answer.status not in _REDIRECTS:
                return _name_in(answer), _lifetime_of(answer)
            try:
                url = urljoin(url, answer.headers.get("location", ""))
                if urlsplit(url).scheme != "https":
                    break  # anybody on the way could say so
            except ValueError:
                break
        return None, 0.0


def _after_failure(kept: _Kept | None, now: float) -> _Kept:
    """Return what holds now: nothing, but for a name that was true not long ago."""
    failures = 1 if kept is None else kept.failures + 1
    until = now + min(FIRST_ERROR_S * 2.0 ** min(failures - 1, 20), LONGEST_ERROR_S)
    if kept is None or kept.name is None or now >= kept.good_until:
        return _Kept(None, until, 0.0, failures)
    return _Kept(kept.name, min(until, kept.good_until), kept.good_until, failures)


def _without_name(kept: _Kept) -> _Kept:
    """The domain answers, and names no server any more."""
    return _Kept(None, kept.until, 0.0, kept.failures)


def _name_in(answer: OutboundAnswer) -> str | None:
    if answer.status != 200:
        return None
    try:
        value = parse_json(answer.body)
        name = value.get("m.server") if isinstance(value, dict) else None
        if not isinstance(name, str):
            return None
        check_server_name(name)
    except MatrixError:
        return None
    return name


def _lifetime_of(answer: OutboundAnswer) -> float:
    control = answer.headers.get("cache-control", "")
    if _NO_STORE.search(control):
        return SHORTEST_S
    age = _MAX_AGE.search(control)
    return DEFAULT_S if age is None else min(max(float(age[1]), SHORTEST_S), LONGEST_S)
