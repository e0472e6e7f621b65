"""Users, rooms, aliases, events and servers by name (appendices, "Identifier Grammar").

`parse_` functions return the parts of an identifier, `check_` functions only raise. Every refusal is a `MatrixError`
with `M_INVALID_PARAM`, but for `check_new_localpart`, whose code is `M_INVALID_USERNAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from hamrasan.protocol.errors import MatrixError, invalid_param
from hamrasan.protocol.limits import (
    MAX_ID_BYTES,
    MAX_NAMESPACED_ID_CHARS,
    MAX_OPAQUE_ID_BYTES,
    MAX_SERVER_NAME_CHARS,
)

_USER_LOCALPART = re.compile(r"[a-z0-9._=\-/+]+")
_HISTORICAL_LOCALPART = re.compile(r"[\x21-\x39\x3b-\x7e]+")
_SERVER_NAME = re.compile(
    r"""(?: \[ (?P<ipv6> [0-9A-Fa-f:.]{2,45} ) \]
          | (?P<ipv4> [0-9]{1,3} (?: \.[0-9]{1,3} ){3} )
          | [0-9A-Za-z.\-]{1,255}
        )
        (?: :[0-9]{1,5} )?""",
    re.VERBOSE,
)
_REFERENCE_HASH_ID = re.compile(r"[A-Za-z0-9_\-]{43}")
_NAMESPACED_ID = re.compile(r"[a-z][a-z0-9._\-]*")
_OPAQUE_GRAMMAR = re.compile(r"[0-9A-Za-z\-._~]+")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")

_MAX_IPV4_PART = 255


class UserId(NamedTuple):
    """The parts of `@localpart:server_name`."""

    localpart: str
    server_name: str


class RoomId(NamedTuple):
    """The parts of `!opaque_id:server_name`; from room version 12 on, `server_name` is None."""

    opaque_id: str
    server_name: str | None


class RoomAlias(NamedTuple):
    """The parts of `#localpart:server_name`."""

    localpart: str
    server_name: str


def parse_user_id(text: str) -> UserId:
    """Return the parts of a user id, current or historical (appendices, "User Identifiers").

    Historical localparts are any characters but `:` and NUL, even none, because rooms have such members.
    """
    return UserId(*_parse_with_domain(text, "@", "user id"))


def check_user_id(text: str) -> None:
    """Raise unless `text` is a user id, current or historical."""
    parse_user_id(text)


def check_user_ids(texts: Iterable[str]) -> None:
    """Raise unless all of `texts` are user ids."""
    for text in texts:
        parse_user_id(text)


def is_historical_user_id(text: str) -> bool:
    """Tell whether a valid user id is outside today's grammar (appendices, "Historical User IDs")."""
    return _USER_LOCALPART.fullmatch(parse_user_id(text).localpart) is None


def is_noncompliant_user_id(text: str) -> bool:
    """Tell whether a valid user id is outside the historical grammar, too: shown only as part of an event."""
    return _HISTORICAL_LOCALPART.fullmatch(parse_user_id(text).localpart) is None


def check_new_localpart(localpart: str, server_name: str) -> None:
    """Raise `M_INVALID_USERNAME` unless a new user of `server_name` may have this localpart ("User Identifiers")."""
    if _USER_LOCALPART.fullmatch(localpart) is None:
        raise _invalid_username("A user name consists of the characters a-z, 0-9 and . _ = - / + only.")
    longest = MAX_ID_BYTES - len(server_name) - len("@:")
    if len(localpart) > longest:
        raise _invalid_username(f"A user name on this server has at most {longest} characters.")


def _invalid_username(message: str) -> MatrixError:
    return MatrixError(400, "M_INVALID_USERNAME", message)


def parse_room_id(text: str) -> RoomId:
    """Return the parts of a room id of any room version (appendices, "Room IDs")."""
    if ":" in text:
        localpart, server_name = _parse_with_domain(text, "!", "room id")
        if not localpart:
            raise invalid_param("A room id needs something between '!' and ':'.")
        return RoomId(localpart, server_name)
    return RoomId(_parse_opaque(text, "!", "room id"), None)


def check_room_id(text: str) -> None:
    """Raise unless `text` is a room id of some room version."""
    parse_room_id(text)


def is_hash_room_id(text: str) -> bool:
    """Tell whether `text` is a room id made from a reference hash (room version 12, "Event format")."""
    return text[:1] == "!" and _REFERENCE_HASH_ID.fullmatch(text, 1) is not None


def parse_room_alias(text: str) -> RoomAlias:
    """Return the parts of a room alias (appendices, "Room Aliases")."""
    localpart, server_name = _parse_with_domain(text, "#", "room alias")
    if not localpart:
        raise invalid_param("A room alias needs a name between '#' and ':'.")
    return RoomAlias(localpart, server_name)


def check_room_alias(text: str) -> None:
    """Raise unless `text` is a room alias."""
    parse_room_alias(text)


def check_event_id(text: str) -> None:
    """Raise unless `text` is an event id of some room version (appendices, "Event IDs")."""
    _parse_opaque(text, "$", "event id")


