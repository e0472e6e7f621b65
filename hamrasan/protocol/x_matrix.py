"""How servers sign their requests to each other (server-server API, "Request Authentication")."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hamrasan.protocol.canonical_json import (
    encode_canonical,
    encode_lenient_canonical,
    json_string,
    parse_json,
    parse_strict_json,
)
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import check_server_name
from hamrasan.protocol.limits import MAX_KEY_ID_CHARS
from hamrasan.protocol.signing import SigningKey

SCHEME = "X-Matrix"
MAX_HEADER_CHARS = 2048
"""Two server names, a key id and a signature have at most a thousand characters; the rest is room for escapes."""
MAX_SIGNATURE_CHARS = 128
"""An Ed25519 signature has 86 in Base64, 88 with padding."""

_PARAMETER = re.compile(
    r"""[ \t]* (?P<name> [!\#$%&'*+\-.^_`|~0-9A-Za-z]+ ) [ \t]* = [ \t]*
        (?: " (?P<quoted> (?: [^"\\] | \\. )* ) " | (?P<plain> [^\s",]+ ) ) [ \t]*""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")


class XMatrix(NamedTuple):
    """What the header says; servers from before version 1.3 leave out the `destination`."""

    origin: str
    destination: str | None
    key_id: str
    signature: str


def parse_x_matrix(header: str) -> XMatrix:
    """Read the value of an `Authorization` header; raise `M_UNAUTHORIZED` (401) if it is none of a server.

    Names may be in any case and order, values quoted or not (colons, too, may stand bare, as older servers write them);
    what is not known is skipped.
    """
    if len(header) > MAX_HEADER_CHARS:
        raise unauthorized(f"The Authorization header has more than {MAX_HEADER_CHARS} characters.")
    scheme, space, rest = header.partition(" ")
    if scheme.lower() != SCHEME.lower() or not space:
        raise unauthorized(f"Requests between servers are authorized with '{SCHEME}'.")
    found = _parameters(rest)
    for name in ("origin", "key", "sig"):
        if not found.get(name):
            raise unauthorized(f"The Authorization header lacks '{name}'.")
    if len(found["key"]) > MAX_KEY_ID_CHARS or len(found["sig"]) > MAX_SIGNATURE_CHARS:
        raise unauthorized("The Authorization header names no key of a server, or holds no signature.")
    try:
        check_server_name(found["origin"])
    except MatrixError as error:
        raise unauthorized(error.message) from None
    return XMatrix(found["origin"], found.get("destination"), found["key"], found["sig"])


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise unauthorized("The Authorization header is malformed.")
        name, quoted = match["name"].lower(), match["quoted"]
        if name in found:
            raise unauthorized(f"The Authorization header names '{name}' twice.")
        found[name] = match["plain"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
        at = match.end()
        if at < len(text) and text[at] != ",":
            raise unauthorized("The Authorization header is malformed.")
        at += 1
    return found


def write_x_matrix(said: XMatrix) -> str:
    """Write the header so that older servers, too, can read it: no blanks, small letters, quotes."""
    destination = "" if said.destination is None else f'destination="{said.destination}",'
    return f'{SCHEME} origin="{said.origin}",{destination}key="{said.key_id}",sig="{said.signature}"'


def request_to_sign(method: str, uri: str, origin: str, destination: str, content: bytes | None) -> bytes:
    """Return what is signed of a request: canonical JSON, put together around the canonical JSON of its `content`.

    `uri` is path and query as they are sent, without scheme and host.
    """
    return b'{%b"destination":%b,"method":%b,"origin":%b,"uri":%b}' % (
        b"" if content is None else b'"content":%b,' % content,
        json_string(destination),
        json_string(method),
        json_string(origin),
        encode_canonical(uri),
    )


def sign_request(
    method: str, uri: str, origin: str, destination: str, content: bytes | None, key: SigningKey
) -> str:
    """Return the `Authorization` header of a request of this server; the parameters as for `request_to_sign`."""
    signature = key.sign(request_to_sign(method, uri, origin, destination, content))
    return write_x_matrix(XMatrix(origin, destination, key.key_id, signature))


def read_content(body: bytes) -> tuple[Any, bytes]:
    """Return a body as JSON value and as canonical JSON, as it was signed.

    Requests may carry events of rooms before version 6, in which any number may stand. Raises `M_NOT_JSON`,
    `M_BAD_JSON`.
    """
    try:
        value = parse_strict_json(body)
    except MatrixError as error:
        if error.errcode != "M_BAD_JSON":
            raise
        value = parse_json(body)
        return value, encode_lenient_canonical(value)
    return value, encode_canonical(value)


def unauthorized(message: str) -> MatrixError:
    """A request of which it is not proven what server it comes from."""
    return MatrixError(401, "M_UNAUTHORIZED", message)
