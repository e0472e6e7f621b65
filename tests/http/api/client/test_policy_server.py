"""Policy servers: this server is none."""

from __future__ import annotations

from tests.running import Running, refused


def test_this_is_no_policy_server(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.get("/.well-known/matrix/policy_server"), 404, "M_NOT_FOUND")
