"""From a template to an answer: no script, one style, no request to anywhere, and no frame around it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import partial
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hamrasan.http.pages.language import DIRECTIONS, Language, text
from hamrasan.http.response import Response, html

_STYLE = (resources.files("hamrasan.http.pages") / "pages.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_TEMPLATES = Environment(
    loader=PackageLoader("hamrasan.http.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(
    template: str,
    language: Language,
    values: dict[str, Any],
    *,
    status: int = 200,
    forms_lead_to: Iterable[str] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Return a page; its forms may lead to this server, and through it to the sources of `forms_lead_to`."""
    page = _TEMPLATES.get_template(template).render(
        values,
        t=partial(text, language),
        language=language,
        direction=DIRECTIONS[language],
        style=Markup(_STYLE),
    )
    actions = " ".join(("'self'", *forms_lead_to))
    return html(
        page,
        status,
        (
            (
                "Content-Security-Policy",
                f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action {actions};"
                " frame-ancestors 'none'; base-uri 'none'",
            ),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
            ("Content-Language", language),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            *headers,
        ),
    )
