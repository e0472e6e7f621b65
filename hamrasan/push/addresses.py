"""Where pushes go: the addresses that users give for their push gateways ("Security considerations")."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from hamrasan.protocol.errors import invalid_param
from hamrasan.runtime.outbound import Outbound, Reach

GATEWAY_PATH = "/_matrix/push/v1/notify"
MAX_URL_CHARS = 2_048
"""Longer than any gateway's; endpoints of Web Push have some hundred characters."""


def reach_of(url: str) -> Reach:
    """Return where a request to `url` may go: without encryption it stays in networks that the operator lists."""
    return Reach.PUBLIC if url.startswith("https:") else Reach.LISTED


def check_gateway(url: object, outbound: Outbound) -> str:
    """Return the URL of a push gateway; raises `M_INVALID_PARAM` for what the specification does not allow."""
    text, parts = _check_url(url, outbound)
    if parts.path != GATEWAY_PATH:
        raise invalid_param(f"The path of 'data.url' must be {GATEWAY_PATH}.")
    return text


def check_push_resource(url: object, outbound: Outbound) -> str:
    """Return the URL of a Web Push subscription (RFC 8030, "push resource"); raises `M_INVALID_PARAM`."""
    return _check_url(url, outbound)[0]


def _check_url(url: object, outbound: Outbound) -> tuple[str, SplitResult]:
    """Return a URL to which this server will send, and its parts.

    Only what can be seen without asking for names: the address itself is looked at whenever a connection is opened.
    """
    if not isinstance(url, str) or not 0 < len(url) <= MAX_URL_CHARS:
        raise invalid_param(f"'data.url' must be a URL of at most {MAX_URL_CHARS} characters.")
    if not url.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in url):
        raise invalid_param("'data.url' holds characters that no URL has.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise invalid_param("'data.url' is no URL.") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and outbound.lists_networks):
        raise invalid_param("'data.url' must be an HTTPS URL.")
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise invalid_param("'data.url' must name a host, and no user, password or fragment.")
    _check_address(host, url, outbound)
    return url, parts


def _check_address(host: str, url: str, outbound: Outbound) -> None:
    try:
        address = str(ip_address(host))
    except ValueError:
        return
    if not outbound.may_reach(address, reach_of(url)):
        raise invalid_param("'data.url' names an address that this server does not send to.")
