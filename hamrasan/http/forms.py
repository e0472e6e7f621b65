"""Bodies as forms send them: `application/x-www-form-urlencoded`."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hamrasan.http.request import Request
from hamrasan.protocol.errors import MatrixError, invalid_param

MAX_FORM_BYTES = 16 * 1024
"""A password, an address and a scope, each percent-encoded at three bytes a byte."""
MAX_FIELDS = 50
"""More than any form has."""

FORM = "application/x-www-form-urlencoded"


def parse_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; raises `M_INVALID_PARAM` for what is none, or has a field twice."""
    sent_as = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if sent_as != FORM:
        raise invalid_param(f"The body must be sent as {FORM}.")
    return parse_fields(request.body.decode("latin-1"))


def parse_fields(text: str) -> dict[str, str]:
    """Return the fields of a form or a query; raises `M_INVALID_PARAM` as `parse_form` does."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise _not_a_form() from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise invalid_param("No parameter may be sent more than once.")
    return fields


def _not_a_form() -> MatrixError:
    return invalid_param("The parameters are not percent-encoded UTF-8, or too many.")
