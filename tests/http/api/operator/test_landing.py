"""The page at the server's own address: what it says, and what it must never do."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from hamrasan.http.pages.landing import landing_page
from hamrasan.runtime.settings import Registration
from tests.running import Running, running


class _Page(HTMLParser):
    """The elements of a page, their attributes, and the text of each language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, str]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        language = attributes.get("lang") or (self.open[-1][1] if self.open else "")
        if tag not in ("meta", "link"):
            self.open.append((tag, language))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] not in ("style", "title"):
            language = self.open[-1][1]
            self.texts[language] = self.texts.get(language, "") + data


def _page(
    registration: Registration = "open", name: str = "example.org", url: str = "https://chat.example.org"
) -> _Page:
    return _Page(landing_page(name, url, registration).body.decode())


def test_it_says_which_server_this_is_and_how_to_get_in(server: Running) -> None:
    with server.anonymous() as http:
        answer = http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = _Page(answer.text)
    assert page.elements[0] == ("html", {"lang": "fa", "dir": "rtl"})
    for language in ("fa", "en"):
        assert server.url in page.texts[language]
        assert f"@name:{server.name}" in page.texts[language]


def test_a_public_address_goes_before_the_one_that_was_asked(tmp_path: Path) -> None:
    with running(tmp_path, public_url="https://chat.example.org") as server, server.anonymous() as http:
        text = http.get("/").text
    assert "https://chat.example.org" in text
    assert server.url not in text


@pytest.mark.parametrize("host", ["<b>", "a b", "x" * 300, "example.org:99999999"])
def test_a_host_that_cannot_be_one_is_not_repeated(host: str, server: Running) -> None:
    answer = httpx.get(server.url, headers={"Host": host}, trust_env=False)
    assert answer.status_code == 200
    assert f"http://{host}<" not in answer.text
    assert "http://127.0.0.1" in answer.text


@pytest.mark.parametrize(
    ("registration", "english", "persian"),
    [
        ("open", "Anybody may sign up", "ثبت‌نام برای همه باز است"),
        ("token", "Sign-up by invitation", "ثبت‌نام با رمز ثبت‌نام"),
        ("closed", "Sign-up is closed", "ثبت‌نام بسته است"),
    ],
)
def test_it_says_who_may_sign_up(registration: Registration, english: str, persian: str) -> None:
    page = _page(registration)
    assert english in page.texts["en"]
    assert persian in page.texts["fa"]


def test_nothing_on_it_runs_or_comes_from_elsewhere() -> None:
    page = _page()
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "iframe", "img", "form", "object", "base"})
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_the_browser_is_told_to_see_to_that() -> None:
    response = landing_page("example.org", "https://chat.example.org", "open")
    policy = dict(response.headers)["Content-Security-Policy"]
    style = re.search(r"<style>(.*)</style>", response.body.decode(), re.DOTALL)
    assert style is not None
    assert f"style-src 'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_values_cannot_become_elements() -> None:
    page = _page(name="a<script>", url='https://"><script>')
    assert "script" not in {tag for tag, _ in page.elements}


def test_it_is_small() -> None:
    assert len(landing_page("example.org", "https://chat.example.org", "token").body) < 10_000


def test_no_side_of_the_page_is_left_or_right() -> None:
    text = landing_page("example.org", "https://chat.example.org", "open").body.decode()
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert re.findall(r"(?:margin|padding|border)-(?:left|right)|(?<![a-z-])(?:left|right)\s*:", style) == []
