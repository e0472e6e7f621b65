"""Pages that complete a stage of authentication for clients that cannot ("User-Interactive Authentication API",
"Fallback").

A page holds one form in the browser's language, loads nothing, and cannot be put into a frame.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from hamrasan.accounts.user_interactive import DUMMY, PASSWORD, REGISTRATION_TOKEN, SSO, StageFailed
from hamrasan.http.api.oauth.addresses import CONFIRM
from hamrasan.http.own_url import own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, html, redirect
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError, invalid_param, not_found

MAX_FORM_BYTES = 8 * 1024
"""A user name and a password, each percent-encoded."""


class _Field(NamedTuple):
    name: str
    kind: str
    label: Mapping[str, str]


_FIELDS: Mapping[str, tuple[_Field, ...]] = {
    DUMMY: (),
    REGISTRATION_TOKEN: (_Field("token", "text", {"en": "Registration token", "fa": "رمز ثبت‌نام"}),),
    PASSWORD: (
        _Field("user", "text", {"en": "User name", "fa": "نام کاربری"}),
        _Field("password", "password", {"en": "Password", "fa": "گذرواژه"}),
    ),
}
"""What each stage asks for."""

_WRONG_VALUE = frozenset({"M_FORBIDDEN", "M_UNAUTHORIZED"})
"""Refusals after which somebody may try again."""

_TITLE = {"en": "Confirm", "fa": "تأیید"}
_GO_ON = {"en": "Continue", "fa": "ادامه"}
_DONE = {"en": "Done. You can close this window.", "fa": "انجام شد. این پنجره را ببندید."}
_AGAIN = {"en": "That was not right; please try again.", "fa": "درست نبود؛ لطفاً دوباره بنویسید."}

_TELL_CLIENT = (
    "if (window.onAuthDone) { window.onAuthDone(); }"
    ' else if (window.opener && window.opener.postMessage) { window.opener.postMessage("authDone", "*"); }'
)
"""The script that the specification prescribes."""
_STYLE = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:24rem;margin:15vh auto 0;padding:0 1rem}"
    "input,button{font:inherit;box-sizing:border-box;width:100%;padding:.6rem;margin-block:.2rem 1rem}"
    "p[role=alert]{color:#b00020}"
)


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


_HEADERS = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; script-src {_source(_TELL_CLIENT)}; style-src {_source(_STYLE)};"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


async def show_form(request: Request, services: Services) -> Response:
    """Show the form of a stage."""
    if request.path["auth_type"] == SSO:
        query = urlencode({"session": request.query.required("session")})
        return redirect(f"{urlsplit(own_url(request, services)).path}{CONFIRM}?{query}")
    kind, session_id = _stage_of(request)
    services.interactive.check_stage(session_id, kind)
    return _page(request, _form(kind, _language(request)))


async def take_form(request: Request, services: Services) -> Response:
    """Complete a stage with what the form holds, and tell the client; a wrong value shows the form again."""
    kind, session_id = _stage_of(request)
    try:
        filled = dict(parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise invalid_param("The form is not percent-encoded UTF-8.") from None
    submitted = {"type": kind, **{field.name: filled.get(field.name, "") for field in _FIELDS[kind]}}
    language = _language(request)
    try:
        await services.interactive.submit(session_id, submitted)
    except (StageFailed, MatrixError) as refusal:
        if refusal.errcode not in _WRONG_VALUE:
            raise
        return _page(request, f'<p role="alert">{_AGAIN[language]}</p>' + _form(kind, language))
    return done_page(request)


def done_page(request: Request) -> Response:
    """Tell the client, and the person, that a stage is completed."""
    return _page(request, f"<p>{_DONE[_language(request)]}</p><script>{_TELL_CLIENT}</script>")


def _stage_of(request: Request) -> tuple[str, str]:
    kind = request.path["auth_type"]
    if kind not in _FIELDS:
        raise not_found("This server has no such stage of authentication.")
    return kind, request.query.required("session")


def _language(request: Request) -> str:
    """Return the browser's first language that the page has."""
    for wish in (request.header("accept-language") or "").split(","):
        code = wish.strip().lower()[:2]
        if code in _TITLE:
            return code
    return "en"


def _form(kind: str, language: str) -> str:
    inputs = "".join(
        f'<label>{escape(field.label[language])}<input name="{field.name}" type="{field.kind}" dir="auto"'
        ' autocapitalize="none" spellcheck="false" required></label>'
        for field in _FIELDS[kind]
    )
    return f'<form method="post">{inputs}<button>{_GO_ON[language]}</button></form>'


def _page(request: Request, inside: str) -> Response:
    language = _language(request)
    direction = "rtl" if language == "fa" else "ltr"
    return html(
        f'<!doctype html><html lang="{language}" dir="{direction}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_TITLE[language]}</title><style>{_STYLE}</style><h1>{_TITLE[language]}</h1>{inside}</html>",
        headers=_HEADERS,
    )


_PAGE = "/_matrix/client/v3/auth/{auth_type}/fallback/web"

ROUTES = [
    Route("GET", _PAGE, show_form, "authFallback", Auth.NONE, RateClass.READS),
    Route(
        "POST", _PAGE, take_form, "authFallbackSubmit", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES
    ),
]
