"""Endpoints for what this server does not offer: they say so in the specification's words."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path
from urllib.parse import quote

from tests.running import Running, answered, refused, running

SECRET = "a secret of TURN servers"
TRANSPORTS = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"


def test_there_are_no_protocols(server: Running) -> None:
    alice = server.register()
    assert alice.get("/thirdparty/protocols") == {}
    for path in ("protocol/irc", "location/irc", "user/irc"):
        refused(alice.request("GET", f"/thirdparty/{path}"), 404, "M_NOT_FOUND")


def test_no_room_or_user_stands_for_another_network(server: Running) -> None:
    alice = server.register()
    refused(alice.request("GET", "/thirdparty/location", alias="#irc:hamrasan.test"), 404, "M_NOT_FOUND")
    refused(alice.request("GET", "/thirdparty/user", userid="@irc:hamrasan.test"), 404, "M_NOT_FOUND")
    refused(alice.request("GET", "/thirdparty/location"), 400, "M_MISSING_PARAM")
    refused(alice.request("GET", "/thirdparty/user"), 400, "M_MISSING_PARAM")
    refused(alice.request("GET", "/thirdparty/location", alias="irc"), 400, "M_INVALID_PARAM")


def test_there_is_no_turn_server(server: Running) -> None:
    refused(server.register().request("GET", "/voip/turnServer"), 403, "M_FORBIDDEN")


def test_credentials_are_what_a_turn_server_computes(tmp_path: Path) -> None:
    """As coturn checks them with `use-auth-secret`: HMAC-SHA1 of the name, which begins with the time of expiry."""
    uris = ("turn:turn.example.org?transport=udp", "turns:turn.example.org:443?transport=tcp")
    with running(tmp_path, turn_uris=uris, turn_shared_secret=SECRET) as server:
        alice = server.register()
        answer = alice.get("/voip/turnServer")
        expiry, _, user_id = answer["username"].partition(":")
        mac = hmac.digest(SECRET.encode(), answer["username"].encode(), "sha1")
        assert (answer["password"], user_id) == (base64.b64encode(mac).decode(), alice.user_id)
        assert answer["uris"] == list(uris)
        assert 0 <= int(expiry) - answer["ttl"] - server.server.services.clock.now_ms() // 1000 + 60 <= 60
        with server.anonymous() as http:
            refused(http.get("/_matrix/client/v3/voip/turnServer"), 401, "M_MISSING_TOKEN")


def test_uris_without_a_secret_are_no_turn_server(tmp_path: Path) -> None:
    with running(tmp_path, turn_uris=("turn:turn.example.org",)) as server:
        refused(server.register().request("GET", "/voip/turnServer"), 403, "M_FORBIDDEN")


def test_calls_of_many_go_through_the_service_that_the_operator_names(
    tmp_path: Path, server: Running
) -> None:
    url = "https://livekit.example.org/jwt"
    focus = {"type": "livekit", "livekit_service_url": url}
    with running(tmp_path, livekit_service_url=url, public_url="https://example.org") as calling:
        assert calling.register().get(TRANSPORTS) == {"rtc_transports": [focus]}
        with calling.anonymous() as http:
            refused(http.get(TRANSPORTS), 401, "M_MISSING_TOKEN")
            assert answered(http.get("/.well-known/matrix/client"))["org.matrix.msc4143.rtc_foci"] == [focus]
    assert server.register().get(TRANSPORTS) == {"rtc_transports": []}


def test_nobody_is_invited_through_an_identity_server(server: Running) -> None:
    alice, eve = server.register(), server.register()
    path = f"/rooms/{quote(alice.create_room())}/invite"
    body = {"id_server": "id.example", "id_access_token": "t", "medium": "email", "address": "a@example.org"}
    refused(alice.request("POST", path, body), 403, "M_SERVER_NOT_TRUSTED")
    refused(eve.request("POST", path, body), 403, "M_FORBIDDEN")
    refused(
        alice.request("POST", path, {"medium": "email", "address": "a@example.org"}), 400, "M_MISSING_PARAM"
    )
