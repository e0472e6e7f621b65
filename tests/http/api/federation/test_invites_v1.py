"""Invites in the form of the first room versions."""

from __future__ import annotations

from tests.federation.visitors import Visitor
from tests.running import Person, refused

PATH = "/invite/!room:there.test/$event:there.test"


def test_they_are_refused_with_the_reason(alice: Person, there: Visitor) -> None:
    event = {
        "type": "m.room.member",
        "sender": there.user("host"),
        "state_key": alice.user_id,
        "content": {"membership": "invite"},
        "room_id": "!room:there.test",
    }
    answer = refused(there.request("PUT", PATH, event), 400, "M_INCOMPATIBLE_ROOM_VERSION")
    assert answer["room_version"] == "1"
    refused(there.request("PUT", PATH, {**event, "type": "m.room.name"}), 400, "M_INVALID_PARAM")
    assert "invite" not in alice.sync().get("rooms", {})
