"""matrix-js-sdk, the library of Element and other clients, against a server process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import LongRoom
from tests.clients.node import Deed, run_scenario
from tests.clients.texts import CONVERSATION, NAMES, TOPIC
from tests.processes import ServerProcess, server_process


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_two_people_converse_and_every_byte_arrives(client_server: ServerProcess, version: str) -> None:
    report = run_scenario(
        "conversation",
        url=client_server.url,
        names=[f"js-a-{version}", f"js-b-{version}"],
        version=version,
        texts=CONVERSATION,
        name=NAMES[0],
        topic=TOPIC,
    )
    one, other = report["users"]
    assert report["devices"] == 2
    assert report["invited"] == {"name": NAMES[0], "inviter": one}
    expected = [(report["users"][number % 2], text.encode()) for number, text in enumerate(CONVERSATION)]
    for heard in report["heard"]:
        assert [(message["sender"], message["body"].encode()) for message in heard] == expected
    assert report["echoes"] == len(CONVERSATION), "each message's local copy became the event of the server"
    state = {
        "name": NAMES[0],
        "topic": TOPIC,
        "version": version,
        "creator": one,
        "joinRule": "invite",
        "history": "shared",
        "members": sorted((one, other)),
        "mayName": [True, False],
        "mayTalk": [True, True],
    }
    assert report["states"] == [state, state]
    assert report["refused"] == {"status": 403, "errcode": "M_FORBIDDEN"}


def test_a_long_past_and_a_gap_are_paged_through_completely(
    client_server: ServerProcess, long_room: LongRoom
) -> None:
    writer = client_server.register("says-more")
    room_id = writer.create_room(preset="public_chat")
    before = [writer.send(room_id, str(number)) for number in range(60)]
    said: list[str] = []

    def say(question: dict[str, Any]) -> dict[str, Any]:
        said.extend(writer.send(room_id, f"missed {number}") for number in range(question["count"]))
        return {"eventIds": said}

    whole = run_scenario(
        "scrollback", url=client_server.url, name="js-reader", roomId=long_room.room_id, missed=None
    )
    found = whole["first"]
    assert found["oldest"] == "m.room.create"
    assert found["total"] == found["distinct"]
    assert [(message["id"], message["body"]) for message in found["messages"]] == list(
        zip(long_room.event_ids, long_room.bodies, strict=True)
    )
    gappy = run_scenario(
        "scrollback", {"say": say}, url=client_server.url, name="js-misses", roomId=room_id, missed=45
    )
    assert gappy["gap"]
    assert gappy["inSync"] == said[-len(gappy["inSync"]) :]
    assert len(gappy["inSync"]) < len(said)
    assert [message["id"] for message in gappy["second"]["messages"]] == before + said
    assert gappy["second"]["total"] == gappy["second"]["distinct"]


def test_reactions_edits_and_redactions_are_seen_at_once_and_later(client_server: ServerProcess) -> None:
    edit, reason = "سلام", "پشیمان شدم"
    names = ["js-relates", "js-reacts"]
    report = run_scenario(
        "relations",
        complaint="M_DUPLICATE_ANNOTATION",
        url=client_server.url,
        names=names,
        edit=edit,
        reason=reason,
    )
    users, ids = report["users"], report["ids"]
    liked = ["👍🏽", sorted(users)]
    assert report["twice"] == {"status": 400, "errcode": "M_DUPLICATE_ANNOTATION"}
    assert report["before"] == [[liked, ["👎", [users[1]]]]] * 2
    seen = {
        "body": edit,
        "edited": ids["edit"],
        "reactions": [liked],
        "redacted": True,
        "content": {},
        "because": reason,
    }
    assert report["after"] == [seen, seen]
    assert report["late"] == seen
    assert sorted(report["related"]) == sorted([user, "👍🏽"] for user in users)


def test_threads_hold_their_replies_and_their_own_unread_counts(client_server: ServerProcess) -> None:
    replies = [f"پاسخ {number}" for number in range(5)]
    report = run_scenario(
        "threads", url=client_server.url, names=["js-thread-a", "js-thread-b"], replies=replies
    )
    first, second = report["roots"][0], report["roots"][2]
    assert (report["counted"], report["read"]) == ([0, 5], [0, 0])
    every, own = report["lists"]
    assert every == [first, second], "the list grows downwards: the thread with the latest reply comes last"
    assert own == [first], "in the other one only the other has written"
    assert report["length"] == 5
    assert report["main"] == report["roots"]
    said = [
        [first, "first root"],
        *([event_id, body] for event_id, body in zip(report["sent"], replies, strict=False)),
    ]
    assert report["events"] == said
    assert report["participated"] == [True, False]


def test_people_get_attention_and_settings_are_kept(client_server: ServerProcess) -> None:
    names = ["js-talks", "js-listens"]
    report = run_scenario("attention", url=client_server.url, names=names, displayName=NAMES[0])
    assert (report["unread"], report["read"], report["muted"]) == ([2, 1], [0, 0], [0, 0])
    assert report["unreadOfSender"] == [0, 0]
    assert report["receipt"]
    assert report["marker"]
    assert report["status"] == "چای"
    assert report["profile"] == {"displayname": NAMES[0]}
    assert report["tags"] == {"m.favourite": {"order": 0.5}}
    assert report["direct"].keys() == {report["users"][1]}
    assert report["ignoredWasUnheard"]


def test_members_are_loaded_when_they_are_needed(client_server: ServerProcess) -> None:
    many = [client_server.register("many") for _ in range(12)]
    room_id = many[0].create_room(preset="public_chat")
    for person in many[1:]:
        person.join(room_id)
    for number, person in enumerate(many):
        person.put(
            f"/profile/{person.user_id}/displayname",
            {"displayname": "علی" if number < 2 else f"نفر {number}"},
        )
    for person in (many[3], many[4]):
        for number in range(6):
            person.send(room_id, str(number))
    left = many[11]
    left.post(f"/rooms/{room_id}/leave")
    report = run_scenario(
        "members",
        url=client_server.url,
        name="js-lazy",
        roomId=room_id,
        speaker=many[3].user_id,
        left=left.user_id,
    )
    in_timeline = {report["me"], many[4].user_id, left.user_id}
    heroes = {person.user_id for person in many[:5]}
    assert in_timeline <= set(report["first"]) <= in_timeline | heroes
    assert report["summary"] == [12, 0]
    assert report["old"] == "نفر 3"
    assert sorted(report["authors"]) == ["نفر 3", "نفر 4"]
    assert report["roomName"] == f"علی ({many[0].user_id}) and 10 others"
    assert report["said"] == 13
    assert report["gone"] == "leave"
    assert len(report["eager"]) == 12
    assert report["lazy"] == report["eager"]
    same_name = [
        name for user_id, name in report["lazy"] if user_id in {person.user_id for person in many[:2]}
    ]
    assert sorted(same_name) == sorted(f"علی ({person.user_id})" for person in many[:2])


def test_clients_recover_when_the_server_dies_and_comes_back(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        deeds: dict[str, Deed] = {"kill": lambda _: server.kill(), "start": lambda _: server.start()}
        report = run_scenario(
            "restart", deeds, complaint="fetch failed", url=server.url, names=["one", "other"], deaths=2
        )
        assert server.complaints == []
    assert len(report["sent"]) == 6
    for heard in report["heard"]:
        assert [message["id"] for message in heard] == report["sent"]


def test_rooms_are_named_listed_guarded_and_upgraded(client_server: ServerProcess) -> None:
    alias = "#میدان:hamrasan.test"
    names = ["js-owner", "js-moderator", "js-guest"]
    report = run_scenario(
        "rooms", url=client_server.url, names=names, alias=alias, oldVersion="11", newVersion="12"
    )
    users = report["users"]
    assert report["topic"] == "گفتگو"
    assert {"m.room.create", "m.room.member", "m.room.power_levels"} <= set(report["stateTypes"])
    assert report["members"] == sorted(users[:2])
    assert report["refusedLevel"] == {"status": 403, "errcode": "M_FORBIDDEN"}
    assert report["resolved"]
    assert report["aliases"] == [alias]
    assert report["listed"] == [[True, "میدان شهر", 2]]
    assert report["unresolved"] == {"status": 404, "errcode": "M_NOT_FOUND"}
    assert report["banned"] == {"status": 403, "errcode": "M_FORBIDDEN"}
    assert report["around"] == [str(number) for number in range(2, 10)]
    assert report["byTime"]
    upgraded = {"version": "12", "before": True, "after": True, "name": "میدان شهر", "history": 2}
    assert report["upgraded"] == upgraded


def test_events_wait_for_their_time(client_server: ServerProcess) -> None:
    """As calls use it (MSC4140): Element Call leaves for a member whose client is heard of no more."""
    report = run_scenario("delayed", url=client_server.url, names=["js-delays", "js-sees"])
    assert report == {
        "scheduled": True,
        "heard": ["sent at once"],
        "state": {"left": True},
        "outcomes": ["send", "cancel"],
        "left": True,
        "refusal": {"status": 404, "errcode": "M_NOT_FOUND"},
        "tooLong": "M_MAX_DELAY_EXCEEDED",
    }


OPTIONAL = {
    "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device": "nobody has made one",
}
"""What Element Web asks for and goes without where it is not there, with the reason why it is not."""


def test_element_webs_way_in_meets_no_refusal(tmp_path: Path) -> None:
    """Every request from the address that somebody types to the first room gets 200, but for what is optional."""
    settings = {
        "public_url": "https://hamrasan.test",
        "turn_uris": "turn:turn.hamrasan.test",
        "turn_shared_secret": "a secret of TURN servers",
    }
    with server_process(tmp_path, **settings) as server:
        asked = run_scenario("way_in", url=server.url, names=["js-element", "js-friend"])["asked"]
        assert server.complaints == []
    refused = {path: (status, errcode) for _, path, status, errcode in asked if status != 200}
    assert refused == dict.fromkeys(OPTIONAL, (404, "M_NOT_FOUND"))
    paths = {path for _, path, _, _ in asked}
    for part in (
        "versions",
        "sync",
        "keys/upload",
        "keys/query",
        "room_keys/version",
        "pushrules/",
        "filter",
    ):
        assert any(path.endswith(part) for path in paths), f"the library did not ask for {part}"
    assert len(asked) > 40
