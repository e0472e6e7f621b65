"""What a client says about itself when it registers (client-server API, "Client metadata"; RFC 7591)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from hamrasan.accounts.oauth.errors import OAuthError
from hamrasan.accounts.oauth.redirect_uris import (
    MAX_URI_CHARS,
    ApplicationType,
    is_redirect_uri,
    is_same_redirect_uri,
    is_web_uri,
)

GrantType = Literal["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]
DEVICE_CODE_GRANT: GrantType = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_TYPES: tuple[GrantType, ...] = get_args(GrantType)

MAX_NAME_CHARS = 128
"""Longer than any name; it stands on the page where people decide."""
MAX_REDIRECT_URIS = 10
"""Clients register one or two; a loopback one takes every port."""
LANGUAGES = ("fa", "en")
"""Languages in which texts of clients are kept: those of our pages."""

_DEFAULT_GRANTS = ["authorization_code"]  # RFC 7591, section 2


class ClientMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of it: the rest of what a client may say changes nothing here."""

    client_uri: str
    client_name: str | None = None
    names: dict[str, str] = {}
    """The client's name in other languages."""
    logo_uri: str | None = None
    tos_uri: str | None = None
    policy_uri: str | None = None
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[GrantType, ...] = ()
    response_types: tuple[str, ...] = ()
    application_type: ApplicationType = "web"

    @property
    def host(self) -> str:
        """Return the host that vouches for the client: every address that it can be sent back to belongs to it."""
        return urlsplit(self.client_uri).hostname or ""

    def name_in(self, language: str) -> str:
        """Return what the client is called; its host if it has not said."""
        return self.names.get(language) or self.client_name or self.host

    def may_redirect_to(self, uri: str) -> bool:
        """Tell whether the client has registered this address."""
        return any(is_same_redirect_uri(registered, uri) for registered in self.redirect_uris)

    def answer(self) -> dict[str, Any]:
        """Return the members of a response to the registration."""
        members: dict[str, Any] = {
            "client_uri": self.client_uri,
            "client_name": self.client_name,
            "logo_uri": self.logo_uri,
            "tos_uri": self.tos_uri,
            "policy_uri": self.policy_uri,
            "redirect_uris": self.redirect_uris or None,
            "grant_types": self.grant_types,
            "response_types": self.response_types,
            "application_type": self.application_type,
            "token_endpoint_auth_method": "none",
            **{f"client_name#{language}": name for language, name in self.names.items()},
        }
        return {name: value for name, value in members.items() if value is not None}


def parse_client_metadata(said: Mapping[str, Any]) -> ClientMetadata:
    """Return what a client registers; what it says beyond that is ignored.

    Raises `invalid_redirect_uri` and `invalid_client_metadata`, with the name of the member that is wrong.
    """
    method = said.get("token_endpoint_auth_method", "none")
    if method != "none":
        raise _invalid("token_endpoint_auth_method must be 'none': clients of this server keep no secrets.")
    client_uri = said.get("client_uri")
    if not isinstance(client_uri, str) or not is_web_uri(client_uri):
        raise _invalid("client_uri must be an https address without user name or password.")
    host = urlsplit(client_uri).hostname or ""
    kind = said.get("application_type", "web")
    if kind not in get_args(ApplicationType):
        raise _invalid("application_type must be 'web' or 'native'.")
    grants = tuple(grant for grant in GRANT_TYPES if grant in _strings(said, "grant_types", _DEFAULT_GRANTS))
    if not {"authorization_code", DEVICE_CODE_GRANT} & {*grants}:
        raise _invalid("grant_types must contain authorization_code or the device code grant.")
    redirect_uris = _redirect_uris(said, host, kind)
    responses = _strings(said, "response_types", ["code"])
    if "authorization_code" in grants and not redirect_uris:
        raise OAuthError("invalid_redirect_uri", "redirect_uris must not be empty for authorization_code.")
    if "authorization_code" in grants and "code" not in responses:
        raise _invalid("response_types must contain 'code' for authorization_code.")
    return ClientMetadata(
        client_uri=client_uri,
        client_name=_name(said, "client_name"),
        names={language: name for language in LANGUAGES if (name := _name(said, f"client_name#{language}"))},
        logo_uri=_link(said, "logo_uri", host),
        tos_uri=_link(said, "tos_uri", host),
        policy_uri=_link(said, "policy_uri", host),
        redirect_uris=redirect_uris,
        grant_types=grants,
        response_types=tuple(response for response in ("code",) if response in responses),
        application_type=kind,
    )


def _redirect_uris(said: Mapping[str, Any], host: str, kind: ApplicationType) -> tuple[str, ...]:
    uris = tuple(dict.fromkeys(_strings(said, "redirect_uris", [])))
    if len(uris) > MAX_REDIRECT_URIS:
        raise OAuthError(
            "invalid_redirect_uri", f"At most {MAX_REDIRECT_URIS} redirect_uris can be registered."
        )
    for number, uri in enumerate(uris):
        if not is_redirect_uri(uri, host, kind):
            raise OAuthError(
                "invalid_redirect_uri",
                f"redirect_uris[{number}] is not allowed for a {kind} client of this client_uri.",
            )
    return uris


def _strings(said: Mapping[str, Any], name: str, default: list[str]) -> list[str]:
    values = said.get(name, default)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _invalid(f"{name} must be a list of strings.")
    return values


def _name(said: Mapping[str, Any], member: str) -> str | None:
    name = said.get(member)
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise _invalid(f"{member} must be a string of at most {MAX_NAME_CHARS} printable characters.")
    return name.strip() or None


def _link(said: Mapping[str, Any], member: str, host: str) -> str | None:
    uri = said.get(member)
    if uri is None:
        return None
    if not isinstance(uri, str) or not is_web_uri(uri, host):
        raise _invalid(
            f"{member} must be an https address on the host of client_uri, up to {MAX_URI_CHARS} characters."
        )
    return uri


def _invalid(description: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", description)
