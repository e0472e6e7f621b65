"""The account's page: name, password, browsers, and what an app may open it for ("Account management")."""

from __future__ import annotations

from hamrasan.accounts.passwords import check_new_password
from hamrasan.accounts.profiles import DISPLAY_NAME
from hamrasan.http.api.oauth.addresses import ACCOUNT, SIGN_IN
from hamrasan.http.api.pages.sign_in import why_refused
from hamrasan.http.browser import Browser, page, signed_in
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.pages.dates import digits
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError

DEVICES = f"{ACCOUNT}/devices"
PROFILE = f"{ACCOUNT}/profile"
PASSWORD = f"{ACCOUNT}/password"
BROWSERS = f"{ACCOUNT}/browsers"
CROSS_SIGNING = f"{ACCOUNT}/cross-signing"
DEACTIVATE = f"{ACCOUNT}/deactivate"

_ACTIONS = {
    "org.matrix.devices_list": DEVICES,
    "org.matrix.sessions_list": DEVICES,
    "org.matrix.account_deactivate": DEACTIVATE,
    "org.matrix.cross_signing_reset": CROSS_SIGNING,
}
"""What an app opens the page for; the second form of an action is of apps from before the specification had it."""
_DEVICE_ACTIONS = frozenset(
    {
        "org.matrix.device_view",
        "org.matrix.session_view",
        "org.matrix.device_delete",
        "org.matrix.session_end",
    }
)
_NOTICES = {"saved": "account.saved", "password": "password.changed"}


@page
@signed_in
async def show_account(browser: Browser) -> Response:
    """Show the account, or the page that an app has opened it for."""
    action, device_id = browser.query.get("action", ""), browser.query.get("device_id", "")
    if action in _ACTIONS:
        return browser.go(browser.path(_ACTIONS[action]))
    if action in _DEVICE_ACTIONS:
        return browser.go(browser.path(DEVICES, **({"device_id": device_id} if device_id else {})))
    return await _account(browser)


@page
@signed_in
async def save_profile(browser: Browser) -> Response:
    """Take another display name; an empty one is none. Suspended users keep the one they have."""
    name = browser.form().get("name", "").strip()
    if (await browser.services.accounts.access(browser.user_id)).suspended:
        return await _account(browser, browser.say("account.suspended"), 403)
    change = browser.services.change_profile
    try:
        if name:
            await change.set_field(browser.user_id, DISPLAY_NAME, name)
        else:
            await change.delete_field(browser.user_id, DISPLAY_NAME)
    except MatrixError as refusal:
        if refusal.status != 400:
            raise
        return await _account(browser, browser.say("account.bad_name"), 400)
    return browser.go(browser.path(ACCOUNT, done="saved"))


@page
@signed_in
async def show_password(browser: Browser) -> Response:
    """Ask for the old password and a new one."""
    return browser.page("password.html", alert="")


@page
@signed_in
async def change_password(browser: Browser) -> Response:
    """Change the password; other browsers are signed out, apps stay."""
    form = browser.form()
    wrong = await wrong_password(browser, form.get("password", ""))
    if wrong:
        return browser.page("password.html", status=403, alert=wrong)
    new = form.get("new", "")
    if new != form.get("again"):
        return browser.page("password.html", status=400, alert=browser.say("sign_up.differ"))
    try:
        check_new_password(new)
    except MatrixError as refusal:
        key = "sign_up.weak" if refusal.errcode == "M_WEAK_PASSWORD" else "sign_up.long"
        return browser.page("password.html", status=400, alert=browser.say(key))
    services, user_id = browser.services, browser.user_id
    await services.accounts.set_password(user_id, new)
    browser.give_secret(await services.browser_sessions.open(user_id, browser.secret))
    return browser.go(browser.path(ACCOUNT, done="password"))


@page
@signed_in
async def sign_out_browsers(browser: Browser) -> Response:
    """Sign all browsers of the user out."""
    browser.form()
    await browser.services.browser_sessions.close_all(browser.user_id)
    browser.give_secret(browser.services.browser_sessions.new_secret())
    return browser.go(browser.path(SIGN_IN))


@page
@signed_in
async def ask_cross_signing(browser: Browser) -> Response:
    """Ask whether a client may replace the user's cross-signing keys."""
    return await _cross_signing(browser, "")


@page
@signed_in
async def approve_cross_signing(browser: Browser) -> Response:
    """Let a client replace the user's cross-signing keys, soon and once."""
    form = browser.form()
    wrong = await unproved(browser, form.get("password", ""))
    if wrong:
        return await _cross_signing(browser, wrong)
    browser.services.approvals.give(browser.user_id)
    title, message = browser.say("cross_signing.title"), browser.say("cross_signing.done")
    return browser.page("done.html", title=title, message=message)


