"""Signing in with another provider: the way there, the way back, and the choice of a name."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import NamedTuple

from hamrasan.accounts.upstream.openid_connect import ProviderFailed
from hamrasan.accounts.upstream.providers import Provider
from hamrasan.flows.sign_in_upstream import NameNeeded, Stranger
from hamrasan.http.api.oauth.addresses import UPSTREAM
from hamrasan.http.api.pages.sign_in import sign_in_as
from hamrasan.http.browser import Browser, PageError, continue_to, page
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route

STATE, STRANGER = "state of an upstream login", "somebody new of a provider"
STATE_LIFETIME_MS = 30 * 60 * 1000
"""To sign in there, with whatever the provider asks for."""
SECRET_BYTES = 32
MAX_CODE_CHARS = 4_096
"""Codes are opaque; some providers put much into them."""

_NAME_REASONS = {
    "M_USER_IN_USE": "sign_up.taken",
    "M_EXCLUSIVE": "sign_up.reserved",
    "M_INVALID_USERNAME": "sign_up.bad_name",
}


class _Sent(NamedTuple):
    """What a browser brings back that was sent to a provider."""

    nonce: str
    verifier: str
    following: str


@page
async def begin(browser: Browser) -> Response:
    """Send the browser to the provider; what has to be remembered goes with it, sealed."""
    provider = _provider(browser)
    entropy = browser.services.entropy
    nonce, verifier = entropy.token(SECRET_BYTES), entropy.token(SECRET_BYTES)
    values = {
        "provider": provider.id,
        "browser": browser.ensure_secret(),
        "nonce": nonce,
        "verifier": verifier,
        "continue": continue_to(browser.query),
    }
    state = browser.services.sealing.carry(STATE, values, STATE_LIFETIME_MS)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    try:
        way = await browser.services.sign_in_upstream.way_there(
            provider, _redirect_uri(browser, provider), state, nonce, challenge
        )
    except ProviderFailed:
        raise PageError(502, "upstream.failed", name=provider.name) from None
    return browser.go(way)


@page
async def come_back(browser: Browser) -> Response:
    """Take what the provider says, and sign somebody in."""
    provider, services = _provider(browser), browser.services
    sent = _sent(browser, provider)
    if browser.query.get("iss", provider.issuer) != provider.issuer:
        raise PageError(400, "upstream.stale")
    code = browser.query.get("code", "")
    if not 0 < len(code) <= MAX_CODE_CHARS:
        raise PageError(403, "upstream.refused", name=provider.name)
    try:
        identity = await services.sign_in_upstream.identify(
            provider, _redirect_uri(browser, provider), code, sent.verifier, sent.nonce
        )
    except ProviderFailed:
        raise PageError(502, "upstream.failed", name=provider.name) from None
    browser.query = {"continue": sent.following}
    try:
        user_id = await services.sign_in_upstream.account_of(provider, identity)
    except NameNeeded as needed:
        return _name_form(browser, provider, needed)
    if user_id is None:
        raise PageError(403, "upstream.no_account", name=provider.name)
    return await _sign_in(browser, user_id)


@page
async def take_name(browser: Browser) -> Response:
    """Make an account under the name that somebody has chosen."""
    form, provider = browser.form(), _provider(browser)
    brought = browser.services.sealing.brought(STRANGER, form.get("stranger", ""))
    if brought is None or brought["browser"] != browser.secret or brought["issuer"] != provider.issuer:
        raise PageError(400, "upstream.stale")
    stranger = Stranger(
        brought["issuer"], brought["subject"], form.get("user", "").strip().lower(), brought["display_name"]
    )
    try:
        user_id = await browser.services.sign_in_upstream.make_account(stranger)
    except NameNeeded as needed:
        return _name_form(browser, provider, needed)
    return await _sign_in(browser, user_id)


async def _sign_in(browser: Browser, user_id: str) -> Response:
    account = await browser.services.accounts.find(user_id)
    if account is None or account.deactivated or account.locked:
        raise PageError(403, "sign_in.locked")
    return await sign_in_as(browser, user_id)


def _provider(browser: Browser) -> Provider:
    provider = browser.services.sign_in_upstream.providers.get(browser.request.path["idp_id"])
    if provider is None:
        raise PageError(404, "error.not_found")
    return provider


def _sent(browser: Browser, provider: Provider) -> _Sent:
    """Return what was sent with this browser to this provider; nobody else's answer is taken."""
    brought = browser.services.sealing.brought(STATE, browser.query.get("state", ""))
    if brought is None or brought["provider"] != provider.id or brought["browser"] != browser.secret:
        raise PageError(400, "upstream.stale")
    return _Sent(brought["nonce"], brought["verifier"], brought["continue"])


def _redirect_uri(browser: Browser, provider: Provider) -> str:
    return f"{browser.url}{UPSTREAM}/{provider.id}/callback"


def _name_form(browser: Browser, provider: Provider, needed: NameNeeded) -> Response:
    stranger = needed.stranger
    values = {
        "issuer": stranger.issuer,
        "subject": stranger.subject,
        "display_name": stranger.display_name,
        "browser": browser.ensure_secret(),
    }
    return browser.page(
        "upstream_name.html",
        status=200 if not stranger.localpart else 409,
        alert=browser.say(_NAME_REASONS.get(needed.errcode, "sign_up.bad_name"))
        if stranger.localpart
        else "",
        user=stranger.localpart[:255],
        provider=provider.name,
        stranger=browser.services.sealing.carry(STRANGER, values, STATE_LIFETIME_MS),
        action=browser.path(f"{UPSTREAM}/{provider.id}/name", **{"continue": continue_to(browser.query)}),
    )


_ONE = UPSTREAM + "/{idp_id}"
_NONE, _LOGIN = Auth.NONE, RateClass.LOGIN

ROUTES = [
    Route("GET", _ONE, begin, "beginUpstream", _NONE, _LOGIN),
    Route("GET", _ONE + "/callback", come_back, "comeBackFromUpstream", _NONE, _LOGIN),
    Route(
        "POST",
        _ONE + "/name",
        take_name,
        "takeUpstreamName",
        _NONE,
        RateClass.REGISTRATION,
        Body.RAW,
        MAX_FORM_BYTES,
    ),
]
