"""The operations of the client-server API that this server does not serve, each with its reason.

Their addresses are answered with 404 M_UNRECOGNIZED, so that clients do without. A test holds this table and the routes
against the specification: together they are all of its operations, and none is in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["DELETE", "GET", "POST", "PUT"]


@dataclass(frozen=True, slots=True)
class Unserved:
    """One operation, as `Route` names it, and why there is no route."""

    method: Method
    path: str
    operation: str
    reason: str


MEDIA = "Previews of links come later; files and their thumbnails are there."
POLICY_SERVER = "This server signs no events for the policies of others."
SEARCH = "Searching messages and people comes later."
SINGLE_SIGN_ON = "People log in with a password or a login token here; there is no single sign-on."

_CLIENT = "/_matrix/client"
_MEDIA = f"{_CLIENT}/v1/media"
_OLD_MEDIA = "/_matrix/media"

UNSERVED: tuple[Unserved, ...] = (
    Unserved("GET", f"{_MEDIA}/preview_url", "getUrlPreviewAuthed", MEDIA),
    Unserved("GET", f"{_OLD_MEDIA}/v3/preview_url", "getUrlPreview", MEDIA),
    Unserved("GET", f"{_OLD_MEDIA}/v3/download/{{server_name}}/{{media_id}}", "getContent", MEDIA),
    Unserved(
        "GET",
        f"{_OLD_MEDIA}/v3/download/{{server_name}}/{{media_id}}/{{file_name}}",
        "getContentOverrideName",
        MEDIA,
    ),
    Unserved("GET", f"{_OLD_MEDIA}/v3/thumbnail/{{server_name}}/{{media_id}}", "getContentThumbnail", MEDIA),
    Unserved("GET", "/.well-known/matrix/policy_server", "getWellknownPolicy", POLICY_SERVER),
    Unserved("POST", f"{_CLIENT}/v3/search", "search", SEARCH),
    Unserved("POST", f"{_CLIENT}/v3/user_directory/search", "searchUserDirectory", SEARCH),
    Unserved("GET", f"{_CLIENT}/v3/login/sso/redirect/{{idp_id}}", "redirectToIdP", SINGLE_SIGN_ON),
)
