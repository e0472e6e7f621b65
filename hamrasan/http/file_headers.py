"""Headers with which files of strangers can be handed to browsers (client-server API, "Serving inline content")."""

from __future__ import annotations

import re
from urllib.parse import quote

from hamrasan.http.response import Headers

INLINE_TYPES = frozenset(
    {
        "text/css",
        "text/plain",
        "text/csv",
        "application/json",
        "application/ld+json",
        "image/jpeg",
        "image/gif",
        "image/png",
        "image/apng",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "video/ogg",
        "video/quicktime",
        "audio/mp4",
        "audio/webm",
        "audio/aac",
        "audio/mpeg",
        "audio/ogg",
        "audio/wave",
        "audio/wav",
        "audio/x-wav",
        "audio/x-pn-wav",
        "audio/flac",
        "audio/x-flac",
    }
)
"""What browsers show without running anything in it."""

SAFETY: Headers = (
    (
        "Content-Security-Policy",
        "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
        "style-src 'unsafe-inline'; object-src 'self';",
    ),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
"""On every file: nothing in it runs, pages of other origins may show it, and it is what its type says."""

FOR_EVER = ("Cache-Control", "private, max-age=31536000, immutable")
"""What is under an `mxc://` URI never changes. Private, since other people need a token of their own to see it."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]+", re.ASCII)
_UNRESERVED = "!#$&+-.^_`|~"
"""What RFC 8187 (section 3.2.1) leaves as it is, besides letters and digits."""


def disposition(content_type: str, file_name: str | None) -> tuple[str, str]:
    """Return the Content-Disposition of a file: shown if its type is harmless, else saved (RFC 6266)."""
    kind = "inline" if content_type.partition(";")[0].strip().lower() in INLINE_TYPES else "attachment"
    if not file_name:
        return "Content-Disposition", kind
    if _PLAIN_NAME.fullmatch(file_name):
        return "Content-Disposition", f'{kind}; filename="{file_name}"'
    return "Content-Disposition", f"{kind}; filename*=utf-8''{quote(file_name, safe=_UNRESERVED)}"
