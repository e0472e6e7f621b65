"""Which addresses a client may register, and which it may then use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.accounts.oauth.redirect_uris import is_redirect_uri, is_same_redirect_uri


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/callback",
        "https://app.example.com/callback",
        "https://example.com:5173/?query=value",
    ],
)
def test_what_web_clients_may_register(uri: str) -> None:
    assert is_redirect_uri(uri, "example.com", "web")
    assert is_redirect_uri(uri, "example.com", "native"), "as an address that the app claims"


@pytest.mark.parametrize(
    "uri",
    [
        "com.example.app:/callback",
        "com.example:/",
        "com.example:callback",
        "http://localhost/callback",
        "http://127.0.0.1/callback",
        "http://[::1]/callback",
    ],
)
def test_what_native_clients_may_register(uri: str) -> None:
    assert is_redirect_uri(uri, "example.com", "native")
    assert not is_redirect_uri(uri, "example.com", "web")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "//example.com/callback",
        "example:/callback",
        "com.example.app://callback",
        "com.exampleapp:/callback",
        "https://localhost/callback",
        "http://localhost:1234/callback",
        "http://localhost:/callback",
        "http://user@localhost/callback",
        "https://example.com/callback#fragment",
        "https://example.com/callback#",
        "https://user:password@example.com/",
        "https://example.com.evil.test/",
        "https://evilexample.com/",
        "https://example.com\\@evil.test/",
        "https://example.com:99999/",
        "https://exam\tple.com/",
        "https://exämple.com/",
        'https://example.com/"',
        "https://example.com/a b",
        "data:text/html,x",
        "javascript:alert(1)",
    ],
)
def test_what_nobody_may_register(uri: str) -> None:
    assert not is_redirect_uri(uri, "example.com", "web")
    assert not is_redirect_uri(uri, "example.com", "native")


@pytest.mark.parametrize(
    ("registered", "asked", "same"),
    [
        ("http://localhost/callback", "http://localhost:8765/callback", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:1/callback", True),
        ("http://[::1]/callback", "http://[::1]:65535/callback", True),
        ("http://localhost/callback", "http://localhost/callback", True),
        ("http://localhost/callback", "http://127.0.0.1:8765/callback", False),
        ("http://localhost/callback", "http://localhost:8765/other", False),
        ("http://localhost/callback", "http://localhost:8765@evil.test/callback", False),
        ("http://localhost/callback", "http://localhost:99999/callback", False),
        ("http://localhost/callback", "http://localhost:8765/callback#x", False),
        ("https://example.com/a", "https://example.com:8765/a", False),
        ("https://example.com/a", "https://example.com/A", False),
    ],
)
def test_the_address_that_is_asked_for_is_the_one_that_was_registered(
    registered: str, asked: str, same: bool
) -> None:
    assert is_same_redirect_uri(registered, asked) is same


@given(st.text(max_size=60))
def test_nothing_that_somebody_writes_leads_to_a_host_that_is_not_the_clients(text: str) -> None:
    uri = f"https://{text}"
    if is_redirect_uri(uri, "example.com", "web"):
        host = uri.split("/")[2].partition("?")[0].rpartition(":")[0] or uri.split("/")[2].partition("?")[0]
        assert host.endswith("example.com")
