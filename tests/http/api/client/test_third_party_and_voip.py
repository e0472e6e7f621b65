"""Endpoints for what this server does not offer: they say so in the specification's words."""

from __future__ import annotations

from urllib.parse import quote

from tests.running import Running, refused


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


def test_nobody_is_invited_through_an_identity_server(server: Running) -> None:
    alice, eve = server.register(), server.register()
    path = f"/rooms/{quote(alice.create_room())}/invite"
    body = {"id_server": "id.example", "id_access_token": "t", "medium": "email", "address": "a@example.org"}
    refused(alice.request("POST", path, body), 403, "M_SERVER_NOT_TRUSTED")
    refused(eve.request("POST", path, body), 403, "M_FORBIDDEN")
    refused(
        alice.request("POST", path, {"medium": "email", "address": "a@example.org"}), 400, "M_MISSING_PARAM"
    )
