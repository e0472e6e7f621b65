from __future__ import annotations

from typing import Any

import pytest

from hamrasan.protocol.server_acl import is_server_allowed


@pytest.mark.parametrize(
    ("acl", "server", "allowed"),
    [
        (None, "a.test", True),
        ({}, "a.test", False),
        ({"allow": ["*"]}, "a.test", True),
        ({"allow": ["*"]}, "a.test:8448", True),
        ({"allow": ["*"], "deny": ["a.test"]}, "a.test:8448", False),
        ({"allow": ["*"], "deny": ["*.test"]}, "a.test", False),
        ({"allow": ["*"], "deny": ["*.test"]}, "test", True),
        ({"allow": ["?.test"]}, "a.test", True),
        ({"allow": ["?.test"]}, "ab.test", False),
        ({"allow": ["A.Test"]}, "a.tEST", True),
        ({"allow": ["*"]}, "1.2.3.4", True),
        ({"allow": ["*"], "allow_ip_literals": False}, "1.2.3.4", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "1.2.3.4:80", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "[::1]:80", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "1.2.3.4.test", True),
        ({"allow": ["*"], "allow_ip_literals": "false"}, "1.2.3.4", True),
        ({"allow": ["[::1]"]}, "[::1]:80", True),
        ({"allow": "a.test"}, "a.test", False),
        ({"allow": ["*", 5], "deny": "a.test"}, "a.test", True),
        ({"allow": ["*"], "deny": [{"a": 1}, None, "a.*"]}, "a.test", False),
    ],
)
def test_who_may_take_part(acl: Any, server: str, allowed: bool) -> None:
    assert is_server_allowed(acl, server) is allowed
