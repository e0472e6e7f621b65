"""Turning two-step login on and off, on the account's page."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup

from hamrasan.accounts.totp import otpauth_uri, shown_secret
from hamrasan.accounts.two_step import shown_code
from hamrasan.http.api.oauth.addresses import ACCOUNT
from hamrasan.http.api.pages.account import wrong_password
from hamrasan.http.api.pages.sign_in import why_refused
from hamrasan.http.browser import Browser, PageError, page, signed_in
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.pages.dates import digits
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.two_step import TwoStepRow

TWO_STEP = f"{ACCOUNT}/two-step"
OFF = f"{TWO_STEP}/off"
SECRET = "secret of two-step login"
SECRET_LIFETIME_MS = 30 * 60 * 1000
"""To install an app and read the picture with it."""
GROUP = 4


@page
@signed_in
async def show(browser: Browser) -> Response:
    """Show a new secret to set an app up with, or that two-step login is on."""
    row = await browser.services.two_step.find(browser.user_id)
    return await _set_up(browser) if row is None else _is_on(browser, row)


@page
@signed_in
async def turn_on(browser: Browser) -> Response:
    """Ask for codes from now on, if somebody has the password and an app that makes the right ones."""
    form, services = browser.form(), browser.services
    if await services.two_step.is_on(browser.user_id):
        return browser.go(browser.path(TWO_STEP))
    carried = services.sealing.brought(SECRET, form.get("secret", ""))
    if carried is None or carried["user_id"] != browser.user_id:
        return await _set_up(browser, browser.say("two_step.stale"), 400)
    secret = bytes.fromhex(carried["secret"])
    wrong = await wrong_password(browser, form.get("password", ""))
    if wrong:
        return await _set_up(browser, wrong, 403, secret)
    try:
        codes = await services.two_step.turn_on(browser.user_id, secret, form.get("code", ""))
    except MatrixError as refusal:
        return await _set_up(browser, _too_many(browser, refusal), 429, secret)
    if codes is None:
        return await _set_up(browser, browser.say("two_step.wrong"), 403, secret)
    return browser.page("recovery_codes.html", codes=[shown_code(code) for code in codes])


@page
@signed_in
async def turn_off(browser: Browser) -> Response:
    """Let the password alone be enough, for somebody who has it and a code."""
    form, services = browser.form(), browser.services
    row = await services.two_step.find(browser.user_id)
    if row is None:
        return browser.go(browser.path(TWO_STEP))
    wrong = await wrong_password(browser, form.get("password", ""))
    if wrong:
        return _is_on(browser, row, wrong, 403)
    try:
        is_right = await services.two_step.check(browser.user_id, form.get("code", ""))
    except MatrixError as refusal:
        return _is_on(browser, row, _too_many(browser, refusal), 429)
    if not is_right:
        return _is_on(browser, row, browser.say("two_step.wrong"), 403)
    await services.two_step.turn_off(browser.user_id)
    return browser.go(browser.path(ACCOUNT, done="saved"))


def _too_many(browser: Browser, refusal: MatrixError) -> str:
    if refusal.status != 429:
        raise refusal
    return why_refused(browser, refusal)


async def _set_up(
    browser: Browser, alert: str = "", status: int = 200, secret: bytes | None = None
) -> Response:
    services = browser.services
    if not await services.reauthentication.is_possible(browser.user_id):
        raise PageError(404, "error.not_found")
    secret = secret or services.two_step.new_secret()
    shown = shown_secret(secret)
    values = {"user_id": browser.user_id, "secret": secret.hex()}
    return browser.page(
        "two_step.html",
        status=status,
        alert=alert,
        picture=_picture(otpauth_uri(secret, browser.user_id, services.settings.server_name)),
        shown_secret=" ".join(shown[at : at + GROUP] for at in range(0, len(shown), GROUP)),
        secret=services.sealing.carry(SECRET, values, SECRET_LIFETIME_MS),
    )


def _is_on(browser: Browser, row: TwoStepRow, alert: str = "", status: int = 200) -> Response:
    return browser.page(
        "two_step_on.html",
        status=status,
        alert=alert,
        action=browser.path(OFF),
        count=digits(row.recovery_codes, browser.language),
    )


def _picture(text: str) -> Markup:
    """Return a QR code as a drawing that stands in the page itself; black on white, which every camera reads."""
    drawing = io.BytesIO()
    segno.make(text, error="m").save(drawing, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2)
    return Markup(drawing.getvalue().decode())


_NONE, _LOGIN, _FORM = Auth.NONE, RateClass.LOGIN, MAX_FORM_BYTES

ROUTES = [
    Route("GET", TWO_STEP, show, "showTwoStep", _NONE, RateClass.READS),
    Route("POST", TWO_STEP, turn_on, "turnTwoStepOn", _NONE, _LOGIN, Body.RAW, _FORM),
    Route("POST", OFF, turn_off, "turnTwoStepOff", _NONE, _LOGIN, Body.RAW, _FORM),
]