@page
@signed_in
async def ask_deactivation(browser: Browser) -> Response:
    """Ask whether the account is to end."""
    return await _deactivation(browser, "")


@page
@signed_in
async def deactivate(browser: Browser) -> Response:
    """End the account for good."""
    form = browser.form()
    wrong = await unproved(browser, form.get("password", ""))
    if wrong:
        return await _deactivation(browser, wrong)
    erase = form.get("erase") == "yes"
    await browser.services.deactivate_account.by_administrator(browser.user_id, erase=erase)
    browser.session = None
    title, message = browser.say("deactivate.title"), browser.say("deactivate.done")
    return browser.page("done.html", title=title, message=message)


async def wrong_password(browser: Browser, password: str) -> str:
    """Return what is wrong with the password of whoever is signed in; nothing if it is right."""
    try:
        await browser.services.accounts.check_password(
            browser.user_id, password, browser.request.client_address
        )
    except MatrixError as refusal:
        if refusal.status == 429:
            return why_refused(browser, refusal)
        return browser.say("account.wrong_password")
    return ""


async def unproved(browser: Browser, password: str) -> str:
    """Return why it is not proved who sits there, before what cannot be undone; nothing if it is.

    By the password, or where there is none by having signed in a moment ago.
    """
    if await browser.services.reauthentication.is_possible(browser.user_id):
        return await wrong_password(browser, password)
    assert browser.session is not None
    if browser.services.browser_sessions.is_fresh(browser.session):
        return ""
    return browser.say("account.stale")


async def _account(browser: Browser, alert: str = "", status: int = 200) -> Response:
    services, user_id = browser.services, browser.user_id
    names = await services.profiles.names(user_id)
    devices = await services.devices.of_user(user_id)
    notice = _NOTICES.get(browser.query.get("done", ""))
    return browser.page(
        "account.html",
        status=status,
        name=names.displayname or "",
        alert=alert,
        notice=browser.say(notice) if notice else None,
        device_count=digits(len(devices), browser.language),
        has_password=await services.reauthentication.is_possible(user_id),
        two_step_state=browser.say(
            "two_step.is_on" if await services.two_step.is_on(user_id) else "two_step.is_off"
        ),
    )


async def _cross_signing(browser: Browser, alert: str) -> Response:
    return browser.page(
        "confirm.html",
        status=403 if alert else 200,
        title=browser.say("cross_signing.title"),
        about=browser.say("cross_signing.about"),
        button=browser.say("cross_signing.button"),
        alert=alert,
        danger=False,
        erase_question=None,
        asks_password=await browser.services.reauthentication.is_possible(browser.user_id),
    )


async def _deactivation(browser: Browser, alert: str) -> Response:
    return browser.page(
        "confirm.html",
        status=403 if alert else 200,
        title=browser.say("deactivate.title"),
        about=browser.say("deactivate.about"),
        button=browser.say("deactivate.button"),
        alert=alert,
        danger=True,
        erase_question=browser.say("deactivate.erase"),
        asks_password=await browser.services.reauthentication.is_possible(browser.user_id),
    )


_NONE, _LOGIN, _READS, _FORM = Auth.NONE, RateClass.LOGIN, RateClass.READS, MAX_FORM_BYTES

ROUTES = [
    Route("GET", ACCOUNT, show_account, "showAccount", _NONE, _READS),
    Route("POST", PROFILE, save_profile, "saveProfile", _NONE, _LOGIN, Body.RAW, _FORM),
    Route("GET", PASSWORD, show_password, "showPassword", _NONE, _READS),
    Route("POST", PASSWORD, change_password, "changePasswordOnPage", _NONE, _LOGIN, Body.RAW, _FORM),
    Route("POST", BROWSERS, sign_out_browsers, "signOutBrowsers", _NONE, _LOGIN, Body.RAW, _FORM),
    Route("GET", CROSS_SIGNING, ask_cross_signing, "askCrossSigning", _NONE, _READS),
    Route(
        "POST", CROSS_SIGNING, approve_cross_signing, "approveCrossSigning", _NONE, _LOGIN, Body.RAW, _FORM
    ),
    Route("GET", DEACTIVATE, ask_deactivation, "askDeactivation", _NONE, _READS),
    Route("POST", DEACTIVATE, deactivate, "deactivateOnPage", _NONE, _LOGIN, Body.RAW, _FORM),
]
