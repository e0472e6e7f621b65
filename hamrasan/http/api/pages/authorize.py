"""The authorization endpoint: whoever is signed in says whether a client may in ("Authorisation code flow")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hamrasan.accounts.oauth.authorization import (
    AuthorizationRequest,
    Destination,
    parse_authorization,
    parse_destination,
)
from hamrasan.accounts.oauth.clients import Client
from hamrasan.accounts.oauth.errors import OAuthError
from hamrasan.http.api.oauth.addresses import AUTHORIZE, SIGN_IN, SIGN_UP
from hamrasan.http.browser import Browser, PageError, continuation, page
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route


@page
async def ask(browser: Browser) -> Response:
    """Ask whether a client may in; whoever is not signed in does so first."""
    client, destination = await _whose(browser.query, browser)
    try:
        asked = parse_authorization(browser.query, client)
    except OAuthError as refusal:
        return browser.go(destination.with_answer(f"{browser.url}/", refusal.body()))
    if browser.session is None:
        return browser.go(_way_in(browser))
    return await _consent(browser, client, destination, asked)


@page
async def decide(browser: Browser) -> Response:
    """Send the browser back to the client, with a code or a no."""
    form = browser.form()
    client, destination = await _whose(browser.query, browser)
    issuer = f"{browser.url}/"
    try:
        asked = parse_authorization(browser.query, client)
    except OAuthError as refusal:
        return browser.go(destination.with_answer(issuer, refusal.body()))
    if browser.session is None:
        return browser.go(_way_in(browser))
    if form.get("decision") != "allow":
        no = {"error": "access_denied", "error_description": "The user did not let the client in."}
        return browser.go(destination.with_answer(issuer, no))
    code = await browser.services.oauth_codes.issue(
        browser.user_id, client.client_id, destination.redirect_uri, asked.scope, asked.challenge
    )
    return browser.go(destination.with_answer(issuer, {"code": code}))


async def _whose(query: Mapping[str, str], browser: Browser) -> tuple[Client, Destination]:
    """Return the client and where it wants its answer; without both, nobody is sent anywhere."""
    client = await browser.services.oauth_clients.find(query.get("client_id", ""))
    if client is None:
        raise PageError(400, "error.unknown_client")
    try:
        return client, parse_destination(query, client)
    except OAuthError:
        raise PageError(400, "error.bad_redirect") from None


def _way_in(browser: Browser) -> str:
    """Return the page to sign in on, or up if the client says that this is what somebody wants."""
    wants_account = browser.query.get("prompt") == "create"
    may_sign_up = browser.services.settings.registration != "closed"
    where = SIGN_UP if wants_account and may_sign_up else SIGN_IN
    query = {"continue": continuation(browser)}
    hint = browser.query.get("login_hint", "").removeprefix("mxid:")
    if where == SIGN_IN and hint:
        query["user"] = hint
    return browser.path(where, **query)


async def _consent(
    browser: Browser, client: Client, destination: Destination, asked: AuthorizationRequest
) -> Response:
    device_id = asked.scope.device_id
    known = await browser.services.devices.find(browser.user_id, device_id)
    return browser.page(
        "consent.html",
        forms_lead_to=[source_of(destination.redirect_uri)],
        **client_shown(client, browser.language),
        destination=_shown(destination.redirect_uri),
        device_id=device_id,
        known_device=known is not None,
        here=continuation(browser),
        user_code=None,
    )


def client_shown(client: Client, language: str) -> dict[str, Any]:
    """Return what people see of a client: its own words, and the host that vouches for it."""
    metadata = client.metadata
    return {
        "client_name": metadata.name_in(language),
        "client_uri": metadata.client_uri,
        "client_host": metadata.host,
        "policy_uri": metadata.policy_uri,
        "tos_uri": metadata.tos_uri,
    }


def _shown(uri: str) -> str:
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"


def source_of(uri: str) -> str:
    """Return the source for a policy under which a form may lead to this address (a browser follows redirects)."""
    parts = urlsplit(uri)
    if parts.scheme == "https" or (parts.scheme == "http" and "[" not in parts.netloc):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


ROUTES = [
    Route("GET", AUTHORIZE, ask, "askForAuthorization", Auth.NONE, RateClass.READS),
    Route(
        "POST", AUTHORIZE, decide, "decideAuthorization", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES
    ),
]
