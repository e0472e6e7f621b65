"""Under which address this server is asked."""

from __future__ import annotations

import re

from hamrasan.http.request import Request
from hamrasan.http.services import Services

_HOST = re.compile(r"(?: [0-9A-Za-z.-]{1,255} | \[ [0-9A-Fa-f:.]{2,45} \] ) (?: : [0-9]{1,5} )?", re.VERBOSE)
_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "forwarded")


def own_url(request: Request, services: Services) -> str:
    """Return where apps reach the server, without a slash at the end.

    If the operator has not said so, that is where this browser did.
    """
    host = request.header("host") or ""
    if services.settings.public_url is None and _HOST.fullmatch(host):
        return f"http://{host}"
    return services.settings.base_url


def knows_own_url(request: Request, services: Services) -> bool:
    """Tell whether the address is sure enough to send people there: what a proxy listens at, only an operator knows."""
    if services.settings.public_url is not None:
        return True
    return not any(request.header(name) for name in _FORWARDED)
