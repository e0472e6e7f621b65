"""People at browsers, and clients that log in through OAuth 2.0, step by step over HTTP."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from tests.running import PASSWORD, Person, Running, answered

REDIRECT = "https://app.client.test/callback"
WEB_CLIENT: dict[str, Any] = {
    "client_name": "Test client",
    "client_uri": "https://client.test/",
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "web",
}
VERIFIER = "a-verifier-of-the-tests-that-is-long-enough-0123456789"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def scope_of(device_id: str) -> str:
    return f"urn:matrix:client:api:* urn:matrix:client:device:{device_id}"


@dataclass
class Form:
    """A form of a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.attributes: dict[str, dict[str, str | None]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.attributes.setdefault(tag, values)
        if tag == "form":
            assert values.get("method") == "post"
            self.forms.append(Form(values.get("action") or ""))
        elif tag == "input":
            self.forms[-1].fields[values["name"] or ""] = values.get("value") or ""
        elif tag == "button" and values.get("name"):
            self.forms[-1].buttons.append((values["name"] or "", values.get("value") or ""))
        elif tag == "a":
            self.links.append(values.get("href") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


class Page:
    """A page that a browser shows."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        reader = _Reader()
        reader.feed(response.text)
        self.forms, self.links, self.tags, self.text = reader.forms, reader.links, reader.tags, reader.text
        self.language = (reader.attributes.get("html") or {}).get("lang")
        self.direction = (reader.attributes.get("html") or {}).get("dir")


class Tab:
    """A browser: it keeps cookies, and follows redirections within the server."""

    def __init__(self, url: str, language: str = "en") -> None:
        self.http = httpx.Client(
            base_url=url, timeout=30.0, trust_env=False, headers={"Accept-Language": language}
        )
        self.url = url
        self.address = ""
        """Where the browser is: on the server, or at a client's address."""

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open(self, address: str) -> Page:
        """Open an address as by a link, and follow where it leads."""
        return self._follow(self.http.get(urljoin(self.url, address)))

    def submit(self, page: Page, number: int = 0, /, *, button: str | None = None, **filled: str) -> Page:
        """Fill a form of a page and send it."""
        form = page.forms[number]
        fields = {**form.fields, **filled}
        if button is not None:
            name = next(name for name, value in form.buttons if value == button)
            fields[name] = button
        address = urljoin(str(page.response.url), form.action or str(page.response.url))
        return self._follow(self.http.post(address, data=fields))

    def _follow(self, response: httpx.Response) -> Page:
        while response.is_redirect:
            self.address = urljoin(str(response.url), response.headers["location"])
            if not self.address.startswith(self.url):
                return Page(response)
            response = self.http.get(self.address)
        self.address = str(response.url)
        return Page(response)

    def sign_in(self, page: Page, user: str, password: str = PASSWORD) -> Page:
        return self.submit(page, user=user, password=password)

    @property
    def brought(self) -> dict[str, str]:
        """Return what the client at `address` gets in query or fragment."""
        parts = urlsplit(self.address)
        return dict(parse_qsl(parts.fragment or parts.query))


class Client:
    """A client of the OAuth 2.0 API."""

    def __init__(self, server: Running, **said: Any) -> None:
        self.http = server.anonymous()
        self.metadata = answered(self.http.get("/_matrix/client/v1/auth_metadata"))
        registered = self.http.post(self.metadata["registration_endpoint"], json={**WEB_CLIENT, **said})
        assert registered.status_code == 201, registered.text
        self.registered = registered.json()
        self.client_id: str = self.registered["client_id"]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def way_in(self, device_id: str = "DEVICE", /, **changed: str | None) -> str:
        """Return the address to which this client sends browsers."""
        asked: Mapping[str, str | None] = {
            "response_type": "code",
            "response_mode": "fragment",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "scope": scope_of(device_id),
            "state": "the-state",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changed,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        return str(httpx.URL(self.metadata["authorization_endpoint"], params=query))

    def code_from(self, tab: Tab, who: Person, device_id: str = "DEVICE", /, **changed: str | None) -> str:
        """Return a code that somebody gives this client."""
        page = tab.open(self.way_in(device_id, **changed))
        if any("password" in form.fields for form in page.forms):
            page = tab.sign_in(page, who.localpart)
        tab.submit(page, button="allow")
        assert "code" in tab.brought, page.text
        return tab.brought["code"]

    def post_token(self, **fields: str | None) -> httpx.Response:
        """Ask the token endpoint."""
        data = {name: value for name, value in fields.items() if value is not None}
        return self.http.post(self.metadata["token_endpoint"], data=data)

    def exchange(self, code: str, /, **changed: str | None) -> httpx.Response:
        """Exchange a code for tokens."""
        fields: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            **changed,
        }
        return self.post_token(**fields)

    def refresh(self, refresh_token: str, /, **changed: str | None) -> httpx.Response:
        """Exchange a refresh token for new tokens."""
        fields: dict[str, str | None] = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self.client_id,
            **changed,
        }
        return self.post_token(**fields)

    def log_in(self, server: Running, who: Person, device_id: str = "DEVICE") -> dict[str, Any]:
        """Log somebody in and return the tokens."""
        with Tab(server.url) as tab:
            tokens: dict[str, Any] = answered(self.exchange(self.code_from(tab, who, device_id)))
        return tokens


def refused_by_oauth(response: httpx.Response, error: str, status: int = 400) -> None:
    """Fail unless an answer is this refusal, in the form of RFC 6749."""
    assert (response.status_code, response.json().get("error")) == (status, error), response.text
    assert response.json()["error_description"].isascii()
    assert response.json().keys() == {"error", "error_description"}


def whoami(server: Running, token: str) -> httpx.Response:
    with server.anonymous() as http:
        headers = {"Authorization": f"Bearer {token}"}
        return http.get("/_matrix/client/v3/account/whoami", headers=headers)
