"""Application services: who they are, and what belongs to them (application service API, "Registration").

A registration's namespaces are regular expressions of the operator that are matched against what anybody may send, so
they are run by RE2, whose time grows with the length of the text alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import is_of_server

MAX_PATTERN_BYTES = 1024 * 1024
"""Memory that one pattern may take: the longest that bridges write takes a few kilobytes."""


class Pattern:
    """A regular expression that has to match from the first character on; what it says of the end is its own matter.

    So registrations written for other servers mean the same here. Raises `ValueError` with RE2's reason.
    """

    __slots__ = ("_match", "text")

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = MAX_PATTERN_BYTES
        try:
            self._match: Callable[[str], Any] = re2.compile(text, options=options).match
        except re2.error as error:
            reason = error.args[0]
            raise ValueError(
                reason.decode(errors="replace") if isinstance(reason, bytes) else reason
            ) from None
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def matches(self, identifier: str) -> bool:
        """Return whether the pattern matches; half a surrogate pair, which is no character, matches nothing."""
        try:
            return self._match(identifier) is not None
        except UnicodeEncodeError:
            return False


@dataclass(frozen=True, slots=True)
class Namespace:
    """Identifiers that an application service is interested in, or, if `exclusive`, that are its own."""

    pattern: Pattern
    exclusive: bool


@dataclass(frozen=True, slots=True)
class ApplicationService:
    """One registered application service."""

    id: str
    url: str | None
    """Where it listens, without a slash at the end; None if it wants to be told nothing."""
    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)
    sender: str
    """The user id of the service itself (`sender_localpart`)."""
    server_name: str
    users: Sequence[Namespace] = ()
    aliases: Sequence[Namespace] = ()
    rooms: Sequence[Namespace] = ()
    protocols: Sequence[str] = ()
    """Networks that it bridges to, as it names them."""
    rate_limited: bool = False
    """Whether its users' requests count for rate limits; the sender's never do."""
    receive_ephemeral: bool = False
    """Whether it is told of typing, receipts and presence."""
    names_ephemeral_so_too: str | None = None
    """The name under which it expects these beside `ephemeral`: older libraries know no other."""
    encrypts: bool = False
    """Whether it is told what its users' devices need for encryption: messages to them, device lists and counts of keys
    (MSC3202, MSC4203)."""

    def has_user(self, user_id: str) -> bool:
        """Return whether the service may speak as this user, and hears of what concerns them."""
        if user_id == self.sender:
            return True
        return is_of_server(user_id, self.server_name) and _any(self.users, user_id)

    def has_alias(self, alias: str) -> bool:
        """Return whether the service may manage this alias."""
        return is_of_server(alias, self.server_name) and _any(self.aliases, alias)

    def has_room(self, room_id: str) -> bool:
        """Return whether the service hears of everything in this room because of its id."""
        return _any(self.rooms, room_id)

    def owns_user(self, user_id: str) -> bool:
        """Return whether nobody else may have this user id."""
        if user_id == self.sender:
            return True
        return is_of_server(user_id, self.server_name) and _any_exclusive(self.users, user_id)

    def owns_alias(self, alias: str) -> bool:
        """Return whether nobody else may make or delete this alias."""
        return is_of_server(alias, self.server_name) and _any_exclusive(self.aliases, alias)


def _any(namespaces: Sequence[Namespace], identifier: str) -> bool:
    return any(namespace.pattern.matches(identifier) for namespace in namespaces)


def _any_exclusive(namespaces: Sequence[Namespace], identifier: str) -> bool:
    return any(namespace.exclusive and namespace.pattern.matches(identifier) for namespace in namespaces)


class ApplicationServices:
    """The application services that are registered now; a reload may bring others at any time."""

    def __init__(self, services: Iterable[ApplicationService] = ()) -> None:
        self._by_id: dict[str, ApplicationService] = {}
        self._by_token: dict[bytes, ApplicationService] = {}
        self.replace(services)

    def replace(self, services: Iterable[ApplicationService]) -> None:
        """Take these instead of those so far. Their ids and tokens differ: whoever read the files has seen to that."""
        self._by_id = {service.id: service for service in services}
        self._by_token = {_digest(service.as_token): service for service in self._by_id.values()}

    @property
    def all(self) -> list[ApplicationService]:
        """The application services, in the order of their files."""
        return list(self._by_id.values())

    def find(self, id: str) -> ApplicationService | None:
        """Return the service of this id."""
        return self._by_id.get(id)

    def of_token(self, token: str) -> ApplicationService | None:
        """Return the service that this `as_token` proves; how long it takes says nothing about tokens."""
        return self._by_token.get(_digest(token)) if self._by_token else None

    def reserve_user(self, user_id: str) -> bool:
        """Return whether the user id is an application service's own."""
        return any(service.owns_user(user_id) for service in self._by_id.values())

    def check_user(self, user_id: str, service: ApplicationService) -> None:
        """Raise `M_EXCLUSIVE` unless `service` may make this user, and log in as them."""
        if not service.has_user(user_id):
            raise exclusive(f"{user_id} is in no namespace of the application service '{service.id}'.")
        if self._other_owner(service.id, lambda other: other.owns_user(user_id)):
            raise exclusive(f"{user_id} is reserved for another application service.")

    def check_alias(self, alias: str, service_id: str | None) -> None:
        """Raise `M_EXCLUSIVE` unless whoever asks may make and delete this alias; `service_id` is None for people."""
        service = None if service_id is None else self._by_id.get(service_id)
        if service is not None and not service.has_alias(alias):
            raise exclusive(f"{alias} is in no namespace of the application service '{service.id}'.")
        if self._other_owner(service_id, lambda other: other.owns_alias(alias)):
            raise exclusive(f"The alias {alias} is reserved for an application service.")

    def manages_alias(self, alias: str, service_id: str | None) -> bool:
        """Return whether the alias is in a namespace of this service."""
        service = None if service_id is None else self._by_id.get(service_id)
        return service is not None and service.has_alias(alias)

    def _other_owner(self, service_id: str | None, owns: Callable[[ApplicationService], bool]) -> bool:
        return any(other.id != service_id and owns(other) for other in self._by_id.values())


def exclusive(message: str) -> MatrixError:
    """The identifier belongs to an application service, or to another one."""
    return MatrixError(400, "M_EXCLUSIVE", message)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
