"""Signing in and out of the server's own pages."""

from __future__ import annotations

import math

from hamrasan.http.api.oauth.addresses import SIGN_IN, SIGN_OUT, SIGN_UP
from hamrasan.http.browser import Browser, continue_to, page
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError

LOCKED = "M_USER_LOCKED"
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
    browser.give_secret(await services.browser_sessions.open(account.user_id, browser.secret))
    return browser.go(browser.path(continue_to(browser.query)))


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
        providers=[],
        sign_up=browser.path(SIGN_UP, **{"continue": following}) if may_sign_up else None,
    )


_NONE, _LOGIN, _READS = Auth.NONE, RateClass.LOGIN, RateClass.READS

ROUTES = [
    Route("GET", SIGN_IN, show_sign_in, "showSignIn", _NONE, _READS),
    Route("POST", SIGN_IN, sign_in, "signIn", _NONE, _LOGIN, Body.RAW, MAX_FORM_BYTES),
    Route("POST", SIGN_OUT, sign_out, "signOut", _NONE, _LOGIN, Body.RAW, MAX_FORM_BYTES),
]
