"""What a resident server may try on those who join its rooms, and that none of it is believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from hamrasan.protocol.event_format import build_pdu
from hamrasan.protocol.hashing import event_id_of
from hamrasan.protocol.room_versions import room_version
from tests.federation.across import knows_as_joined
from tests.federation.country import Member, country
from tests.federation.strangers import Asked, Behaviour, Stranger, json_answer, text_answer
from tests.reading import room_path
from tests.rooms_over_http import join_any, state_of
from tests.running import Person, answered, refused

EVE, ROOM = "@eve:evil.test", "!den:evil.test"
VERSION = room_version("11")
NOW = int(time.time() * 1000)


class Den:
    """A room of a stranger, which it lets people into as it likes."""

    def __init__(self, evil: Stranger) -> None:
        self.evil = evil
        self.state: list[dict[str, Any]] = []
        create = self.add("m.room.create", {"room_version": "11"})
        member = self.add("m.room.member", {"membership": "join"}, EVE, [create])
        levels = self.add("m.room.power_levels", {"users": {EVE: 100}}, auth=[create, member])
        rules = self.add("m.room.join_rules", {"join_rule": "public"}, auth=[create, member, levels])
        self.auth = [create, levels, rules]
        self.owner = [create, member, levels]

    def event(
        self, type: str, content: Any, state_key: str | None = "", auth: Any = (), **changes: Any
    ) -> dict[str, Any]:
        """Return an event of the room, signed."""
        before = [event_id_of(self.state[-1], VERSION)] if self.state else []
        pdu = build_pdu(
            VERSION,
            room_id=ROOM,
            type=type,
            sender=EVE,
            content=content,
            state_key=state_key,
            origin_server_ts=NOW,
            depth=len(self.state) + 1,
            prev_events=before,
            auth_events=list(auth),
        )
        return self.evil.sign({**pdu, **changes}, VERSION)

    def add(self, type: str, content: Any, state_key: str = "", auth: Any = (), **changes: Any) -> str:
        """Add state to the room, and return its id."""
        self.state.append(self.event(type, content, state_key, auth, **changes))
        return event_id_of(self.state[-1], VERSION)

    def template(self, user_id: str) -> dict[str, Any]:
        return {
            "room_id": ROOM,
            "type": "m.room.member",
            "sender": user_id,
            "state_key": user_id,
            "content": {"membership": "join"},
            "depth": len(self.state) + 1,
            "prev_events": [event_id_of(self.state[-1], VERSION)],
            "auth_events": self.auth,
        }


class Scene(NamedTuple):
    server: Member
    person: Person
    evil: Stranger


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with country("a") as (a,):
        yield Scene(a, a.register("ali"), a.land.stranger("evil"))


def offer(
    scene: Scene,
    den: Den,
    template: dict[str, Any] | None = None,
    answer: Behaviour | None = None,
    version: Any = "11",
) -> None:
    """Have the stranger offer its room."""
    scene.server.forgive(scene.evil)  # what it answered before may have counted as no answer
    evil, user_id = scene.evil, scene.person.user_id
    made = {"room_version": version, "event": den.template(user_id) if template is None else template}
    path = f"/_matrix/federation/v1/make_join/{quote(ROOM, safe='')}/{quote(user_id, safe='')}"
    evil.answers[path] = json_answer(made)
    evil.answers_below["/_matrix/federation/v2/send_join/"] = answer or json_answer(
        {"state": den.state, "auth_chain": den.state}
    )


def refuses(scene: Scene) -> None:
    """The join fails with an error that says something, and nothing is left of the room."""
    response = join_any(scene.person, ROOM, via="evil.test")
    assert response.status_code in (400, 403, 502), response.text
    assert response.json()["error"] != "Something went wrong on this server."
    assert not knows_as_joined(scene.person, ROOM)
    refused(scene.person.request("GET", room_path(ROOM, "state")), 403, "M_FORBIDDEN")


Lie = Callable[[Den], Any]


def _without_create(den: Den) -> Any:
    return {"state": den.state[1:], "auth_chain": []}


def _of_another_room(den: Den) -> Any:
    other = [den.evil.sign({**event, "room_id": "!other:evil.test"}, VERSION) for event in den.state]
    return {"state": other, "auth_chain": other}


def _two_creates(den: Den) -> Any:
    second = den.event("m.room.create", {"room_version": "11", "x": 1}, prev_events=[])
    return {"state": [*den.state, second], "auth_chain": []}


def _invite_only(den: Den) -> Any:
    rules = den.event("m.room.join_rules", {"join_rule": "invite"}, auth=den.owner)
    return {"state": [*den.state[:-1], rules], "auth_chain": den.state}


def _of_another_version(den: Den) -> Any:
    create = den.event("m.room.create", {"room_version": "9"}, prev_events=[])
    return {"state": [create, *den.state[1:]], "auth_chain": []}


def _unsigned(den: Den) -> Any:
    return {"state": [{**event, "signatures": {}} for event in den.state], "auth_chain": []}


def _signed_by_nobody_known(den: Den) -> Any:
    signatures = {"evil.test": {"ed25519:other": "A" * 86}}
    return {"state": [{**event, "signatures": signatures} for event in den.state], "auth_chain": []}


def _changed_afterwards(den: Den) -> Any:
    changed = {**den.state[3], "content": {"join_rule": "public", "allow": []}, "depth": 7}
    return {"state": [*den.state[:3], changed], "auth_chain": []}


@pytest.mark.parametrize(
    "lie",
    [
        _without_create,
        _of_another_room,
        _two_creates,
        _invite_only,
        _of_another_version,
        _unsigned,
        _signed_by_nobody_known,
        _changed_afterwards,
        lambda den: {"state": [], "auth_chain": den.state},
        lambda den: {"state": {}, "auth_chain": []},
        lambda den: {"auth_chain": den.state},
        lambda den: {"state": [1, None, "x", [], {}], "auth_chain": [{"hashes": 1}]},
        lambda den: {"state": den.state},
        lambda den: [den.state],
    ],
)
def test_a_state_that_cannot_be_lets_nobody_in(scene: Scene, lie: Lie) -> None:
    den = Den(scene.evil)
    offer(scene, den, answer=json_answer(lie(den)))
    refuses(scene)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"state":' + b"[" * 100_000, b'{"state":NaN}', b"\xff\xfe"]
)
def test_an_answer_that_is_no_answer_lets_nobody_in(scene: Scene, body: bytes) -> None:
    offer(scene, Den(scene.evil), answer=text_answer(body))
    refuses(scene)


@pytest.mark.parametrize(
    "changes",
    [
        {"room_id": "!other:evil.test"},
        {"prev_events": "all"},
        {"prev_events": [1]},
        {"prev_events": ["$x"] * 21},
        {"auth_events": ["$x"] * 11},
        {"auth_events": None},
        {"depth": "deep"},
        {"depth": -1},
        {"depth": 1.5},
        {"content": {"membership": "join", "join_authorised_via_users_server": "@ali:a.test"}},
        {"content": {"membership": "join", "join_authorised_via_users_server": 7}},
    ],
)
def test_a_template_that_is_none_is_not_signed(scene: Scene, changes: dict[str, Any]) -> None:
    den = Den(scene.evil)
    offer(scene, den, template={**den.template(scene.person.user_id), **changes})
    before = len(scene.evil.asked)
    refuses(scene)
    assert not any(
        asked.uri.startswith("/_matrix/federation/v2/send_join") for asked in scene.evil.asked[before:]
    )


@pytest.mark.parametrize("version", ["1", "2", "99", None, 7])
def test_a_room_of_a_version_that_is_not_shared_is_not_joined(scene: Scene, version: Any) -> None:
    offer(scene, Den(scene.evil), version=version)
    response = join_any(scene.person, ROOM, via="evil.test")
    assert refused(response, 400, "M_INCOMPATIBLE_ROOM_VERSION")["room_version"]


def test_what_a_template_says_of_the_member_is_not_signed(scene: Scene) -> None:
    den = Den(scene.evil)
    changes = {
        "type": "m.room.power_levels",
        "state_key": "",
        "sender": "@admin:a.test",
        "content": {"membership": "ban", "reason": "theirs"},
    }
    sent: list[Asked] = []

    async def keep(asked: Asked) -> Any:
        sent.append(asked)
        async for piece in json_answer({"errcode": "M_FORBIDDEN", "error": "no"}, 403)(asked):
            yield piece

    offer(scene, den, template={**den.template(scene.person.user_id), **changes}, answer=keep)
    refused(join_any(scene.person, ROOM, via="evil.test"), 403, "M_FORBIDDEN")
    [asked] = sent
    for text in (b"power_levels", b"@admin", b"theirs", b'"ban"'):
        assert text not in asked.body


def test_of_a_state_what_is_forged_is_left_out_and_the_rest_is_taken() -> None:
    with country("a") as (a,):
        ali, evil = a.register("ali"), a.land.stranger("evil")
        den = Den(evil)
        topic = den.event("m.room.topic", {"topic": "true"}, auth=den.owner)
        named = {**den.event("m.room.name", {"name": "x"}, auth=den.owner), "content": {"name": "changed"}}
        not_allowed = den.event("m.room.avatar", {"url": "x"}, auth=den.auth)  # not by a member
        forged = den.event(
            "m.room.member", {"membership": "join"}, "@ali2:a.test", auth=den.auth, sender="@ali2:a.test"
        )
        offer(
            Scene(a, ali, evil),
            den,
            answer=json_answer({"state": [*den.state, topic, named, not_allowed, forged], "auth_chain": []}),
        )
        answered(join_any(ali, ROOM, via="evil.test"))
        state = state_of(ali, ROOM)
        assert state["m.room.topic", ""] == {"topic": "true"}
        assert state["m.room.name", ""] == {}, "its hash was wrong, so only what a redaction leaves is known"
        assert ("m.room.avatar", "") not in state
        assert ("m.room.member", "@ali2:a.test") not in state
        assert state["m.room.member", ali.user_id]["membership"] == "join"
