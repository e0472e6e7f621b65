"""Where links in mails lead: to say yes to word of unread messages, or no more of it.

Opening a link changes nothing, since mail programs open links by themselves; a button does. Who has the link may press
it: it was sent to the address that it is about.
"""

from __future__ import annotations

from hamrasan.http.browser import Browser, PageError, page
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.push.digests import Digests, Purpose

CONFIRM, UNSUBSCRIBE = "/mail/confirm", "/mail/unsubscribe"


@page
async def ask_to_confirm(browser: Browser) -> Response:
    """Ask whether mails are wanted."""
    return _question(browser, "confirm")


@page
async def confirm(browser: Browser) -> Response:
    """Send mails from now on."""
    return _answer(browser, "confirm", await _digests(browser).confirm(_token(browser)))


@page
async def ask_to_unsubscribe(browser: Browser) -> Response:
    """Ask whether mails are to end."""
    return _question(browser, "unsubscribe")


@page
async def unsubscribe(browser: Browser) -> Response:
    """Send no more mails; mail programs do this with one press of a button of their own (RFC 8058)."""
    return _answer(browser, "unsubscribe", await _digests(browser).unsubscribe(_token(browser)))


def _digests(browser: Browser) -> Digests:
    digests = browser.services.digests
    if digests is None:
        raise PageError(404, "error.not_found")
    return digests


def _token(browser: Browser) -> str:
    return browser.query.get("token", "")


def _question(browser: Browser, purpose: Purpose) -> Response:
    if not _digests(browser).is_link(_token(browser), purpose):
        raise PageError(404, "mail.bad_link")
    return browser.page(
        "mail.html",
        title=browser.say(f"mail.{purpose}_title"),
        about=browser.say(f"mail.{purpose}_about"),
        button=browser.say(f"mail.{purpose}_button"),
    )


def _answer(browser: Browser, purpose: Purpose, is_good: bool) -> Response:
    if not is_good:
        raise PageError(404, "mail.bad_link")
    return browser.page(
        "done.html", title=browser.say(f"mail.{purpose}_title"), message=browser.say(f"mail.{purpose}_done")
    )


ROUTES = [
    Route("GET", CONFIRM, ask_to_confirm, "askToConfirmMail", Auth.NONE, RateClass.READS),
    Route("POST", CONFIRM, confirm, "confirmMail", Auth.NONE, RateClass.READS, Body.RAW, MAX_FORM_BYTES),
    Route("GET", UNSUBSCRIBE, ask_to_unsubscribe, "askToUnsubscribeMail", Auth.NONE, RateClass.READS),
    Route(
        "POST",
        UNSUBSCRIBE,
        unsubscribe,
        "unsubscribeMail",
        Auth.NONE,
        RateClass.READS,
        Body.RAW,
        MAX_FORM_BYTES,
    ),
]
