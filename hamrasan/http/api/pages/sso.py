"""The page that lets an app in which logs in with a token of ours ("Client login via SSO").

Any address may be given, so nobody is sent there without having been asked.
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from hamrasan.accounts.login_tokens import REDIRECTED_LIFETIME_MS
from hamrasan.http.api.oauth.addresses import SIGN_IN, SIGN_UP, SSO
from hamrasan.http.api.pages.authorize import source_of
from hamrasan.http.browser import Browser, PageError, continuation, page
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route

MAX_TARGET_CHARS = 2_000
"""Longer addresses do not survive every browser."""
LOGIN_TOKEN = "loginToken"

_NOT_FOR_APPS = frozenset(
    {
        "about",
        "blob",
        "chrome",
        "data",
        "file",
        "filesystem",
        "intent",
        "javascript",
        "vbscript",
        "view-source",
    }
)
"""Schemes in which an address is a program, a document, or a file of the one who opens it."""


@page
async def ask(browser: Browser) -> Response:
    """Ask whether the app at an address may in; whoever is not signed in does so first."""
    target = _target(browser.query.get("redirectUrl", ""))
    if browser.session is None:
        return browser.go(_way_in(browser))
    return browser.page(
        "sso.html",
        forms_lead_to=[source_of(target.geturl())],
        host=target.netloc or f"{target.scheme}:",
        here=continuation(browser),
    )


@page
async def let_in(browser: Browser) -> Response:
    """Send the browser to the app with a login token."""
    browser.form()
    target = _target(browser.query.get("redirectUrl", ""))
    if browser.session is None:
        return browser.go(_way_in(browser))
    token = await browser.services.login_tokens.issue(browser.user_id, REDIRECTED_LIFETIME_MS)
    return browser.go(with_token(target, token))


def with_token(target: SplitResult, token: str) -> str:
    """Return the address that carries a login token, and no other one, to the app."""
    query = [
        (name, value)
        for name, value in parse_qsl(target.query, keep_blank_values=True)
        if name != LOGIN_TOKEN
    ]
    return target._replace(query=urlencode([*query, (LOGIN_TOKEN, token)])).geturl()


def _target(address: str) -> SplitResult:
    """Return where an app wants to be told; raises `PageError` for what no app has as its address."""
    refusal = PageError(400, "sso.bad_target")
    if (
        len(address) > MAX_TARGET_CHARS
        or not address.isascii()
        or not address.isprintable()
        or " " in address
    ):
        raise refusal
    try:
        target = urlsplit(address)
        _ = target.port
    except ValueError:
        raise refusal from None
    if not target.scheme or target.scheme in _NOT_FOR_APPS or "\\" in address or "@" in target.netloc:
        raise refusal
    if target.scheme in ("http", "https") and not target.hostname:
        raise refusal
    return target


def _way_in(browser: Browser) -> str:
    wants_account = browser.query.get("action") == "register"
    may_sign_up = browser.services.settings.registration != "closed"
    where = SIGN_UP if wants_account and may_sign_up else SIGN_IN
    return browser.path(where, **{"continue": continuation(browser)})


ROUTES = [
    Route("GET", SSO, ask, "askForLoginToken", Auth.NONE, RateClass.READS),
    Route("POST", SSO, let_in, "giveLoginTokenToApp", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES),
]
