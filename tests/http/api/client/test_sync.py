"""`/sync` itself: its tokens, its parameters, its form, and what belongs to no room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reading import bodies, set_state
from tests.running import Running, answered, refused, running
from tests.syncing import joined

NOTHING = {"next_batch", "device_one_time_keys_count", "device_unused_fallback_key_types"}


def test_somebody_without_rooms_gets_an_answer_at_once(server: Running) -> None:
    alice = server.register("alice")
    answer = alice.sync(timeout=30_000, set_presence="offline")
    assert answer.keys() == {*NOTHING, "account_data"}
    assert answer["device_one_time_keys_count"] == {}
    assert answer["device_unused_fallback_key_types"] == []
    assert alice.sync(answer["next_batch"], set_presence="offline").keys() == NOTHING


def test_the_push_rules_are_account_data_from_the_first_sync_on(server: Running) -> None:
    alice = server.register("alice")
    answer = alice.sync()
    (rules,) = (e for e in answer["account_data"]["events"] if e["type"] == "m.push_rules")
    assert rules["content"] == alice.get("/pushrules/")
    alice.put("/pushrules/global/content/garden", {"actions": ["notify"], "pattern": "باغ"})
    (rules,) = alice.sync(answer["next_batch"])["account_data"]["events"]
    assert rules == {"type": "m.push_rules", "content": alice.get("/pushrules/")}


def test_account_data_is_told_when_it_changes_and_first_of_all(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    everywhere, here = (
        f"/user/{alice.user_id}/{part}" for part in ("account_data", f"rooms/{room_id}/account_data")
    )
    since = alice.sync()["next_batch"]
    alice.put(f"{everywhere}/org.example", {"n": 1})
    alice.put(f"{everywhere}/org.example", {"n": 2})
    alice.put(f"{here}/org.example", {"n": 3})
    for answer in (alice.sync(since), alice.sync()):
        ours = [e for e in answer["account_data"]["events"] if e["type"] == "org.example"]
        assert ours == [{"type": "org.example", "content": {"n": 2}}]
        assert joined(answer, room_id)["account_data"]["events"] == [
            {"type": "org.example", "content": {"n": 3}}
        ]
    assert alice.sync(alice.sync(since)["next_batch"]).keys() == NOTHING


def test_the_same_token_gives_the_same_news_again(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    since = alice.sync()["next_batch"]
    alice.send(room_id, "news")
    first, again = alice.sync(since), alice.sync(since)
    assert (
        joined(first, room_id)["timeline"]["events"][0]["event_id"]
        == (joined(again, room_id)["timeline"]["events"][0]["event_id"])
    )
    assert first["next_batch"] == again["next_batch"]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "s1",
        "s1_1_1_1",
        "s1_-1_0_0_abc",
        "s2_1_0_0_abc",
        "s1_1_0_0_abc_",
        "s1_1_0_0_a1",
        "t1_1",
        "0",
        "s" * 5_000,
        "s1_" + "9" * 40 + "_0_0_abc",
        "s1_١_0_0_abc",  # digits, but not those of tokens
        "\x00",
    ],
)
def test_what_is_no_token_is_refused(server: Running, token: str) -> None:
    alice = server.register("alice")
    refused(alice.request("GET", "/sync", since=token), 400, "M_INVALID_PARAM")


def test_an_empty_token_is_none(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    assert joined(alice.sync(""), room_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": "soon"},
        {"timeout": "-1"},
        {"timeout": "1.5"},
        {"full_state": "perhaps"},
        {"use_state_after": "1"},
        {"set_presence": "busy"},
    ],
)
def test_parameters_that_are_none_are_refused(server: Running, wrong: dict[str, str]) -> None:
    alice = server.register("alice")
    refused(alice.request("GET", "/sync", **wrong), 400, "M_INVALID_PARAM")


def test_sync_needs_a_token(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.get("/_matrix/client/v3/sync"), 401, "M_MISSING_TOKEN")


def test_a_token_outlives_the_server(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        since = alice.sync()["next_batch"]
        alice.send(room_id, "before")
        seen = alice.sync()["next_batch"]
        token = alice.token
    with running(tmp_path) as server, server.anonymous() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        for since_then, expected in ((since, ["before"]), (seen, [])):
            answer = answered(http.get("/_matrix/client/v3/sync", params={"since": since_then}))
            part = joined(answer, room_id)
            assert bodies(part["timeline"]["events"] if part else []) == expected


def test_a_token_that_is_ahead_of_the_server_misses_nothing_that_is_still_to_come(tmp_path: Path) -> None:
    """So it is after the data folder was set back to an older copy."""
    with running(tmp_path) as server:
        alice = server.register("alice")
        room_id = alice.create_room()
        position, rest = alice.sync()["next_batch"].removeprefix("s1_").split("_", 1)
        ahead = f"s1_{int(position) + 1_000}_{rest[:-8]}otherrun"
        caught_up = alice.sync(ahead)["next_batch"]
        alice.send(room_id, "after")
        assert bodies(joined(alice.sync(caught_up), room_id)["timeline"]["events"]) == ["after"]


def test_a_pagination_token_of_a_sync_can_be_paged_from(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    alice.send(room_id, "one")
    since = alice.sync()["next_batch"]
    alice.send(room_id, "two")
    page = alice.get(f"/rooms/{room_id}/messages", dir="b", limit=1, **{"from": since})
    assert bodies(page["chunk"]) == ["one"]


def test_syncing_shows_somebody_online_unless_they_ask_for_something_else(server: Running) -> None:
    alice = server.register("alice")
    path = f"/presence/{alice.user_id}/status"
    alice.sync(set_presence="offline")
    assert alice.get(path)["presence"] == "offline"
    alice.sync(set_presence="unavailable")
    assert alice.get(path)["presence"] == "unavailable"
    alice.sync()
    assert alice.get(path)["presence"] == "online"


def test_presence_of_those_who_share_a_room_is_told(server: Running) -> None:
    alice, bob, eve = (server.register(name) for name in ("alice", "bob", "eve"))
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    for person in (alice, eve):
        person.put(f"/presence/{person.user_id}/status", {"presence": "online", "status_msg": "hi"})
    answer = bob.sync()
    told = {event["sender"]: event["content"] for event in answer["presence"]["events"]}
    assert told.keys() == {alice.user_id, bob.user_id}
    content = told[alice.user_id]
    assert (content["presence"], content["status_msg"], content["currently_active"]) == ("online", "hi", True)
    assert content["last_active_ago"] >= 0
    assert "presence" not in bob.sync(answer["next_batch"])
    alice.put(f"/presence/{alice.user_id}/status", {"presence": "unavailable"})
    (event,) = bob.sync(answer["next_batch"])["presence"]["events"]
    assert (event["type"], event["sender"], event["content"]["presence"]) == (
        "m.presence",
        alice.user_id,
        "unavailable",
    )


def test_presence_of_those_whom_one_meets_is_told(server: Running) -> None:
    alice, bob, carol = (server.register(name) for name in ("alice", "bob", "carol"))
    room_id = alice.create_room(preset="public_chat")
    for person in (alice, bob, carol):
        person.sync()
    of_alice, of_bob = alice.sync()["next_batch"], bob.sync()["next_batch"]
    bob.join(room_id)
    assert [e["sender"] for e in alice.sync(of_alice)["presence"]["events"]] == [bob.user_id]
    answer = bob.sync(of_bob)
    assert [e["sender"] for e in answer["presence"]["events"]] == [alice.user_id]
    set_state(alice, room_id, "m.room.topic", {"topic": "x"})
    assert "presence" not in bob.sync(answer["next_batch"])
