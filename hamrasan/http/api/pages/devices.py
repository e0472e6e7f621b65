"""The devices that are logged in to an account, on the account's page."""

from __future__ import annotations

from typing import Any

from hamrasan.http.api.pages.account import DEVICES
from hamrasan.http.browser import Browser, PageError, page, signed_in
from hamrasan.http.forms import MAX_FORM_BYTES
from hamrasan.http.pages.dates import day
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.devices import DeviceRow

END = f"{DEVICES}/end"
MAX_SHOWN = 500
"""Devices on one page; whoever has more sees those that were there most recently, and signs some out."""


@page
@signed_in
async def show(browser: Browser) -> Response:
    """Show the devices, or the one that the address names."""
    if "device_id" in browser.query:
        return await _device(browser, await _named(browser))
    devices = await browser.services.devices.of_user(browser.user_id)
    devices.sort(key=lambda device: device.last_seen_ts or device.created_ts, reverse=True)
    return browser.page(
        "devices.html",
        devices=[_shown(device, browser) for device in devices[:MAX_SHOWN]],
        notice=browser.say("devices.ended") if browser.query.get("done") == "ended" else None,
    )


@page
@signed_in
async def rename(browser: Browser) -> Response:
    """Call a device something else."""
    name = browser.form().get("name", "").strip()
    device = await _named(browser)
    try:
        await browser.services.devices.rename(browser.user_id, device.device_id, name)
    except MatrixError as refusal:
        if refusal.status != 400:
            raise
        return await _device(browser, device, browser.say("device.bad_name"))
    return browser.go(browser.path(DEVICES, device_id=device.device_id, done="saved"))


@page
@signed_in
async def end(browser: Browser) -> Response:
    """Sign a device out; what hangs on it goes with it."""
    browser.form()
    device = await _named(browser)
    await browser.services.end_sessions.end(browser.user_id, [device.device_id])
    return browser.go(browser.path(DEVICES, done="ended"))


async def _named(browser: Browser) -> DeviceRow:
    device = await browser.services.devices.find(browser.user_id, browser.query.get("device_id", ""))
    if device is None:
        raise PageError(404, "error.not_found")
    return device


async def _device(browser: Browser, device: DeviceRow, alert: str = "") -> Response:
    services = browser.services
    session = await services.oauth_tokens.session_of(browser.user_id, device.device_id)
    client = await services.oauth_clients.find(session.client_id) if session else None
    return browser.page(
        "device.html",
        status=400 if alert else 200,
        device=_shown(device, browser),
        client_host=client.metadata.host if client else None,
        alert=alert,
        notice=browser.say("account.saved") if browser.query.get("done") == "saved" else None,
    )


def _shown(device: DeviceRow, browser: Browser) -> dict[str, Any]:
    return {
        "id": device.device_id,
        "name": device.display_name or device.device_id,
        "display_name": device.display_name or "",
        "since": day(device.created_ts, browser.language),
        "seen": None if device.last_seen_ts is None else day(device.last_seen_ts, browser.language),
        "address": device.last_seen_ip,
        "link": browser.path(DEVICES, device_id=device.device_id),
        "end_link": browser.path(END, device_id=device.device_id),
    }


_NONE, _LOGIN, _FORM = Auth.NONE, RateClass.LOGIN, MAX_FORM_BYTES

ROUTES = [
    Route("GET", DEVICES, show, "showDevices", _NONE, RateClass.READS),
    Route("POST", DEVICES, rename, "renameDeviceOnPage", _NONE, _LOGIN, Body.RAW, _FORM),
    Route("POST", END, end, "endDeviceOnPage", _NONE, _LOGIN, Body.RAW, _FORM),
]
