"""A person's browser: its cookies, its language, whether it is signed in, and whether a form comes from our pages."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import wraps
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from hamrasan.accounts.browser_sessions import LIFETIME_MS
from hamrasan.accounts.secrets import BROWSER, is_token
from hamrasan.http.api.oauth.addresses import ACCOUNT, SIGN_IN
from hamrasan.http.forms import parse_fields, parse_form
from hamrasan.http.own_url import own_url
from hamrasan.http.pages.language import LANGUAGES, Language, choose_language, text
from hamrasan.http.pages.rendering import render
from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.oauth import BrowserSessionRow

LANGUAGE_COOKIE = "hamrasan_language"
LANGUAGE_S = 365 * 24 * 60 * 60
COOKIE = "hamrasan"
SECURE_COOKIE = "__Host-hamrasan"
"""Behind https; browsers take a cookie of such a name from nobody but this very host."""
CSRF_FIELD = "form"
MAX_CONTINUE_CHARS = 8_000
"""An authorization request, percent-encoded once more."""


class PageError(Exception):
    """Something that a person is told on a page of its own; `key` names the message."""

    def __init__(self, status: int, key: str, **values: object) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.values = values


class Browser:
    """One request of a person's browser, and what the answer has to bring it."""

    def __init__(self, request: Request, services: Services) -> None:
        self.request = request
        self.services = services
        self.url = own_url(request, services)
        self.session: BrowserSessionRow | None = None
        self.query = parse_fields(request.query_string)
        self._cookies = _cookies_of(request)
        self._to_set: list[str] = []
        self._secure = self.url.startswith("https://")
        asked = self.query.get("lang")
        self.language: Language = choose_language(
            asked, self._cookies.get(LANGUAGE_COOKIE), request.header("accept-language")
        )
        if asked in LANGUAGES:
            self._set_cookie(LANGUAGE_COOKIE, self.language, LANGUAGE_S)
        secret = self._cookies.get(self._cookie_name, "")
        self.secret = secret if is_token(secret, BROWSER) else None

    @property
    def _cookie_name(self) -> str:
        return SECURE_COOKIE if self._secure else COOKIE

    @property
    def user_id(self) -> str:
        """Return who is signed in; only to be asked if somebody is."""
        assert self.session is not None
        return self.session.user_id

    def path(self, path: str, **query: str) -> str:
        """Return the path of a page of ours as the browser sees it."""
        return urlsplit(self.url).path + path + (f"?{urlencode(query)}" if query else "")

    def here(self, **changed: str) -> str:
        """Return the path and query of this very page, with some of the query changed."""
        query = urlencode({**self.query, **changed})
        path = quote(self.request.target.partition("?")[0], safe="/%:@")
        return urlsplit(self.url).path + path + (f"?{query}" if query else "")

    def form(self) -> dict[str, str]:
        """Return the fields of a form of ours; raises `PageError` for one that another site sent, or an old one."""
        fields = parse_form(self.request)
        origin = self.request.header("sec-fetch-site")
        sent = fields.get(CSRF_FIELD, "").encode()
        own = self.secret is not None and hmac.compare_digest(sent, self._form_token().encode())
        if not own or origin not in (None, "same-origin", "none"):
            raise PageError(403, "error.foreign_form")
        return fields

    def _form_token(self) -> str:
        """Return what a form carries to show that it comes from a page that this browser got."""
        digest = hmac.digest(self.ensure_secret().encode(), b"form", sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def ensure_secret(self) -> str:
        """Return the browser's secret, which it gets with the answer if it has none."""
        if self.secret is None:
            self.give_secret(self.services.browser_sessions.new_secret())
        assert self.secret is not None
        return self.secret

    def give_secret(self, secret: str) -> None:
        """Let the browser have this secret from now on."""
        self.secret = secret
        self._set_cookie(self._cookie_name, secret, LIFETIME_MS // 1000)

    def _set_cookie(self, name: str, value: str, max_age_s: int) -> None:
        secure = "; Secure" if self._secure else ""
        self._to_set.append(f"{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}")

    def page(
        self, template: str, /, status: int = 200, forms_lead_to: Iterable[str] = (), **values: Any
    ) -> Response:
        """Return a page."""
        values = {
            "server_name": self.services.settings.server_name,
            "path": self.path,
            "form_token": self._form_token(),
            "signed_in": self.session.user_id if self.session else None,
            "other_language": self.here(lang="en" if self.language == "fa" else "fa"),
            **values,
        }
        return render(
            template,
            self.language,
            values,
            status=status,
            forms_lead_to=forms_lead_to,
            headers=self._headers(),
        )

    def go(self, location: str) -> Response:
        """Send the browser somewhere; `location` is percent-encoded and was checked."""
        headers = (("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
        return Response(303, b"", "text/plain; charset=utf-8", (*headers, *self._headers()))

    def error(self, failure: PageError) -> Response:
        """Return the page that tells of a failure."""
        message = text(self.language, failure.key, **failure.values)
        return self.page("error.html", status=failure.status, message=message)

    def say(self, key: str, **values: object) -> str:
        """Return a message in the browser's language."""
        return text(self.language, key, **values)

    def _headers(self) -> list[tuple[str, str]]:
        return [("Set-Cookie", cookie) for cookie in self._to_set]


PageHandler = Callable[[Browser], Coroutine[Any, Any, Response]]
Handler = Callable[[Request, Services], Coroutine[Any, Any, Response]]


def page(handler: PageHandler) -> Handler:
    """Make a handler of requests from one of browsers: who is signed in is known, and refusals are pages."""

    @wraps(handler)
    async def handle(request: Request, services: Services) -> Response:
        browser = Browser(request, services)
        if browser.secret is not None:
            browser.session = await services.browser_sessions.find(browser.secret)
        try:
            return await handler(browser)
        except PageError as failure:
            return browser.error(failure)
        except MatrixError as refusal:
            return browser.error(told(refusal))

    return handle


def signed_in(handler: PageHandler) -> PageHandler:
    """Let a page be seen by those who are signed in; others are sent to do so first, and come back."""

    @wraps(handler)
    async def handle(browser: Browser) -> Response:
        if browser.session is None:
            return browser.go(browser.path(SIGN_IN, **{"continue": continuation(browser)}))
        return await handler(browser)

    return handle


def continuation(browser: Browser) -> str:
    """Return this page as somewhere to come back to, as `continue_to` takes it."""
    return browser.here().removeprefix(urlsplit(browser.url).path)


CONTINUATIONS = ("/oauth/authorize", "/account", "/link", "/sso")
"""The pages to which signing in may lead on."""


def continue_to(query: Mapping[str, str]) -> str:
    """Return where to go after signing in: a page of ours and nothing else, whatever somebody wrote into a link."""
    wanted = query.get("continue", "")
    path = wanted.partition("?")[0]
    known = any(path == place or path.startswith(f"{place}/") for place in CONTINUATIONS)
    if not known or len(wanted) > MAX_CONTINUE_CHARS or not wanted.isascii() or not wanted.isprintable():
        return ACCOUNT
    return ACCOUNT if "\\" in wanted or "//" in path or " " in wanted or "#" in wanted else wanted


def told(refusal: MatrixError) -> PageError:
    """Return what a person is told of a refusal."""
    known = {
        429: "error.too_many",
        503: "error.unavailable",
        404: "error.not_found",
    }
    return PageError(refusal.status, known.get(refusal.status, "error.bad_request"))


def _cookies_of(request: Request) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in (request.header("cookie") or "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}
