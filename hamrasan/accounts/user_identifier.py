"""Who wants to log in: user identifiers as clients send them (client-server API, "Identifier types")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, invalid_param, missing_param
from hamrasan.protocol.identifiers import parse_user_id

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
"""Persian and Arabic keyboards type their own digits; no user id contains them."""


def parse_identifier(body: Mapping[str, Any]) -> str:
    """Return the user id or localpart of a login request or of an authentication dict, as it was typed.

    Takes the deprecated `user` too. Raises `M_FORBIDDEN` for an e-mail address or a phone number, which this server
    knows of nobody.
    """
    identifier = body.get("identifier")
    if identifier is None:
        if "address" in body or "medium" in body:
            raise _unknown_third_party()
        return _text(body, "user", "identifier")
    if not isinstance(identifier, Mapping):
        raise bad_json("'identifier' must be an object.")
    kind = identifier.get("type")
    if kind == "m.id.user":
        return _text(identifier, "user", "identifier.user")
    if kind in ("m.id.thirdparty", "m.id.phone") or (kind is None and "address" in identifier):
        raise _unknown_third_party()
    if not isinstance(kind, str):
        raise bad_json("'identifier.type' must be a string.")
    raise invalid_param("This server only knows users by their names (identifier type 'm.id.user').")


def possible_user_ids(typed: str, server_name: str) -> list[str]:
    """Return the user ids that somebody may mean, the likeliest first; none if it cannot be a user of this server.

    User names have no capital letters, but for historical ones; keyboards of phones write one all the same.
    """
    text = typed.strip().translate(_DIGITS)
    user_id = text if text.startswith("@") else f"@{text}:{server_name}"
    try:
        parsed = parse_user_id(user_id)
    except MatrixError:
        return []
    if not parsed.localpart or parsed.server_name.lower() != server_name.lower():
        return []
    exact = f"@{parsed.localpart}:{server_name}"
    lower = f"@{parsed.localpart.lower()}:{server_name}"
    return [exact] if exact == lower else [exact, lower]


def _text(values: Mapping[str, Any], key: str, shown: str) -> str:
    value = values.get(key)
    if value is None:
        raise missing_param(shown)
    if not isinstance(value, str):
        raise bad_json(f"'{shown}' must be a string.")
    return value


def _unknown_third_party() -> MatrixError:
    return forbidden("This server knows nobody by e-mail address or phone number; please use the user name.")


def latin_digits(text: str) -> str:
    """Return a text with the digits that codes and user ids are made of."""
    return text.translate(_DIGITS)


def localpart_of(username: str) -> str:
    """Return the localpart that a wanted user name becomes: small letters, and the digits of user ids."""
    return username.strip().translate(_DIGITS).lower()
