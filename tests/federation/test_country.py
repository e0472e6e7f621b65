"""Servers of a country find, reach and know each other."""

from __future__ import annotations

import pytest

from hamrasan.federation.client import ServerUnreachable
from tests.federation.country import country

VERSION = "/_matrix/federation/v1/version"


def test_a_server_reaches_another_by_its_name() -> None:
    with country("a", "b") as (a, b):
        assert a.ask(b, "GET", VERSION)["server"]["name"] == "Hamrasan"
        assert ("_matrix-fed._tcp.b.test", "SRV") in a.name_server.questions
        keys = a.ask(b, "GET", "/_matrix/key/v2/server")
        assert keys["server_name"] == "b.test"
        a.cut_off(b)
        with pytest.raises(ServerUnreachable):
            a.ask(b, "GET", VERSION)
        with pytest.raises(ServerUnreachable, match="seconds ago"):
            a.ask(b, "GET", VERSION)
        a.reconnect(b)
        assert a.ask(b, "GET", VERSION)


def test_a_server_that_was_stopped_is_reached_again() -> None:
    with country("a", "b") as (a, b):
        a.ask(b, "GET", VERSION)
        b.stop()
        with pytest.raises(ServerUnreachable):
            a.ask(b, "GET", VERSION)
        b.start()
        a.forgive(b)
        assert a.ask(b, "GET", VERSION)
