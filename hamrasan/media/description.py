"""What is said about a file: its content type, its name, its id."""

from __future__ import annotations

import re

from hamrasan.media.limits import MAX_ID_CHARS, MAX_NAME_BYTES, MAX_TYPE_CHARS
from hamrasan.protocol.errors import invalid_param
from hamrasan.protocol.identifiers import check_server_name

UNKNOWN_TYPE = "application/octet-stream"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTENT_TYPE = re.compile(
    rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|\"[ !#-\[\]-~]*\"))*", re.ASCII
)
_MEDIA_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_CHARS}}}", re.ASCII)


def content_type_of(header: str | None) -> str:
    """Return the content type that an uploader gives (RFC 9110, 8.3.1), or the one of unknown bytes."""
    text = (header or "").strip()
    if len(text) > MAX_TYPE_CHARS or not _CONTENT_TYPE.fullmatch(text):
        return UNKNOWN_TYPE
    return text


def check_file_name(name: str) -> None:
    """Raise `M_INVALID_PARAM` for a file name that is longer than any file system takes."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise invalid_param(f"A file name may have at most {MAX_NAME_BYTES} bytes.")


def check_address(server_name: str, media_id: str) -> None:
    """Raise `M_INVALID_PARAM` for what cannot be the parts of an `mxc://` URI ("Security considerations")."""
    check_server_name(server_name)
    if not _MEDIA_ID.fullmatch(media_id):
        raise invalid_param(
            f"A media id consists of up to {MAX_ID_CHARS} of the characters A-Z, a-z, 0-9, - and _."
        )
