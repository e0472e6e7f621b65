"""The server's own pages in a real browser: without scripts, on phone and desktop, in both languages and all lights."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.running import PASSWORD, Running, answered
from tests.signing_in import REDIRECT, Client, whoami

pytestmark = pytest.mark.timeout(240)
"""A browser beside all the other tests takes its time: a dozen pages in each of them."""

PHONE, DESKTOP = (360, 740), (1280, 800)
MIN_CONTRAST = 4.5
"""Of text to what is behind it (WCAG 2.2, level AA)."""

LOOKS = [
    (language, scheme, size)
    for language in ("fa", "en")
    for scheme in ("light", "dark")
    for size in (PHONE, DESKTOP)
]

CONTRASTS = """
() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const words = [...document.querySelectorAll("body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
  return words.map((element) => {
    const [one, other] = [parts(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
    return [element.textContent.trim().slice(0, 40), (one + 0.05) / (other + 0.05)];
  });
}
"""


def context_of(chromium: Browser, language: str, scheme: Any, size: tuple[int, int]) -> BrowserContext:
    return chromium.new_context(
        locale="fa-IR" if language == "fa" else "en-GB",
        color_scheme=scheme,
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=False,
    )


def check_look(page: Page, language: str) -> None:
    """Fail unless a page fits the window, speaks its language, can be read, and has a name for every field."""
    assert page.locator("html").get_attribute("dir") == ("rtl" if language == "fa" else "ltr")
    body = page.locator("body")
    overflow = body.evaluate("body => body.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{page.url} is wider than the window"
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 3
    assert [(text, ratio) for text, ratio in contrasts if ratio < MIN_CONTRAST] == [], page.url
    for field in page.locator("input:not([type=hidden]):not([hidden])").all():
        assert field.evaluate("field => field.labels.length") == 1, field


@pytest.mark.parametrize(("language", "scheme", "size"), LOOKS)
def test_every_page_can_be_read_and_used(
    server: Running, chromium: Browser, language: str, scheme: str, size: tuple[int, int]
) -> None:
    who = server.register()
    complaints: list[str] = []
    with Client(server) as client, context_of(chromium, language, scheme, size) as context:
        client.log_in(server, who, "PHONE")
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(client.way_in("PHONE"))
        check_look(page, language)
        page.fill("#user", who.localpart)
        page.fill("#password", PASSWORD)
        page.click("main button")
        check_look(page, language)
        for path in (
            "/account",
            "/account/devices",
            "/account/devices?device_id=PHONE",
            "/account/password",
            "/account/two-step",
            "/account/cross-signing",
            "/account/deactivate",
            "/link",
            "/sso?redirectUrl=https://app.test/",
        ):
            page.goto(server.url + path)
            check_look(page, language)
        context.clear_cookies()
        for path in ("/signin", "/signup", "/link"):
            page.goto(server.url + path)
            check_look(page, language)
    assert complaints == [], (
        "the browser finds nothing to complain of, such as styles that the policy forbids"
    )


def test_a_browser_carries_the_code_to_the_app(server: Running, chromium: Browser) -> None:
    who = server.register()
    with Client(server) as client, context_of(chromium, "fa", "light", PHONE) as context:
        context.route("https://app.client.test/**", lambda route: route.fulfill(body="the app"))
        page = context.new_page()
        page.goto(client.way_in(response_mode="query"))
        page.fill("#user", who.localpart)
        page.fill("#password", PASSWORD)
        page.click("main button")
        page.click("button[value=allow]")
        page.wait_for_url(f"{REDIRECT}?**")
        code = page.url.partition("code=")[2].partition("&")[0]
        tokens = answered(client.exchange(code))
        assert answered(whoami(server, tokens["access_token"]))["user_id"] == who.user_id


def test_another_site_can_neither_frame_a_page_nor_send_its_forms(server: Running, chromium: Browser) -> None:
    who = server.register()
    evil = (
        f'<iframe src="{server.url}/account"></iframe>'
        f'<form method="post" action="{server.url}/account/profile"><input name="name" value="Stolen">'
        "<button>Win a prize</button></form>"
    )
    with context_of(chromium, "en", "light", DESKTOP) as context:
        page = context.new_page()
        page.goto(f"{server.url}/signin")
        page.fill("#user", who.localpart)
        page.fill("#password", PASSWORD)
        page.click("main button")
        assert who.user_id in page.inner_text("main")
        context.route(
            "https://evil.test/**", lambda route: route.fulfill(body=evil, content_type="text/html")
        )
        page.goto("https://evil.test/")
        frame = page.frames[1]
        assert who.user_id not in frame.content()
        page.click("button")
        page.wait_for_url(f"{server.url}/**")
        assert who.request("GET", f"/profile/{who.user_id}/displayname").status_code == 404
