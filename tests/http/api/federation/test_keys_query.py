"""This server as a notary."""

from __future__ import annotations

from typing import Any

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.signing import verify_signed_json
from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.running import answered, refused


def test_keys_of_another_server_are_confirmed(here: Member, there: Visitor) -> None:
    with here.anonymous() as http:
        (own,) = answered(http.get("/_matrix/key/v2/query/here.test"))["server_keys"]
        (said,) = answered(http.get(f"/_matrix/key/v2/query/{there.name}"))["server_keys"]
        several: dict[str, Any] = {"server_keys": {there.name: {}, "nobody.test": {}}}
        (same,) = answered(http.post("/_matrix/key/v2/query", json=several))["server_keys"]
        refused(http.post("/_matrix/key/v2/query", json={"server_keys": []}), 400, "M_BAD_JSON")
        refused(http.get("/_matrix/key/v2/query/no%20name"), 400, "M_INVALID_PARAM")
    assert same == said
    assert set(said["signatures"]) == {here.name, there.name}
    for key_id, key in own["verify_keys"].items():
        verify_signed_json(said, here.name, key_id, decode_base64(key["key"]))
