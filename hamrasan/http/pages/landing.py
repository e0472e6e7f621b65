"""The page at the server's own address, for whoever opens it in a browser: Persian first, English beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources
from string import Template

from hamrasan.http.response import Response, html
from hamrasan.runtime.settings import Registration

_FILES = resources.files("hamrasan.http.pages")
_STYLE = (_FILES / "landing.css").read_text("utf-8")
_PAGE = Template((_FILES / "landing.html").read_text("utf-8"))
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'",
    ),
    ("Content-Language", "fa, en"),
    ("Cache-Control", "no-cache"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
"""No script at all, this one style, and no request to anywhere: the browser itself sees to it."""

_REGISTRATION: Mapping[Registration, Mapping[str, str]] = {
    "open": {
        "state_fa": "ثبت‌نام برای همه باز است",
        "enter_fa": "حساب تازه‌ای بسازید یا با حسابتان وارد شوید.",
        "state_en": "Anybody may sign up",
        "enter_en": "Create an account, or log in to yours.",
    },
    "token": {
        "state_fa": "ثبت‌نام با رمز ثبت‌نام",
        "enter_fa": "با رمز ثبت‌نامی که از مدیر سرور گرفته‌اید حساب بسازید، یا با حسابتان وارد شوید.",
        "state_en": "Sign-up by invitation",
        "enter_en": "Create an account with the registration token that the server's administrator gave you, or log in"
        " to yours.",
    },
    "closed": {
        "state_fa": "ثبت‌نام بسته است",
        "enter_fa": "با حسابی که مدیر سرور برایتان ساخته است وارد شوید.",
        "state_en": "Sign-up is closed",
        "enter_en": "Log in with the account that the server's administrator made for you.",
    },
}


def landing_page(server_name: str, url: str, registration: Registration) -> Response:
    """Return the page of the server `server_name`, which apps reach at `url`."""
    texts = {name: escape(text) for name, text in _REGISTRATION[registration].items()}
    page = _PAGE.substitute(
        texts, name=escape(server_name), url=escape(url), registration=registration, style=_STYLE
    )
    return html(page, headers=HEADERS)
