"""The handbook's page about limits, made from the constants that are in force."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hamrasan.accounts import account_data, filters, passwords, profiles, throttle
from hamrasan.federation import inbound
from hamrasan.flows import create_room, take_invite
from hamrasan.http import event_answers
from hamrasan.http import limits as http
from hamrasan.http.api.client import sync
from hamrasan.http.api.federation_routes import FEDERATION_ROUTES
from hamrasan.http.api.routes import ROUTES
from hamrasan.http.rate_limit import ADDRESS_RATES, FAILURE_RATE, USER_RATES, Rate
from hamrasan.http.route import RateClass
from hamrasan.protocol import limits as protocol
from hamrasan.protocol.push_rules import edit as push_rules
from hamrasan.rooms import aliases, served_events, thread_subscriptions

_HEAD = """# Limits

They are constants in the program, each with its reason beside it; only the setting `rate_limits` turns rates and the
throttle of passwords off. Whoever asks too often is answered with 429 `M_LIMIT_EXCEEDED` and the time to wait; refusals
by a rate are counted in `hamrasan_rate_limited_total`. What is too large is refused with a text that names the limit,
mostly as 413 `M_TOO_LARGE`.

## Rates

So many requests at once, and so many a second in the long run. Users are counted by their id; where nobody is logged
in, the address is counted (of IPv6 the /64). Which limit a request counts for is in the
[table of endpoints](client-server-api.md).

| limit | for | per user | per address |
|---|---|---|---|
"""
_FOR = {
    RateClass.MESSAGES: "sending into rooms: messages, state, redactions",
    RateClass.EPHEMERAL: "typing, receipts, following threads",
    RateClass.PRESENCE: "presence and status messages",
    RateClass.READS: "what is cheap to read: sync, history, profiles",
    RateClass.SEARCH: "what is not: the public directory",
    RateClass.ROOMS: "creating rooms, joins, invites, aliases",
    RateClass.KEYS: "encryption keys and their backups, messages between devices",
    RateClass.MEDIA: "files",
    RateClass.ACCOUNT: "changes of account data, profile, devices, filters",
    RateClass.LOGIN: "proving who one is",
    RateClass.REGISTRATION: "making an account",
    RateClass.FEDERATION: "other servers",
    RateClass.ADMIN: "administration",
}


def limits_page() -> str:
    """Return the rates of the classes that some route has, and what else is bounded for clients."""
    used = {route.limit for route in (*ROUTES, *FEDERATION_ROUTES)}
    rows = "".join(
        f"| {kind.value} | {about} | {_rate(USER_RATES[kind])} | {_rate(ADDRESS_RATES[kind])} |\n"
        for kind, about in _FOR.items()
        if kind in used
    )
    return _HEAD + rows + _tokens() + _passwords() + _sizes() + _servers()


def _tokens() -> str:
    return f"\nOf access tokens that do not exist, an address may send {_rate(FAILURE_RATE)}.\n"


def _passwords() -> str:
    rows = (
        ("all tries from one address", throttle.FROM_ADDRESS),
        ("wrong ones for one account from one address", throttle.TO_ACCOUNT_FROM_ADDRESS),
        ("wrong ones for one account from everywhere", throttle.TO_ACCOUNT),
    )
    table = "".join(
        f"| {about} | {rate.burst} at once, then one every {rate.interval_s:g} s |\n" for about, rate in rows
    )
    return f"\n## Passwords\n\n| tries | how many |\n|---|---|\n{table}"


def _sizes() -> str:
    table = "".join(f"| {about} | {value} |\n" for about, value in _bounds())
    return f"\n## Sizes and numbers\n\n| what | at most |\n|---|---|\n{table}"


def _servers() -> str:
    table = "".join(f"| {about} | {value} |\n" for about, value in _bounds_of_servers())
    return (
        f"\n## Other servers\n\nEach server is counted by its name.\n\n| what | at most |\n|---|---|\n{table}"
    )


def _bounds_of_servers() -> Iterator[tuple[str, str]]:
    yield "events in a transaction", f"{inbound.MAX_PDUS}"
    yield "other news in a transaction (typing, receipts, messages between devices …)", f"{inbound.MAX_EDUS}"
    yield "transactions of one server under way", f"{inbound.MAX_UNDER_WAY}"
    yield "events of one server that wait in one room", f"{inbound.MAX_LANE}"
    yield "earlier events of one answer", f"{served_events.MAX_BACKFILL}"
    yield "events that one request may name", f"{served_events.MAX_GIVEN}"
    yield (
        "long answers (joins, states, spaces) to one server",
        f"{event_answers.LONG_AT_ONCE} at once, {event_answers.LONG_WAITING} more wait",
    )
    yield "events of a room's state that come with an invite", f"{take_invite.MAX_STATE_EVENTS}"


def _bounds() -> Iterator[tuple[str, str]]:
    yield "an event, with everything that belongs to it", _bytes(protocol.MAX_EVENT_BYTES)
    yield "an identifier (user, room, alias, event)", f"{protocol.MAX_ID_BYTES} bytes"
    yield "nesting of JSON", f"{protocol.MAX_JSON_DEPTH} levels"
    yield "the JSON body of a request", _bytes(http.MAX_JSON_BYTES)
    yield "the address of a request, with its query", _bytes(http.MAX_TARGET_BYTES)
    yield "the head of a request", f"{_bytes(http.MAX_HEAD_BYTES)}, {http.MAX_HEADERS} lines"
    yield "all requests together that have arrived in part", _bytes(http.MAX_PARTIAL_BYTES)
    yield "connections", f"{http.MAX_CONNECTIONS:,}"
    yield "how long `/sync` waits", f"{sync.MAX_TIMEOUT_MS // 1000} s"
    yield "a connection on which nothing is asked", f"{http.IDLE_SECONDS:g} s"
    yield "invitations while a room is created", f"{create_room.MAX_INVITES}"
    yield "aliases of a room", f"{aliases.MAX_ALIASES_OF_ROOM:,}"
    yield "a user's profile", _bytes(profiles.MAX_PROFILE_BYTES)
    yield "account data under one type", _bytes(account_data.MAX_CONTENT_BYTES)
    yield "all account data of a user", _bytes(account_data.MAX_USER_BYTES)
    yield "filters of a user", f"{filters.MAX_FILTERS:,}, {_bytes(filters.MAX_FILTER_BYTES)} each"
    yield "push rules of a user", f"{push_rules.MAX_NAMED_RULES:,}"
    yield "threads that a user follows or has left", f"{thread_subscriptions.MAX_THREADS:,}"
    yield (
        "a password",
        f"{passwords.MAX_PASSWORD_BYTES} bytes; at least {passwords.MIN_PASSWORD_CHARS} characters",
    )


def _rate(rate: Rate) -> str:
    if math.isinf(rate.per_second):
        return "any number"
    if rate.per_second < 1:
        return f"{rate.burst} at once, then one every {1 / rate.per_second:g} s"
    return f"{rate.burst:,} at once, {rate.per_second:g} a second"


def _bytes(size: int) -> str:
    """Return a size for people; one byte less than a round number is that number to them."""
    for unit, factor in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if size + 1 >= factor:
            return f"{(size + 1) // factor} {unit}"
    return f"{size} bytes"
