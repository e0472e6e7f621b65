"""Searching messages (client-server API, "Server Side Search")."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.search import messages
from tests.reading import (
    ban,
    ignore,
    leave,
    redact,
    relate,
    reply_in_thread,
    room_with_visibility,
    set_state,
    set_visibility,
)
from tests.rooms_over_http import act
from tests.running import Person, refused
from tests.searching import asked, caught_up, find, ids, search, until


@pytest.fixture
def room(alice: Person) -> str:
    return alice.create_room(preset="public_chat")


def edit(person: Person, room_id: str, event_id: str, body: str) -> str:
    content = {"m.new_content": {"msgtype": "m.text", "body": body}}
    return relate(person, room_id, event_id, "m.replace", f"* {body}", **content)


# What is found


def test_a_message(alice: Person, room: str) -> None:
    event_id = alice.send(room, "Martians and men, in their thousands")
    alice.send(room, "something else")
    answer = find(alice, "MARTIANS thousands", event_id)
    assert answer["count"] == 1
    assert answer["highlights"] == ["Martians", "thousands"]
    assert "next_batch" not in answer
    (result,) = answer["results"]
    assert result["rank"] > 0
    assert result["result"]["room_id"] == room
    assert result["result"]["content"]["body"] == "Martians and men, in their thousands"
    assert "context" not in result


@pytest.mark.parametrize(
    ("said", "looked_for"),
    [
        ("می‌روم به خانه", "میروم"),
        ("می‌روم به خانه", "می روم"),
        ("می روم به خانه", "می‌روم"),
        ("میروم به خانه", "می‌روم"),
        ("كتاب‌هاي علي", "کتابهای علی"),
        ("کتابها را آوردم", "کتاب اوردم"),
        ("سَلامٌ عَلَیکُم", "سلام علیکم"),
        ("شمارهٔ ۱۲۳۴", "شماره 1234"),
        ("سـلام", "سلام"),
        ("Naïve CAFÉ", "naive café"),
    ],
)
def test_words_in_all_their_spellings(alice: Person, room: str, said: str, looked_for: str) -> None:
    event_id = alice.send(room, said)
    answer = find(alice, looked_for, event_id)
    assert answer["highlights"]
    assert all(word in said for word in answer["highlights"])


def test_words_in_quotes_have_to_follow_each_other(alice: Person, room: str) -> None:
    first = alice.send(room, "the red house on the hill")
    second = alice.send(room, "a house that is red")
    find(alice, "red house", first, second)
    find(alice, '"red house"', first)
    find(alice, "«red house»", first)
    find(alice, '"red house', first, second)


def test_names_and_topics(alice: Person, room: str) -> None:
    name = set_state(alice, room, "m.room.name", {"name": "Lighthouse"})
    topic = set_state(alice, room, "m.room.topic", {"topic": "lighthouse keepers"})
    rich = {"topic": "old", "m.topic": {"m.text": [{"body": "lighthouse and sea", "mimetype": "text/plain"}]}}
    body = alice.send(room, "a lighthouse")
    find(alice, "lighthouse", name, topic, body)
    find(alice, "lighthouse", name, keys=["content.name"])
    find(alice, "lighthouse", topic, keys=["content.topic"])
    find(alice, "lighthouse", body, keys=["content.body"])
    find(alice, "lighthouse", name, body, keys=["content.name", "content.body"])
    find(alice, "lighthouse", keys=[])
    newer = set_state(alice, room, "m.room.topic", rich)
    find(alice, "lighthouse sea", newer)
    find(alice, "old", newer)


def test_what_is_not_searched(alice: Person, room: str) -> None:
    alice.send(room, "nowhere", "m.room.encrypted")
    alice.send(room, "nowhere", "org.example.note")
    set_state(alice, room, "m.room.name", {"name": "nowhere"}, "key")
    set_state(alice, room, "m.room.message", {"msgtype": "m.text", "body": "nowhere"})
    alice.send(room, 7)  # type: ignore[arg-type]  # somebody will send it
    caught_up(alice, room)
    find(alice, "nowhere")


def test_a_reply_is_not_found_by_what_it_repeats(alice: Person, room: str) -> None:
    first = alice.send(room, "question zanzibar")
    content: dict[str, Any] = {"m.relates_to": {"m.in_reply_to": {"event_id": first}}}
    reply = alice.send(room, f"> <{alice.user_id}> question zanzibar\n\nanswer", **content)
    find(alice, "answer", reply)
    find(alice, "zanzibar", first)


# Edits and redactions


def test_an_edited_message_is_found_by_its_last_text(alice: Person, room: str) -> None:
    event_id = alice.send(room, "first draft")
    second = edit(alice, room, event_id, "second draft")
    find(alice, "second", event_id)
    answer = find(alice, "draft", event_id)
    bundled = answer["results"][0]["result"]["unsigned"]["m.relations"]["m.replace"]
    assert bundled["event_id"] == second
    third = edit(alice, room, event_id, "final text")
    find(alice, "final", event_id)
    find(alice, "first")
    redact(alice, room, third)
    find(alice, "second", event_id)
    redact(alice, room, second)
    find(alice, "first", event_id)
    find(alice, "final")


def test_edits_by_others_change_nothing(alice: Person, bob: Person, room: str) -> None:
    bob.join(room)
    event_id = alice.send(room, "untouched")
    edit(bob, room, event_id, "hijacked")
    caught_up(alice, room)
    find(alice, "hijacked")
    find(alice, "untouched", event_id)


def test_a_redacted_message_is_gone_at_once(alice: Person, room: str) -> None:
    for _ in range(5):
        event_id = alice.send(room, "a mistake")
        find(alice, "mistake", event_id)
        redact(alice, room, event_id)
        assert ids(search(alice, "mistake")) == []
    caught_up(alice, room)
    answer = search(alice, "mistake")
    assert (answer["results"], answer["count"]) == ([], 0)


def test_an_edit_that_one_may_not_read_is_not_found(alice: Person, bob: Person) -> None:
    room = room_with_visibility(alice, "joined", preset="public_chat")
    bob.join(room)
    event_id = alice.send(room, "harmless")
    leave(bob, room)
    edit(alice, room, event_id, "confidential")
    find(alice, "confidential", event_id)
    for order in ("rank", "recent"):
        assert ids(search(bob, "confidential", order_by=order)) == []
        assert search(bob, "confidential", order_by=order)["count"] == 0


# Who finds what


def test_only_rooms_that_one_is_in(alice: Person, bob: Person, room: str) -> None:
    event_id = alice.send(room, "walrus")
    find(alice, "walrus", event_id)
    find(bob, "walrus")
    alice.invite(room, bob)
    find(bob, "walrus")
    bob.join(room)
    find(bob, "walrus", event_id)


@pytest.mark.parametrize(
    ("visibility", "seen"),
    [("shared", [0, 1, 2]), ("world_readable", [0, 1, 2]), ("invited", [1, 2]), ("joined", [2])],
)
def test_history_visibility(alice: Person, bob: Person, visibility: str, seen: list[int]) -> None:
    room = room_with_visibility(alice, visibility)
    sent = [alice.send(room, "pelican one")]
    alice.invite(room, bob)
    sent.append(alice.send(room, "pelican two"))
    bob.join(room)
    sent.append(alice.send(room, "pelican three"))
    caught_up(alice, room)
    for order in ("rank", "recent"):
        answer = find(bob, "pelican", *(sent[index] for index in seen), order_by=order)
        assert answer["count"] == len(seen)
        find(alice, "pelican", *sent, order_by=order)


def test_a_room_that_hid_its_history_for_a_while(alice: Person, bob: Person) -> None:
    room = alice.create_room(preset="public_chat")
    before = alice.send(room, "heron one")
    set_visibility(alice, room, "joined")
    alice.send(room, "heron two")
    set_visibility(alice, room, "shared")
    after = alice.send(room, "heron three")
    bob.join(room)
    caught_up(alice, room)
    find(bob, "heron", before, after)


def test_rooms_that_one_has_left(alice: Person, bob: Person, room: str) -> None:
    bob.join(room)
    before = alice.send(room, "stork before")
    leave(bob, room)
    after = alice.send(room, "stork after")
    find(alice, "stork", before, after)
    answer = find(bob, "stork", before, include_state=True, event_context={"after_limit": 10})
    context = answer["results"][0]["context"]
    assert after not in [event["event_id"] for event in context["events_after"]]
    bob.join(room)
    ban(alice, room, bob)
    find(bob, "stork", before, after)
    act(bob, room, "forget")
    find(bob, "stork")


def test_ignored_people_are_not_found(alice: Person, bob: Person, room: str) -> None:
    bob.join(room)
    of_bob, own = bob.send(room, "kestrel"), alice.send(room, "kestrel")
    find(alice, "kestrel", of_bob, own)
    ignore(alice, bob)
    find(alice, "kestrel", own)


# Filters, order, pages, groups


def test_filters(alice: Person, bob: Person, room: str) -> None:
    other = alice.create_room(name="osprey")
    bob.join(room)
    first, second = alice.send(room, "osprey"), bob.send(room, "osprey", url="mxc://x.test/file")
    third = alice.send(other, "osprey")
    name = set_state(alice, other, "m.room.name", {"name": "osprey!"})
    everything = find(alice, "osprey nothing")
    assert everything["count"] == 0
    until(lambda: ids(search(alice, "osprey")), lambda found: len(found) == 5)
    find(alice, "osprey", first, second, filter={"rooms": [room]})
    find(alice, "osprey", first, second, filter={"not_rooms": [other]})
    find(alice, "osprey", second, filter={"senders": [bob.user_id]})
    find(alice, "osprey", second, filter={"not_senders": [alice.user_id]})
    find(alice, "osprey", second, filter={"contains_url": True})
    find(alice, "osprey", first, filter={"contains_url": False, "rooms": [room]})
    assert name in ids(search(alice, "osprey", filter={"types": ["m.room.name"]}))
    find(alice, "osprey", third, filter={"types": ["*message"], "rooms": [other]})
    find(alice, "osprey", filter={"types": []})
    find(alice, "osprey", filter={"senders": []})
    find(alice, "osprey", filter={"rooms": ["!unknown:hamrasan.test"]})


def test_by_relevance_and_by_time(alice: Person, room: str) -> None:
    near = alice.send(room, "blue heron")
    often = alice.send(room, "heron heron heron")
    far = alice.send(room, "heron, and many other words of which none is blue, and then some more of them")
    find(alice, "blue heron", near, far)
    assert ids(search(alice, "blue heron")) == [near, far]
    assert ids(search(alice, "heron")) == [often, near, far]
    assert ids(search(alice, "heron", order_by="recent")) == [far, often, near]
    ranks = [result["rank"] for result in search(alice, "heron")["results"]]
    assert ranks == sorted(ranks, reverse=True)


def pages(person: Person, term: str, **more: Any) -> list[list[str]]:
    answer = search(person, term, **more)
    found = [ids(answer)]
    while "next_batch" in answer:
        answer = search(person, term, answer["next_batch"], **more)
        found.append(ids(answer))
        assert len(found) < 50
    return found


@pytest.mark.parametrize("order", ["recent", "rank"])
@pytest.mark.parametrize("candidates", [1000, 3])
def test_pages(
    alice: Person, room: str, order: str, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = alice.create_room()
    sent = [alice.send(room if number % 2 else other, f"crane {number}") for number in range(7)]
    caught_up(alice, room)
    monkeypatch.setattr(messages, "CANDIDATES", candidates)
    found = pages(alice, "crane", order_by=order, filter={"limit": 2})
    assert [len(page) for page in found[:3]] == [2, 2, 2] if candidates > 3 or order == "recent" else True
    assert sorted(event for page in found for event in page) == sorted(sent)
    if order == "recent":
        assert [event for page in found for event in page] == sent[::-1]


def test_what_is_sent_meanwhile_moves_no_page(alice: Person, room: str) -> None:
    sent = [alice.send(room, f"egret {number}") for number in range(4)]
    caught_up(alice, room)
    for order in ("recent", "rank"):
        first = search(alice, "egret", order_by=order, filter={"limit": 2})
        caught_up_with = alice.send(room, f"egret {order}")
        find(alice, f"egret {order}", caught_up_with)
        second = search(alice, "egret", first["next_batch"], order_by=order, filter={"limit": 2})
        assert caught_up_with not in ids(second)
        assert not set(ids(first)) & set(ids(second))
        if order == "recent":
            assert ids(first) + ids(second) == sent[::-1]


@pytest.mark.parametrize("order", ["recent", "rank"])
def test_groups(alice: Person, bob: Person, room: str, order: str) -> None:
    bob.join(room)
    other = alice.create_room()
    one = [alice.send(room, "ibis"), alice.send(room, "ibis")]
    two = [bob.send(room, "ibis") for _ in range(3)]
    three = [alice.send(other, "ibis")]
    caught_up(alice, room)
    by = {"group_by": [{"key": "room_id"}, {"key": "sender"}]}
    answer = find(alice, "ibis", *one, *two, *three, groupings=by, order_by=order)
    rooms, senders = answer["groups"]["room_id"], answer["groups"]["sender"]
    assert sorted(rooms[room]["results"]) == sorted(one + two)
    assert rooms[other]["results"] == three
    assert sorted(senders[bob.user_id]["results"]) == sorted(two)
    assert sorted(group["order"] for group in rooms.values()) == [1, 2]
    assert "next_batch" not in rooms[room]
    short = search(alice, "ibis", groupings=by, order_by=order, filter={"limit": 2})
    for key, of_group in (("room_id", {room: one + two, other: three}), ("sender", {bob.user_id: two})):
        for value, expected in of_group.items():
            group = short["groups"][key].get(value)
            if group is None:
                continue
            found, token = list(group["results"]), group.get("next_batch")
            while token is not None:
                page = search(alice, "ibis", token, groupings=by, order_by=order, filter={"limit": 2})
                found += ids(page)
                token = page.get("next_batch")
            assert sorted(found) == sorted(expected)


def test_context_and_profiles(alice: Person, room: str) -> None:
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Then"})
    sent = [alice.send(room, f"number {number}") for number in range(8)]
    middle = alice.send(room, "cormorant")
    later = [alice.send(room, f"later {number}") for number in range(8)]
    find(alice, "cormorant", middle)
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Now"})
    around = {"before_limit": 2, "after_limit": 3, "include_profile": True}
    context = search(alice, "cormorant", event_context=around)["results"][0]["context"]
    assert [event["event_id"] for event in context["events_before"]] == [sent[7], sent[6]]
    assert [event["event_id"] for event in context["events_after"]] == later[:3]
    assert context["profile_info"] == {alice.user_id: {"displayname": "Then"}}
    older = alice.get(f"/rooms/{room}/messages", dir="b", limit=1, **{"from": context["start"]})["chunk"]
    newer = alice.get(f"/rooms/{room}/messages", dir="f", limit=1, **{"from": context["end"]})["chunk"]
    assert [older[0]["event_id"], newer[0]["event_id"]] == [sent[5], later[3]]
    usual = search(alice, "cormorant", event_context={})["results"][0]["context"]
    assert (len(usual["events_before"]), len(usual["events_after"])) == (5, 5)
    assert "profile_info" not in usual
    none = search(alice, "cormorant", event_context={"before_limit": 0, "after_limit": 0})
    assert none["results"][0]["context"]["events_before"] == []


def test_state_of_the_rooms(alice: Person, room: str) -> None:
    event_id = alice.send(room, "puffin")
    assert "state" not in find(alice, "puffin", event_id)
    state = find(alice, "puffin", event_id, include_state=True)["state"]
    assert state.keys() == {room}
    types = {event["type"] for event in state[room]}
    assert {"m.room.create", "m.room.member", "m.room.power_levels"} <= types


def test_threads_are_searched_too(alice: Person, room: str) -> None:
    root = alice.send(room, "root")
    reply = reply_in_thread(alice, room, root, "kingfisher")
    find(alice, "kingfisher", reply)


# What is refused, and what is harmless


@pytest.mark.parametrize(
    "term",
    [
        '"',
        '""',
        "*",
        "a*",
        "NEAR(a b, 5)",
        "text : x",
        "words MATCH 'x'",
        "AND",
        "OR NOT",
        "(((",
        "^x",
        "a AND (b OR",
        "'; DROP TABLE documents; --",
        "\\",
        "[a-z]+(x|y)*$",
        "\u0000",
        "x\u0000y",
        '"unbalanced "quotes" here',
        "\ue000b",
        "\ue001",
        "-x +y {text}: z",
        "",
        "   ",
        "\u200c",
        "ـ",
        "؟!،",
        "😀",
        "ﷺ",
        "𝕏",
    ],
)
@pytest.mark.parametrize("order", ["rank", "recent"])
def test_hostile_terms_find_nothing_and_break_nothing(alice: Person, term: str, order: str) -> None:
    answer = search(alice, term, order_by=order)
    assert answer["results"] == []


def test_hostile_terms_are_words_like_others(alice: Person, room: str) -> None:
    event_id = alice.send(room, 'NEAR(flamingo, OR) \x00 "AND" flamingo\'s [x]* 😀')
    for term in ("near flamingo or", 'AND "flamingo"', "flamingo*", "😀 flamingo", "x\x00flamingo"):
        find(alice, term, event_id)
    find(alice, "flamingo NOT flamingo")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (asked("x" * 501), "M_INVALID_PARAM"),
        (asked("x" * 10_000), "M_INVALID_PARAM"),
        (asked(" ".join(f"w{number}" for number in range(60))), "M_INVALID_PARAM"),
        (asked("x", keys=["content.secret"]), "M_BAD_JSON"),
        (asked("x", order_by="age"), "M_BAD_JSON"),
        (asked("x", filter={"limit": -1}), "M_BAD_JSON"),
        (asked("x", filter={"rooms": ["x"]}), "M_BAD_JSON"),
        (asked("x", event_context={"before_limit": -1}), "M_BAD_JSON"),
        (asked("x", groupings={"group_by": [{"key": "type"}]}), "M_BAD_JSON"),
        ({"search_categories": {"room_events": {}}}, "M_MISSING_PARAM"),
        ({}, "M_MISSING_PARAM"),
        ({"search_categories": {"room_events": {"search_term": ["x"]}}}, "M_BAD_JSON"),
    ],
)
def test_what_is_refused(alice: Person, body: dict[str, Any], errcode: str) -> None:
    refused(alice.request("POST", "/search", body), 400, errcode)


@pytest.mark.parametrize("token", ["", "x", "t1_5", "W10", "!!!", "A" * 5000, "WzEsIDUsMV0", "سلام"])
def test_tokens_that_are_none(alice: Person, token: str) -> None:
    refused(alice.request("POST", "/search", asked("x"), next_batch=token), 400, "M_INVALID_PARAM")


def test_no_category(alice: Person) -> None:
    assert alice.post("/search", {"search_categories": {}}) == {"search_categories": {}}
