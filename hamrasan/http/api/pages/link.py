"""The page on which somebody lets a device in that has no browser ("Device authorisation flow", "User interaction")."""

from __future__ import annotations

import math

from hamrasan.accounts.oauth.device_grants import CODE_LETTERS
from hamrasan.accounts.oauth.errors import invalid_grant
from hamrasan.accounts.oauth.scope import parse_scope
from hamrasan.http.api.oauth.addresses import LINK
from hamrasan.http.api.pages.authorize import client_shown
from hamrasan.http.browser import Browser, continuation, page, signed_in
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.oauth import DeviceGrantRow

MAX_TYPED_CHARS = 4 * CODE_LETTERS
"""With all the blanks and dashes that somebody may put between the letters."""


@page
@signed_in
async def ask(browser: Browser) -> Response:
    """Ask for the code that the device shows; one in the address is filled in, and nothing more is done with it."""
    return _form(browser, browser.query.get("user_code", "")[:MAX_TYPED_CHARS])


@page
@signed_in
async def take(browser: Browser) -> Response:
    """Ask whether the device of a code may in, and note what somebody says."""
    form = browser.form()
    typed = form.get("user_code", "")[:MAX_TYPED_CHARS]
    grants = browser.services.oauth_device_grants
    try:
        row = await grants.find(typed, browser.user_id, browser.request.client_address)
    except MatrixError as refusal:
        minutes = max(1, math.ceil(refusal.extra.get("retry_after_ms", 0) / 60_000))
        return _form(browser, typed, browser.say("link.too_many", minutes=minutes), refusal.status)
    if row is None:
        return _form(browser, typed, browser.say("link.wrong"), 400)
    decision = form.get("decision")
    if decision not in ("allow", "deny"):
        return await _consent(browser, row)
    await grants.decide(row, browser.user_id, allowed=decision == "allow")
    key = "link.allowed" if decision == "allow" else "link.denied"
    return browser.page("done.html", title=browser.say("link.title"), message=browser.say(key))


def _form(browser: Browser, code: str, alert: str = "", status: int = 200) -> Response:
    return browser.page("link.html", status=status, code=code, alert=alert)


async def _consent(browser: Browser, row: DeviceGrantRow) -> Response:
    client = await browser.services.oauth_clients.find(row.client_id)
    if client is None:
        raise invalid_grant("The client is not registered any more.")
    device_id = parse_scope(row.scope).device_id
    known = await browser.services.devices.find(browser.user_id, device_id)
    return browser.page(
        "consent.html",
        **client_shown(client, browser.language),
        destination=None,
        device_id=device_id,
        known_device=known is not None,
        here=continuation(browser),
        user_code=f"{row.user_code[:4]}-{row.user_code[4:]}",
    )


ROUTES = [
    Route("GET", LINK, ask, "askForUserCode", Auth.NONE, RateClass.READS),
    Route("POST", LINK, take, "takeUserCode", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES),
]
