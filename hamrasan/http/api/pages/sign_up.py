"""Signing up on the server's own pages, if its settings let people (client-server API, "User registration")."""

from __future__ import annotations

from hamrasan.accounts.user_interactive import StageFailed
from hamrasan.http.api.oauth.addresses import SIGN_IN, SIGN_UP
from hamrasan.http.api.pages.sign_in import MAX_SHOWN_CHARS
from hamrasan.http.browser import Browser, PageError, continue_to, page, told
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError

_REASONS = {
    "M_WEAK_PASSWORD": "sign_up.weak",
    "M_INVALID_PARAM": "sign_up.long",
    "M_USER_IN_USE": "sign_up.taken",
    "M_EXCLUSIVE": "sign_up.reserved",
    "M_INVALID_USERNAME": "sign_up.bad_name",
}


@page
async def show_sign_up(browser: Browser) -> Response:
    """Ask for a name and a password, and for a registration token where one is needed."""
    _check_open(browser)
    if browser.session is not None:
        return browser.go(browser.path(continue_to(browser.query)))
    return _form(browser, {})


@page
async def sign_up(browser: Browser) -> Response:
    """Make an account, sign in to it, and go on."""
    form = browser.form()
    _check_open(browser)
    password = form.get("password", "")
    if password != form.get("again"):
        return _form(browser, form, browser.say("sign_up.differ"))
    try:
        user_id = await browser.services.register.in_browser(
            form.get("user", ""), password, form.get("token")
        )
    except StageFailed:
        return _form(browser, form, browser.say("sign_up.bad_token"))
    except MatrixError as refusal:
        if refusal.errcode not in _REASONS:
            raise told(refusal) from None
        return _form(browser, form, browser.say(_REASONS[refusal.errcode]))
    browser.give_secret(await browser.services.browser_sessions.open(user_id, browser.secret))
    return browser.go(browser.path(continue_to(browser.query)))


def _check_open(browser: Browser) -> None:
    if browser.services.settings.registration == "closed":
        raise PageError(403, "sign_up.closed")


def _form(browser: Browser, filled: dict[str, str], alert: str = "") -> Response:
    following = continue_to(browser.query)
    return browser.page(
        "sign_up.html",
        status=400 if alert else 200,
        alert=alert,
        user=filled.get("user", "")[:MAX_SHOWN_CHARS],
        token=filled.get("token", browser.query.get("token", ""))[:MAX_SHOWN_CHARS],
        asks_token=browser.services.settings.registration == "token",
        sign_in=browser.path(SIGN_IN, **{"continue": following}),
    )


ROUTES = [
    Route("GET", SIGN_UP, show_sign_up, "showSignUp", Auth.NONE, RateClass.READS),
    Route("POST", SIGN_UP, sign_up, "signUp", Auth.NONE, RateClass.REGISTRATION, Body.RAW, MAX_FORM_BYTES),
]
