"""Invites for users of this server, into rooms that it knows nothing of."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hamrasan.protocol.event_format import build_pdu
from hamrasan.protocol.hashing import event_id_of, room_id_of_create
from hamrasan.protocol.room_versions import room_version
from tests.federation.visitors import V2, Visitor, path_of
from tests.running import Person, answered, refused

_halls = itertools.count()


class Hall:
    """A room on a server that a test plays: a create event, a name, and somebody who invites."""

    def __init__(self, visitor: Visitor, version: str = "12", room_id: str = "") -> None:
        self.visitor = visitor
        self.host = visitor.user("host")
        self.version = room_version(version)
        number = next(_halls)
        self.room_id = room_id or f"!hall-{number}:{visitor.name}"
        content: dict[str, Any] = {"room_version": version, "number": number}
        if not self.version.authorization.creator_from_sender:
            content["creator"] = self.host
        create = self.event("m.room.create", content, "")
        if self.version.authorization.room_id_is_create_hash:
            self.room_id = room_id_of_create(event_id_of(create, self.version))
        self.name = self.event("m.room.name", {"name": "تالار"}, "")
        self.state = [create, self.name]

    def event(
        self, event_type: str, content: dict[str, Any], state_key: str, sender: str = "", room_id: str = ""
    ) -> dict[str, Any]:
        """Return an event with hash and signature."""
        pdu = build_pdu(
            self.version,
            room_id=room_id or self.room_id,
            type=event_type,
            sender=sender or self.host,
            content=content,
            state_key=state_key,
            origin_server_ts=1,
            depth=2,
            prev_events=["$" + "p" * 43] if event_type != "m.room.create" else [],
            auth_events=["$" + "a" * 43] if event_type != "m.room.create" else [],
        )
        if event_type == "m.room.create" and self.version.authorization.room_id_is_create_hash:
            del pdu["room_id"]
        return self.visitor.stranger.sign(pdu, self.version)

    def invite(self, user_id: str, **changes: Any) -> dict[str, Any]:
        return self.event("m.room.member", {"membership": "invite", **changes}, user_id)

    def send(self, pdu: dict[str, Any], state: Any = None, **changes: Any) -> Any:
        body = {
            "room_version": self.version.id,
            "event": pdu,
            "invite_room_state": self.state if state is None else state,
            **changes,
        }
        event_id = event_id_of(pdu, self.version)
        return self.visitor.request("PUT", path_of(V2 + "/invite", self.room_id, event_id), body)


def invited(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = person.sync().get("rooms", {}).get("invite", {})
    return found


@pytest.mark.parametrize("version", ["3", "6", "11", "12"])
def test_an_invite_is_signed_and_shown(alice: Person, there: Visitor, version: str) -> None:
    hall = Hall(there, version)
    pdu = hall.invite(alice.user_id)
    signed = answered(hall.send(pdu))["event"]
    assert set(signed["signatures"]) == {there.name, there.host.name}
    assert {**signed, "signatures": pdu["signatures"]} == pdu
    shown = invited(alice)[hall.room_id]["invite_state"]["events"]
    by_type = {event["type"]: event for event in shown}
    assert by_type["m.room.name"]["content"] == {"name": "تالار"}
    assert by_type["m.room.member"]["sender"] == hall.host
    assert answered(hall.send(pdu))  # again, which changes nothing


def test_rooms_of_unknown_versions(alice: Person, there: Visitor) -> None:
    hall = Hall(there)
    for version in ("1", "2", "99", "x" * 500):
        answer = refused(
            hall.send(hall.invite(alice.user_id), room_version=version), 400, "M_INCOMPATIBLE_ROOM_VERSION"
        )
        assert version.startswith(answer["room_version"])
    assert invited(alice) == {}


def test_what_is_no_invite_is_not_signed(alice: Person, bob: Person, there: Visitor) -> None:
    hall = Hall(there)
    good = hall.invite(alice.user_id)
    wrong: list[dict[str, Any]] = [
        hall.event("m.room.member", {"membership": "join"}, alice.user_id),
        hall.event("m.room.message", {"membership": "invite"}, alice.user_id),
        hall.event("m.room.member", {"membership": "invite"}, alice.user_id, "@a:elsewhere.test"),
        hall.event("m.room.member", {"membership": "invite"}, alice.user_id, bob.user_id),
        hall.event("m.room.member", {"membership": "invite"}, there.user("own")),
        hall.event("m.room.member", {"membership": "invite"}, alice.user_id, room_id="!other:there.test"),
        {**good, "signatures": {}},
        {**good, "signatures": {there.name: {"ed25519:stranger": "A" * 86}}},
        {**good, "depth": -1},
        {**good, "state_key": bob.user_id},
    ]
    for pdu in wrong:
        refused(hall.send(pdu), 400, "M_INVALID_PARAM")
    other = path_of(V2 + "/invite", hall.room_id, "$" + "x" * 43)
    body = {"room_version": "12", "event": good, "invite_room_state": hall.state}
    refused(there.request("PUT", other, body), 400, "M_INVALID_PARAM")
    refused(hall.send(good, event=[]), 400, "M_INVALID_PARAM")
    refused(hall.send(good, room_version=12), 400, "M_BAD_JSON")
    refused(hall.send(good, {"events": []}), 400, "M_BAD_JSON")
    for name in ("room_version", "event"):
        lacking = {key: value for key, value in body.items() if key != name}
        refused(there.request("PUT", other, lacking), 400, "M_MISSING_PARAM")
    assert invited(alice) == invited(bob) == {}


def test_from_version_12_on_the_state_that_comes_along_must_be_true(alice: Person, there: Visitor) -> None:
    hall, stranger = Hall(there), Hall(there)
    pdu = hall.invite(alice.user_id)
    create, name = hall.state
    stripped = {"type": "m.room.name", "state_key": "", "sender": hall.host, "content": {"name": "x"}}
    for state in (
        [],
        [name],
        [create, stripped],
        [create, {**name, "content": {"name": "other"}, "signatures": {}}],
        [create, stranger.name],
        [stranger.state[0]],
        [create, 7],
        [create] * 101,
    ):
        refused(hall.send(pdu, state), 400, "M_INVALID_PARAM")
    assert invited(alice) == {}
    older = Hall(there, "11")
    assert answered(older.send(older.invite(alice.user_id), [stripped, 7]))
    assert older.room_id in invited(alice)


def test_who_cannot_be_invited(alice: Person, there: Visitor) -> None:
    hall = Hall(there)
    refused(hall.send(hall.invite("@nobody:here.test")), 404, "M_NOT_FOUND")
    alice.put(f"/user/{alice.user_id}/account_data/m.invite_permission_config", {"default_action": "block"})
    refused(hall.send(hall.invite(alice.user_id)), 403, "M_INVITE_BLOCKED")
    assert invited(alice) == {}


def test_a_room_that_this_server_is_in_judges_its_own_invites(
    alice: Person, bob: Person, there: Visitor
) -> None:
    room_id = alice.create_room(preset="public_chat", room_version="11")
    there.join(room_id, there.user("host"))
    hall = Hall(there, "11", room_id)
    refused(hall.send(hall.invite(alice.user_id), []), 403, "M_FORBIDDEN")
    assert answered(hall.send(hall.invite(bob.user_id), []))
    assert invited(bob) == {}  # until the event itself comes
    alice.put(f"/rooms/{room_id}/state/m.room.server_acl", {"allow": ["here.test"]})
    refused(hall.send(hall.invite(bob.user_id), []), 403, "M_FORBIDDEN")
