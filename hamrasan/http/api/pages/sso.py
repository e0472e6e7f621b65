"""The page that lets an app in which logs in with a token of ours ("Client login via SSO").

Any address may be given, so nobody is sent there without having been asked.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from hamrasan.accounts.login_tokens import REDIRECTED_LIFETIME_MS
from hamrasan.accounts.user_interactive import SSO as SSO_STAGE
from hamrasan.http.api.client.auth_fallback import done_page
from hamrasan.http.api.oauth.addresses import CONFIRM, SIGN_IN, SIGN_UP, SSO
from hamrasan.http.api.pages.authorize import source_of
from hamrasan.http.browser import Browser, PageError, continuation, page, signed_in
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route

MAX_TARGET_CHARS = 2_000
"""Longer addresses do not survive every browser."""
LOGIN_TOKEN = "loginToken"
_HOST = re.compile(r"(?: [0-9A-Za-z.-]{1,255} | \[ [0-9A-Fa-f:.]{2,45} \] ) (?: : [0-9]{1,5} )?", re.VERBOSE)
"""It becomes a source in a policy, where other characters would mean something."""

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


_ACTIONS = {
    "delete devices": "confirm.delete_devices",
    "deactivate": "confirm.deactivate",
    "login token": "confirm.login_token",
    "change password": "confirm.change_password",
}
"""What is said of an operation, by how its name begins."""


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


@page
@signed_in
async def ask_to_confirm(browser: Browser) -> Response:
    """Ask somebody who signs in with another provider whether they really want what an app is about to do."""
    session = browser.services.interactive.access_elsewhere(
        browser.query.get("session", ""), SSO_STAGE, browser.user_id
    )
    return _confirmation(browser, session.operation.name)


@page
@signed_in
async def confirm(browser: Browser) -> Response:
    """Complete the stage, for somebody who has signed in a moment ago."""
    browser.form()
    session = browser.services.interactive.access_elsewhere(
        browser.query.get("session", ""), SSO_STAGE, browser.user_id
    )
    assert browser.session is not None
    if not browser.services.browser_sessions.is_fresh(browser.session):
        return _confirmation(browser, session.operation.name, browser.say("account.stale"))
    session.completed[SSO_STAGE] = browser.user_id
    return done_page(browser.request)


def _confirmation(browser: Browser, operation: str, alert: str = "") -> Response:
    action = operation.removeprefix(f"{browser.user_id} ")
    named = next((key for start, key in _ACTIONS.items() if action.startswith(start)), "confirm.other")
    return browser.page(
        "confirm.html",
        status=403 if alert else 200,
        title=browser.say("confirm.title"),
        about=browser.say(named),
        button=browser.say("confirm.button"),
        alert=alert,
        danger=True,
        erase_question=None,
        asks_password=False,
    )


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
    if target.scheme in ("http", "https") and not _HOST.fullmatch(target.netloc):
        raise refusal
    return target


def _way_in(browser: Browser) -> str:
    wants_account = browser.query.get("action") == "register"
    may_sign_up = browser.services.settings.registration != "closed"
    where = SIGN_UP if wants_account and may_sign_up else SIGN_IN
    return browser.path(where, **{"continue": continuation(browser)})


ROUTES = [
    Route("GET", SSO, ask, "askForLoginToken", Auth.NONE, RateClass.READS),
    Route("GET", CONFIRM, ask_to_confirm, "askToConfirm", Auth.NONE, RateClass.READS),
    Route("POST", CONFIRM, confirm, "confirmInBrowser", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES),
    Route("POST", SSO, let_in, "giveLoginTokenToApp", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES),
]
