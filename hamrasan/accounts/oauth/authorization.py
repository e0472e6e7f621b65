"""The authorization request: a client sends somebody's browser here to be let in (RFC 6749, section 4.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlencode

from hamrasan.accounts.oauth.clients import Client
from hamrasan.accounts.oauth.codes import check_challenge
from hamrasan.accounts.oauth.errors import OAuthError, invalid_request
from hamrasan.accounts.oauth.scope import Scope, parse_scope

ResponseMode = Literal["query", "fragment"]
RESPONSE_MODES: tuple[ResponseMode, ...] = ("query", "fragment")

MAX_STATE_CHARS = 2_048
"""Goes into an address, which browsers cut off somewhere beyond."""


class Destination(NamedTuple):
    """Where an answer goes: an address that the client has registered."""

    redirect_uri: str
    response_mode: ResponseMode
    state: str | None

    def with_answer(self, issuer: str, answer: Mapping[str, str]) -> str:
        """Return the address that carries an answer, and says whose it is (RFC 9207), to the client."""
        values = {**answer, "iss": issuer}
        if self.state is not None:
            values["state"] = self.state
        in_query = "&" if "?" in self.redirect_uri else "?"
        joint = "#" if self.response_mode == "fragment" else in_query
        return self.redirect_uri + joint + urlencode(values)


class AuthorizationRequest(NamedTuple):
    """What a client asks for."""

    scope: Scope
    challenge: str


def parse_destination(asked: Mapping[str, str], client: Client) -> Destination:
    """Return where the answer is to go.

    Raises `invalid_request` if that is no place of this client's; then nobody must be sent anywhere.
    """
    redirect_uri = asked.get("redirect_uri", "")
    if not client.metadata.may_redirect_to(redirect_uri):
        raise invalid_request("The redirect_uri is not one that this client has registered.")
    state = asked.get("state")
    if state is not None and len(state) > MAX_STATE_CHARS:
        raise invalid_request(f"state has at most {MAX_STATE_CHARS} characters.")
    return Destination(
        redirect_uri, "fragment" if asked.get("response_mode") == "fragment" else "query", state
    )


def parse_authorization(asked: Mapping[str, str], client: Client) -> AuthorizationRequest:
    """Return what is asked for.

    Raises `OAuthError`, which the client is to be told at its `Destination`.
    """
    if asked.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be 'code'.")
    if asked.get("response_mode", "query") not in RESPONSE_MODES:
        raise invalid_request("response_mode must be 'query' or 'fragment'.")
    if "authorization_code" not in client.metadata.grant_types:
        raise OAuthError("unauthorized_client", "This client has not registered for authorization_code.")
    if asked.get("code_challenge_method") != "S256":
        raise invalid_request("code_challenge_method must be S256.")
    challenge = asked.get("code_challenge", "")
    check_challenge(challenge)
    return AuthorizationRequest(parse_scope(asked.get("scope", "")), challenge)
