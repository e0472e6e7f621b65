"""How others find this server and its keys: well-known file, version, keys."""

from __future__ import annotations

import time
from pathlib import Path

from hamrasan import __version__
from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.signing import verify_signed_json
from tests.running import Running, refused, running


def test_the_public_address_is_where_servers_are_served(tmp_path: Path) -> None:
    cases = {
        "https://chat.example.org": "chat.example.org:443",
        "https://chat.example.org:8443": "chat.example.org:8443",
        "https://[2001:db8::1]/path": "[2001:db8::1]:443",
        "http://chat.example.org": None,
        None: None,
    }
    for number, (url, expected) in enumerate(cases.items()):
        with running(tmp_path / str(number), public_url=url) as server, server.anonymous() as http:
            answer = http.get("/.well-known/matrix/server")
            if expected is None:
                refused(answer, 404, "M_NOT_FOUND")
            else:
                assert answer.json() == {"m.server": expected}


def test_the_program_says_what_it_is(server: Running) -> None:
    with server.anonymous() as http:
        answer = http.get("/_matrix/federation/v1/version").json()
    assert answer == {"server": {"name": "Hamrasan", "version": __version__}}


def test_the_keys_are_signed_by_the_server_and_hold_for_a_while(server: Running) -> None:
    with server.anonymous() as http:
        keys = http.get("/_matrix/key/v2/server").json()
        assert http.get("/_matrix/key/v2/server").json() == keys
    assert keys["server_name"] == server.name
    assert keys["old_verify_keys"] == {}
    hours = (keys["valid_until_ts"] - time.time() * 1000) / 3_600_000
    assert 12 <= hours <= 24
    ((key_id, key),) = keys["verify_keys"].items()
    verify_signed_json(keys, server.name, key_id, decode_base64(key["key"]))