def parse_event_id_with_domain(text: str) -> tuple[str, str]:
    """Return opaque part and server name of an event id of the first room versions (room version 1, "Event IDs")."""
    return _parse_with_domain(text, "$", "event id")


def check_server_name(text: str) -> None:
    """Raise unless `text` is a host name, IPv4 or [IPv6], perhaps with a port (appendices, "Server Name")."""
    match = _SERVER_NAME.fullmatch(text) if len(text) <= MAX_SERVER_NAME_CHARS else None
    if match is None:
        raise invalid_param(f"'{_shown(text)}' is not a server name.")
    ipv4, ipv6 = match["ipv4"], match["ipv6"]
    if ipv4 is not None and any(int(part) > _MAX_IPV4_PART for part in ipv4.split(".")):
        raise invalid_param(f"'{_shown(text)}' is not a server name: that is no IPv4 address.")
    if ipv6 is not None:
        try:
            IPv6Address(ipv6)
        except AddressValueError:
            raise invalid_param(f"'{_shown(text)}' is not a server name: that is no IPv6 address.") from None


def server_name_of(identifier: str) -> str:
    """Return the server name of an identifier that has been checked; raise if it has none."""
    server_name = identifier.partition(":")[2]
    if not server_name:
        raise invalid_param(f"'{_shown(identifier)}' names no server.")
    return server_name


def is_of_server(identifier: str, server_name: str) -> bool:
    """Return whether an identifier that has been checked belongs to a server."""
    return identifier.partition(":")[2] == server_name


def check_opaque_id(text: str, what: str = "identifier") -> None:
    """Raise unless `text` can be an id that a client chose: device, transaction, session.

    The specification leaves them open; one that is empty, longer than 255 bytes or holds control characters is refused.
    """
    if not text:
        raise invalid_param(f"The {what} must not be empty.")
    if _byte_length(text, what) > MAX_OPAQUE_ID_BYTES:
        raise invalid_param(f"The {what} is longer than {MAX_OPAQUE_ID_BYTES} bytes.")
    if _CONTROL_CHARACTER.search(text):
        raise invalid_param(f"The {what} contains control characters.")


def check_opaque_grammar(text: str, what: str = "identifier", max_chars: int = MAX_OPAQUE_ID_BYTES) -> None:
    """Raise unless `text` obeys the "Opaque Identifier Grammar" of the appendices."""
    if len(text) > max_chars:
        raise invalid_param(f"The {what} is longer than {max_chars} characters.")
    if _OPAQUE_GRAMMAR.fullmatch(text) is None:
        raise invalid_param(f"The {what} consists of the characters A-Z, a-z, 0-9 and - . _ ~ only.")


def check_namespaced_id(text: str, what: str = "identifier") -> None:
    """Raise unless `text` obeys the "Common Namespaced Identifier Grammar" of the appendices."""
    if len(text) > MAX_NAMESPACED_ID_CHARS:
        raise invalid_param(f"The {what} is longer than {MAX_NAMESPACED_ID_CHARS} characters.")
    if _NAMESPACED_ID.fullmatch(text) is None:
        raise invalid_param(f"The {what} starts with a-z and consists of a-z, 0-9 and - _ . only.")


def _parse_with_domain(text: str, sigil: str, what: str) -> tuple[str, str]:
    """Split `&localpart:server_name` and check all but what is special to the localpart's kind."""
    if text[:1] != sigil:
        raise invalid_param(f"'{_shown(text)}' is not a {what}: it does not start with '{sigil}'.")
    localpart, colon, server_name = text[1:].partition(":")
    if not colon:
        raise invalid_param(f"'{_shown(text)}' is not a {what}: it names no server.")
    if "\0" in localpart:
        raise invalid_param(f"A {what} must not contain the character NUL.")
    if _byte_length(text, what) > MAX_ID_BYTES:
        raise invalid_param(f"The {what} is longer than {MAX_ID_BYTES} bytes.")
    check_server_name(server_name)
    return localpart, server_name


def _parse_opaque(text: str, sigil: str, what: str) -> str:
    """Return what follows the sigil of an identifier whose inside has no further rules."""
    if text[:1] != sigil:
        raise invalid_param(f"'{_shown(text)}' is not a {what}: it does not start with '{sigil}'.")
    if len(text) == 1:
        raise invalid_param(f"'{sigil}' alone is not a {what}.")
    if "\0" in text:
        raise invalid_param(f"A {what} must not contain the character NUL.")
    if _byte_length(text, what) > MAX_ID_BYTES:
        raise invalid_param(f"The {what} is longer than {MAX_ID_BYTES} bytes.")
    return text[1:]


def _byte_length(text: str, what: str) -> int:
    """Return the length as UTF-8; raise if `text` holds lone surrogates, which are no characters."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise invalid_param(
            f"The {what} contains half of a surrogate pair, which is not a character."
        ) from None


_SHOWN_CHARS = 64
"""As much of a refused text as an error repeats."""


def _shown(text: str) -> str:
    """Return `text` as an error may repeat it: short, and without characters that no encoder takes."""
    shown = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    return shown.encode(errors="replace").decode()
