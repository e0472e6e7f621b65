"""Subscriptions to threads (MSC4306): who follows which, when devices contradict each other, and what is counted."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest

from hamrasan.rooms import thread_subscriptions
from tests.reading import leave, room_path, room_with_visibility
from tests.running import PASSWORD, Person, Running, refused
from tests.threads import (
    ALL,
    RULES,
    Json,
    address,
    asked_to_subscribe,
    enabled_rules,
    reply,
    subscribe,
    subscription,
    unsubscribe,
)

NOT_IN_THREAD = "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD"
CONFLICT = "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION"
NO_EVENT = "$wkmAkFTt0VJPlC2M9Cl5c0Q4FyOUjKDb7cWYMKEDFNs"


@pytest.fixture(name="room_id")
def _room(alice: Person, bob: Person) -> str:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return room_id


@pytest.fixture(name="root")
def _root(alice: Person, room_id: str) -> str:
    return alice.send(room_id, "the root")


# Subscribing.


def test_subscribing_and_unsubscribing(alice: Person, bob: Person, room_id: str, root: str) -> None:
    assert subscription(bob, room_id, root) is None
    unsubscribe(bob, room_id, root)
    subscribe(bob, room_id, root)
    subscribe(bob, room_id, root)
    assert subscription(bob, room_id, root) == {"automatic": False}
    assert subscription(alice, room_id, root) is None, "it is Bob's own"
    unsubscribe(bob, room_id, root)
    unsubscribe(bob, room_id, root)
    assert subscription(bob, room_id, root) is None


def test_an_automatic_subscription_never_replaces_a_wish(
    alice: Person, bob: Person, room_id: str, root: str
) -> None:
    cause = reply(alice, room_id, root)
    subscribe(bob, room_id, root, cause)
    assert subscription(bob, room_id, root) == {"automatic": True}
    subscribe(bob, room_id, root)
    assert subscription(bob, room_id, root) == {"automatic": False}
    subscribe(bob, room_id, root, reply(alice, room_id, root))
    assert subscription(bob, room_id, root) == {"automatic": False}


def test_what_came_before_an_unsubscription_subscribes_nobody_again(
    alice: Person, bob: Person, room_id: str, root: str
) -> None:
    before = reply(alice, room_id, root)
    subscribe(bob, room_id, root, before)
    also_before = reply(alice, room_id, root)
    unsubscribe(bob, room_id, root)
    for cause in (before, also_before):
        refused(asked_to_subscribe(bob, room_id, root, cause), 409, CONFLICT)
    assert subscription(bob, room_id, root) is None
    subscribe(bob, room_id, root, reply(alice, room_id, root))
    assert subscription(bob, room_id, root) == {"automatic": True}


def test_a_wish_holds_against_an_unsubscription(alice: Person, bob: Person, room_id: str, root: str) -> None:
    subscribe(bob, room_id, root)
    unsubscribe(bob, room_id, root)
    subscribe(bob, room_id, root)
    assert subscription(bob, room_id, root) == {"automatic": False}


def test_a_cause_must_be_in_the_thread(alice: Person, bob: Person, room_id: str, root: str) -> None:
    other = alice.send(room_id, "another root")
    elsewhere = reply(alice, room_id, other)
    for cause in (root, other, elsewhere):
        refused(asked_to_subscribe(bob, room_id, root, cause), 400, NOT_IN_THREAD)
    refused(asked_to_subscribe(bob, room_id, root, NO_EVENT), 404, "M_NOT_FOUND")
    assert subscription(bob, room_id, root) is None


def test_a_relation_to_a_reply_is_in_the_thread(alice: Person, bob: Person, room_id: str, root: str) -> None:
    said = reply(alice, room_id, root)
    content: Json = {
        "m.relates_to": {"rel_type": "m.replace", "event_id": said},
        "m.mentions": {"user_ids": [bob.user_id]},
        "m.new_content": {"msgtype": "m.text", "body": "b"},
    }
    edited = alice.send(room_id, "* b", **content)
    subscribe(bob, room_id, root, edited)
    assert subscription(bob, room_id, root) == {"automatic": True}


@pytest.mark.parametrize("cause", [True, 1, [], {}, "", "no event"])
def test_what_is_no_event_id_causes_nothing(bob: Person, room_id: str, root: str, cause: Any) -> None:
    refusal = asked_to_subscribe(bob, room_id, root, cause)
    expected = (404, "M_NOT_FOUND") if isinstance(cause, str) else (400, "M_BAD_JSON")
    refused(refusal, *expected)
    assert subscription(bob, room_id, root) is None


def test_threads_that_one_may_not_see_are_not_there(alice: Person, bob: Person, carol: Person) -> None:
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    root = alice.send(room_id, "before Bob")
    elsewhere = alice.send(alice.create_room(), "elsewhere")
    bob.join(room_id)
    for person, thread in ((bob, root), (bob, NO_EVENT), (alice, elsewhere), (carol, root), (bob, "x")):
        for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
            refused(person.request(method, address(room_id, thread), body), 404, "M_NOT_FOUND")
    refused(carol.request("PUT", address("!nowhere:hamrasan.test", root), {}), 404, "M_NOT_FOUND")
    assert carol.get(ALL, dir="b") == bob.get(ALL, dir="b") == {}


def test_who_has_left_keeps_what_they_may_still_see(
    alice: Person, bob: Person, room_id: str, root: str
) -> None:
    subscribe(bob, room_id, root)
    leave(bob, room_id)
    assert subscription(bob, room_id, root) == {"automatic": False}
    unsubscribe(bob, room_id, root)
    refused(asked_to_subscribe(bob, room_id, alice.send(room_id, "later")), 404, "M_NOT_FOUND")


def test_devices_that_contradict_each_other_leave_one_word(
    server: Running, alice: Person, bob: Person, room_id: str, root: str
) -> None:
    cause = reply(alice, room_id, root)
    devices = [bob, *(server.log_in(bob) for _ in range(3))]

    def insist(number: int) -> None:
        device = devices[number % len(devices)]
        if number % 2:
            assert asked_to_subscribe(device, room_id, root, cause).status_code in (200, 409)
        else:
            unsubscribe(device, room_id, root)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(insist, range(40)))
    unsubscribe(bob, room_id, root)
    refused(asked_to_subscribe(bob, room_id, root, cause), 409, CONFLICT)
    changes = bob.get(ALL, dir="b")
    assert changes.keys() == {"unsubscribed"}
    assert changes["unsubscribed"][room_id].keys() == {root}


def test_nobody_follows_more_threads_than_allowed(bob: Person, alice: Person, room_id: str) -> None:
    roots = [alice.send(room_id, f"root {number}") for number in range(3)]
    with patch.object(thread_subscriptions, "MAX_THREADS", 2):
        for root in roots[:2]:
            subscribe(bob, room_id, root)
        refused(asked_to_subscribe(bob, room_id, roots[2]), 413, "M_TOO_LARGE")
        unsubscribe(bob, room_id, roots[0])
        subscribe(bob, room_id, roots[0])
    assert subscription(bob, room_id, roots[2]) is None


def test_subscriptions_go_with_the_account(server: Running, alice: Person, room_id: str, root: str) -> None:
    leaving = server.register("leaving")
    leaving.join(room_id)
    subscribe(leaving, room_id, root)
    threads = server.server.services.thread_subscriptions
    assert server.run(threads.is_subscribed(leaving.user_id, root))
    identifier = {"type": "m.id.user", "user": leaving.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    leaving.post("/account/deactivate", {"auth": auth})

    async def is_gone() -> None:
        while await threads.is_subscribed(leaving.user_id, root):  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)

    server.run(is_gone())


# Catching up.


def changed(person: Person, **query: Any) -> Json:
    answer: Json = person.get(ALL, dir="b", **query)
    return answer


def test_subscriptions_are_paged_from_the_last_one_back(alice: Person, bob: Person, room_id: str) -> None:
    roots = [alice.send(room_id, f"root {number}") for number in range(5)]
    for root in roots:
        subscribe(bob, room_id, root, reply(alice, room_id, root))
    unsubscribe(bob, room_id, roots[1])
    first = changed(bob, limit=2)
    assert list(first["unsubscribed"][room_id]) == [roots[1]]
    assert list(first["subscribed"][room_id]) == [roots[4]]
    second = changed(bob, limit=2, **{"from": first["end"]})
    assert list(second["subscribed"][room_id]) == [roots[3], roots[2]]
    third = changed(bob, limit=2, **{"from": second["end"]})
    assert "end" not in third
    assert list(third["subscribed"][room_id]) == [roots[0]]
    assert third["subscribed"][room_id][roots[0]]["automatic"] is True
    stamps = [
        found["bump_stamp"]
        for page in (first, second, third)
        for found in page["subscribed"][room_id].values()
    ]
    assert stamps == sorted(stamps, reverse=True)
    assert first["unsubscribed"][room_id][roots[1]].keys() == {"bump_stamp"}
    assert "end" not in changed(bob)


def test_a_page_ends_where_the_client_says(alice: Person, bob: Person, room_id: str) -> None:
    roots = [alice.send(room_id, f"root {number}") for number in range(3)]
    subscribe(bob, room_id, roots[0])
    since = bob.sync()["next_batch"]
    subscribe(bob, room_id, roots[1])
    subscribe(bob, room_id, roots[2])
    page = changed(bob, to=since, limit=1)
    assert list(page["subscribed"][room_id]) == [roots[2]]
    page = changed(bob, to=since, limit=1, **{"from": page["end"]})
    assert list(page["subscribed"][room_id]) == [roots[1]]
    assert "end" not in page


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"dir": "f"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "0"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "-1"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "some"}, "M_INVALID_PARAM"),
        ({"dir": "b", "from": "nonsense"}, "M_INVALID_PARAM"),
        ({"dir": "b", "to": "t1_five"}, "M_INVALID_PARAM"),
    ],
)
def test_what_cannot_be_asked_of_the_pages(alice: Person, query: Json, errcode: str) -> None:
    refused(alice.request("GET", ALL, **query), 400, errcode)


# Push rules.


def counts(person: Person, room_id: str) -> tuple[int, int]:
    section = person.sync()["rooms"]["join"][room_id]["unread_notifications"]
    return section["notification_count"], section["highlight_count"]


def test_the_rules_wait_for_a_client_that_knows_of_subscriptions(
    alice: Person, bob: Person, room_id: str, root: str
) -> None:
    assert enabled_rules(bob) == {"unsubscribed_thread": False, "subscribed_thread": False}
    reply(alice, room_id, root)
    assert counts(bob, room_id)[0] >= 2, "as for everybody whose clients know nothing of subscriptions"
    since = bob.sync()["next_batch"]
    unsubscribe(bob, room_id, root)
    assert enabled_rules(bob) == {"unsubscribed_thread": True, "subscribed_thread": True}
    (told,) = bob.sync(since)["account_data"]["events"]
    assert [rule["enabled"] for rule in told["content"]["global"]["postcontent"]] == [True, True]
    assert enabled_rules(alice) == {"unsubscribed_thread": False, "subscribed_thread": False}


def test_what_the_user_makes_of_the_rules_stays(alice: Person, bob: Person, room_id: str, root: str) -> None:
    subscribe(bob, room_id, root)
    bob.put(RULES + "unsubscribed_thread/enabled", {"enabled": False})
    subscribe(bob, room_id, alice.send(room_id, "another root"))
    assert enabled_rules(bob) == {"unsubscribed_thread": False, "subscribed_thread": True}


def test_a_thread_counts_for_those_who_follow_it(alice: Person, bob: Person, room_id: str, root: str) -> None:
    bob.post(room_path(room_id, "receipt", "m.read", root))
    subscribe(bob, room_id, root)
    unsubscribe(bob, room_id, root)
    reply(alice, room_id, root)
    assert counts(bob, room_id) == (0, 0)
    subscribe(bob, room_id, root)
    assert counts(bob, room_id) == (1, 0)
    reply(alice, room_id, root)
    assert counts(bob, room_id) == (2, 0)
    unsubscribe(bob, room_id, root)
    assert counts(bob, room_id) == (0, 0)
    mention: Json = {"m.mentions": {"user_ids": [bob.user_id]}}
    reply(alice, room_id, root, **mention)
    assert counts(bob, room_id) == (1, 1), "a mention is told in any thread"


def test_a_followed_thread_counts_in_a_muted_room(
    alice: Person, bob: Person, room_id: str, root: str
) -> None:
    bob.post(room_path(room_id, "receipt", "m.read", root))
    bob.put(f"/pushrules/global/room/{quote(room_id, safe='')}", {"actions": []})
    subscribe(bob, room_id, root)
    alice.send(room_id, "in the room")
    assert counts(bob, room_id) == (0, 0)
    said = reply(alice, room_id, root)
    assert counts(bob, room_id) == (1, 0)
    (notification,) = bob.get("/notifications", limit=1)["notifications"]
    assert notification["event"]["event_id"] == said
    assert notification["actions"] == ["notify", {"set_tweak": "sound", "value": "default"}]


def test_nobody_adds_rules_of_this_kind(bob: Person) -> None:
    path = "/pushrules/global/postcontent/mine"
    refused(bob.request("PUT", path, {"actions": [], "conditions": []}), 400, "M_INVALID_PARAM")
    refused(bob.request("DELETE", RULES + "subscribed_thread"), 400, "M_INVALID_PARAM")
    assert bob.get(RULES + "subscribed_thread")["rule_id"].endswith("subscribed_thread")


def test_the_features_are_told(server: Running) -> None:
    with server.anonymous() as http:
        features = http.get("/_matrix/client/versions").json()["unstable_features"]
    assert features["org.matrix.msc4306"] is features["org.matrix.msc4308"] is True
