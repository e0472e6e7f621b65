"""Signing in and out of the server's own pages."""

from __future__ import annotations

import math

from hamrasan.http.api.oauth.addresses import SIGN_IN, SIGN_OUT, SIGN_UP, UPSTREAM
from hamrasan.http.browser import Browser, PageError, continue_to, page
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError

LOCKED = "M_USER_LOCKED"
SIGN_IN_CODE = f"{SIGN_IN}/code"
PASSWORD_WAS_RIGHT = "password was right"
CODE_LIFETIME_MS = 10 * 60 * 1000
"""From the password to the code: long enough to look for the phone, or the paper with recovery codes."""
MAX_SHOWN_CHARS = 255
"""Of what somebody typed as user name, and sees again if it was wrong."""


@page
async def show_sign_in(browser: Browser) -> Response:
    """Ask who somebody is; whoever is signed in goes on at once."""
    if browser.session is not None:
        return browser.go(browser.path(continue_to(browser.query)))
    return _form(browser, browser.query.get("user", "")[:MAX_SHOWN_CHARS])


@page
async def sign_in(browser: Browser) -> Response:
    """Sign somebody in whose password is right, and go on to where they wanted."""
    form = browser.form()
    typed = form.get("user", "")
    services = browser.services
    try:
        account = await services.accounts.check_password(
            typed, form.get("password", ""), browser.request.client_address
        )
    except MatrixError as refusal:
        return _form(browser, typed[:MAX_SHOWN_CHARS], why_refused(browser, refusal), refusal.status)
    if await services.two_step.is_on(account.user_id):
        return _code_form(browser, account.user_id)
    return await sign_in_as(browser, account.user_id)


@page
async def take_code(browser: Browser) -> Response:
    """Sign somebody in whose password was right a moment ago, and who has the code as well."""
    form = browser.form()
    services = browser.services
    proved = services.sealing.brought(PASSWORD_WAS_RIGHT, form.get("proof", ""))
    if proved is None or proved["browser"] != (browser.secret or ""):
        return browser.go(browser.path(SIGN_IN, **browser.query))
    user_id = proved["user_id"]
    try:
        is_right = await services.two_step.check(user_id, form.get("code", ""))
    except MatrixError as refusal:
        if refusal.status != 429:
            raise
        return _code_form(browser, user_id, why_refused(browser, refusal), 429)
    if not is_right:
        return _code_form(browser, user_id, browser.say("two_step.wrong"), 403)
    account = await services.accounts.find(user_id)
    if account is None or account.deactivated or account.locked:
        raise PageError(403, "sign_in.locked")
    return await sign_in_as(browser, user_id)


async def sign_in_as(browser: Browser, user_id: str) -> Response:
    """Sign in whoever has proved to be this user, and go on to where they wanted."""
    browser.give_secret(await browser.services.browser_sessions.open(user_id, browser.secret))
    return browser.go(browser.path(continue_to(browser.query)))


def _code_form(browser: Browser, user_id: str, alert: str = "", status: int = 200) -> Response:
    """Ask for the code; what was proved so far goes with the form, sealed, and is good in this browser only."""
    values = {"user_id": user_id, "browser": browser.secret or ""}
    return browser.page(
        "code.html",
        status=status,
        alert=alert,
        proof=browser.services.sealing.carry(PASSWORD_WAS_RIGHT, values, CODE_LIFETIME_MS),
        action=browser.path(SIGN_IN_CODE, **browser.query),
    )


@page
async def sign_out(browser: Browser) -> Response:
    """Sign the browser out; whoever wants to use another account goes on to that."""
    form = browser.form()
    if browser.session is not None:
        await browser.services.browser_sessions.close(browser.session)
        browser.give_secret(browser.services.browser_sessions.new_secret())
    following = form.get("continue")
    return browser.go(browser.path(SIGN_IN, **({"continue": following} if following else {})))


def why_refused(browser: Browser, refusal: MatrixError) -> str:
    """Return what is said to somebody whose password was not taken."""
    if refusal.status == 429:
        wait_ms = refusal.extra.get("retry_after_ms", 0)
        return browser.say("sign_in.too_many", minutes=max(1, math.ceil(wait_ms / 60_000)))
    if refusal.errcode == LOCKED:
        return browser.say("sign_in.locked")
    return browser.say("sign_in.wrong")


def _form(browser: Browser, user: str, alert: str = "", status: int = 200) -> Response:
    following = continue_to(browser.query)
    may_sign_up = browser.services.settings.registration != "closed"
    return browser.page(
        "sign_in.html",
        status=status,
        user=user,
        alert=alert,
        providers=_providers(browser, following),
        sign_up=browser.path(SIGN_UP, **{"continue": following}) if may_sign_up else None,
    )


def _providers(browser: Browser, following: str) -> list[dict[str, str]]:
    return [
        {"name": provider.name, "link": browser.path(f"{UPSTREAM}/{provider.id}", **{"continue": following})}
        for provider in browser.services.sign_in_upstream.providers.values()
    ]


_NONE, _LOGIN, _READS = Auth.NONE, RateClass.LOGIN, RateClass.READS

ROUTES = [
    Route("GET", SIGN_IN, show_sign_in, "showSignIn", _NONE, _READS),
    Route("POST", SIGN_IN, sign_in, "signIn", _NONE, _LOGIN, Body.RAW, MAX_FORM_BYTES),
    Route("POST", SIGN_IN_CODE, take_code, "signInWithCode", _NONE, _LOGIN, Body.RAW, MAX_FORM_BYTES),
    Route("POST", SIGN_OUT, sign_out, "signOut", _NONE, _LOGIN, Body.RAW, MAX_FORM_BYTES),
]
