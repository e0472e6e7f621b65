"""Whose address counts when proxies stand between."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.http.addresses import TrustedProxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (("192.0.2.1", 1), None, "192.0.2.1"),
        (("192.0.2.1", 1), "198.51.100.1", "192.0.2.1"),
        (("127.0.0.1", 1), None, "127.0.0.1"),
        (("127.0.0.1", 1), "198.51.100.1", "198.51.100.1"),
        (("::1", 1, 0, 0), "2001:db8::1", "2001:db8::1"),
        (("::ffff:127.0.0.1", 1, 0, 0), "198.51.100.1", "198.51.100.1"),
        (("127.0.0.1", 1), "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (("127.0.0.1", 1), "198.51.100.1, 10.1.2.3", "198.51.100.1"),
        (("127.0.0.1", 1), "198.51.100.1, 10.1.2.3, 127.0.0.1", "198.51.100.1"),
        (("127.0.0.1", 1), "10.1.2.3", "10.1.2.3"),
        (("10.9.9.9", 1), "198.51.100.1", "198.51.100.1"),
        (("127.0.0.1", 1), "198.51.100.1:4711", "198.51.100.1"),
        (("127.0.0.1", 1), "[2001:db8::1]:4711", "2001:db8::1"),
        (("127.0.0.1", 1), "unknown", "127.0.0.1"),
        (("127.0.0.1", 1), "", "127.0.0.1"),
        (("127.0.0.1", 1), "<script>, 10.1.2.3", "10.1.2.3"),
        (("fe80::1%eth0", 1, 0, 2), "198.51.100.1", "fe80::1%eth0"),
        ("", None, "unix"),
        (None, "198.51.100.1", "198.51.100.1"),
    ],
)
def test_client_address(peer: Any, forwarded: str | None, client: str) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).client_address(peer, forwarded) == client


def test_refuses_what_is_no_network() -> None:
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies(["proxy.example.org"])
