"""Long-polling of `/sync`: what wakes a client, what does not, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.reading import bodies, ignore, leave, room_path, set_state
from tests.running import Person, Running
from tests.syncing import joined, stream_of, wait_for, waiting


class Scene:
    """Bob waits in a room with Alice."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.alice, self.bob = server.register("alice"), server.register("bob")
        self.room_id = self.alice.create_room(preset="public_chat")
        self.bob.join(self.room_id)
        self.first = self.alice.send(self.room_id, "first")
        self.alice.sync()
        self.bob.sync()
        self.since: str = self.bob.sync()["next_batch"]

    def own(self, *parts: str) -> str:
        return "/".join([f"/user/{self.bob.user_id}", *parts])


Act = Callable[[Scene], Any]
WAKING: dict[str, tuple[Act, Callable[[Scene, Any], bool]]] = {
    "message": (
        lambda s: s.alice.send(s.room_id, "news"),
        lambda s, a: bodies(joined(a, s.room_id)["timeline"]["events"]) == ["news"],
    ),
    "state": (
        lambda s: set_state(s.alice, s.room_id, "m.room.topic", {"topic": "x"}),
        lambda s, a: joined(a, s.room_id)["timeline"]["events"][0]["type"] == "m.room.topic",
    ),
    "typing": (
        lambda s: s.alice.put(room_path(s.room_id, "typing", s.alice.user_id), {"typing": True}),
        lambda s, a: (
            joined(a, s.room_id)["ephemeral"]["events"][0]["content"]["user_ids"] == [s.alice.user_id]
        ),
    ),
    "receipt": (
        lambda s: s.alice.post(room_path(s.room_id, "receipt", "m.read", s.first)),
        lambda s, a: s.first in joined(a, s.room_id)["ephemeral"]["events"][0]["content"],
    ),
    "own private receipt": (
        lambda s: s.bob.post(room_path(s.room_id, "receipt", "m.read.private", s.first)),
        lambda s, a: joined(a, s.room_id)["unread_notifications"]["notification_count"] == 0,
    ),
    "invite": (
        lambda s: s.alice.create_room(invite=[s.bob.user_id]),
        lambda s, a: len(a["rooms"]["invite"]) == 1,
    ),
    "joining": (
        lambda s: s.bob.join(s.alice.create_room(preset="public_chat")),
        lambda s, a: len(a["rooms"]["join"]) == 1,
    ),
    "leaving": (
        lambda s: leave(s.bob, s.room_id),
        lambda s, a: a["rooms"]["leave"].keys() == {s.room_id},
    ),
    "kick": (
        lambda s: s.alice.post(room_path(s.room_id, "kick"), {"user_id": s.bob.user_id}),
        lambda s, a: a["rooms"]["leave"].keys() == {s.room_id},
    ),
    "account data": (
        lambda s: s.bob.put(s.own("account_data", "org.example"), {"a": 1}),
        lambda s, a: a["account_data"]["events"] == [{"type": "org.example", "content": {"a": 1}}],
    ),
    "push rule": (
        lambda s: s.bob.put(f"/pushrules/global/room/{s.room_id}", {"actions": []}),
        lambda s, a: a["account_data"]["events"][0]["type"] == "m.push_rules",
    ),
    "tag": (
        lambda s: s.bob.put(s.own("rooms", s.room_id, "tags", "u.work"), {}),
        lambda s, a: joined(a, s.room_id)["account_data"]["events"][0]["content"] == {"tags": {"u.work": {}}},
    ),
    "fully read marker": (
        lambda s: s.bob.post(room_path(s.room_id, "read_markers"), {"m.fully_read": s.first}),
        lambda s, a: joined(a, s.room_id)["account_data"]["events"][0]["content"] == {"event_id": s.first},
    ),
    "presence": (
        lambda s: s.alice.put(
            f"/presence/{s.alice.user_id}/status", {"presence": "online", "status_msg": "hi"}
        ),
        lambda s, a: a["presence"]["events"][0]["content"]["status_msg"] == "hi",
    ),
}
QUIET: dict[str, Act] = {
    "others' room": lambda s: s.alice.send(s.alice.create_room(), "not for bob"),
    "others' account data": lambda s: s.alice.put(f"/user/{s.alice.user_id}/account_data/x.y", {"a": 1}),
    "others' private receipt": lambda s: s.alice.post(
        room_path(s.room_id, "receipt", "m.read.private", s.first)
    ),
}


@pytest.mark.parametrize("what", WAKING)
def test_news_wake_a_client_that_waits(server: Running, what: str) -> None:
    act, shows = WAKING[what]
    scene = Scene(server)
    with waiting(server) as clients:
        answer = clients.begin(scene.bob, scene.since)
        act(scene)
        news = answer.result(20)
    assert shows(scene, news), news
    assert not stream_of(server, scene.bob).waiters


@pytest.mark.parametrize("what", QUIET)
def test_what_is_none_of_ones_business_answers_nobody(server: Running, what: str) -> None:
    scene = Scene(server)
    with waiting(server) as clients:
        answer = clients.begin(scene.bob, scene.since)
        QUIET[what](scene)
        scene.alice.send(scene.room_id, "the end")
        news = answer.result(20)
    assert set(news) <= {
        "next_batch",
        "rooms",
        "device_one_time_keys_count",
        "device_unused_fallback_key_types",
    }
    assert news["rooms"].keys() == {"join"}
    assert news["rooms"]["join"].keys() == {scene.room_id}
    part = joined(news, scene.room_id)
    assert bodies(part["timeline"]["events"]) == ["the end"]
    assert part.get("ephemeral", {"events": []})["events"] == []


def test_messages_of_an_ignored_user_answer_nobody(server: Running) -> None:
    scene = Scene(server)
    ignore(scene.bob, scene.alice)
    since = scene.bob.sync(scene.since)["next_batch"]
    with waiting(server) as clients:
        answer = clients.begin(scene.bob, since)
        scene.alice.send(scene.room_id, "not heard")
        topic = set_state(scene.alice, scene.room_id, "m.room.topic", {"topic": "told"})
        timeline = joined(answer.result(20), scene.room_id)["timeline"]["events"]
    assert [event["event_id"] for event in timeline] == [topic]


def test_who_waits_in_vain_gets_an_empty_answer_of_the_same_form(server: Running) -> None:
    scene = Scene(server)
    at_once, waited = scene.bob.sync(scene.since), scene.bob.sync(scene.since, timeout=1)
    for answer in (at_once, waited):
        assert answer.keys() == {
            "next_batch",
            "device_one_time_keys_count",
            "device_unused_fallback_key_types",
        }
        scene.alice.send(scene.room_id, "later")
        assert joined(scene.bob.sync(answer["next_batch"]), scene.room_id)["timeline"]["events"]
    assert not stream_of(server, scene.bob).waiters


def test_every_device_of_a_user_is_woken(server: Running) -> None:
    scene = Scene(server)
    devices = [scene.bob, server.log_in(scene.bob), server.log_in(scene.bob)]
    tokens = [device.sync()["next_batch"] for device in devices]
    with waiting(server) as clients:
        answers = [clients.begin(device, since) for device, since in zip(devices, tokens, strict=True)]
        scene.alice.send(scene.room_id, "for all")
        for answer in answers:
            assert bodies(joined(answer.result(20), scene.room_id)["timeline"]["events"]) == ["for all"]


def test_one_message_wakes_a_whole_room(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room(preset="public_chat")
    members = [server.register("member") for _ in range(20)]
    for member in members:
        member.join(room_id)
    unseen = {"set_presence": "offline"}
    tokens: dict[Person, str] = {member: member.sync(**unseen)["next_batch"] for member in members}
    with waiting(server) as clients:
        answers = [clients.begin(member, since, **unseen) for member, since in tokens.items()]
        sent = alice.send(room_id, "for all")
        for answer in answers:
            (event,) = joined(answer.result(20), room_id)["timeline"]["events"]
            assert (event["event_id"], event["unsigned"]["membership"]) == (sent, "join")


def test_a_client_that_goes_away_leaves_nothing_behind(server: Running) -> None:
    scene = Scene(server)
    stream = stream_of(server, scene.bob)
    with waiting(server) as clients:
        gone = server.log_in(scene.bob)
        since = gone.sync()["next_batch"]
        answer = clients.begin(gone, since)
        _cut(gone)
        wait_for(server, lambda: not stream.waiters)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the HTTP library says of it
            answer.result(20)
    scene.alice.send(scene.room_id, "nobody waits")
    assert bodies(joined(scene.bob.sync(scene.since), scene.room_id)["timeline"]["events"]) == [
        "nobody waits"
    ]


def _cut(person: Person) -> None:
    """Close the connections of a person, also those in use."""
    pool: Any = person.http._transport_for_url(person.http.base_url)
    for connection in pool._pool.connections:
        stream = connection._connection._network_stream
        stream.get_extra_info("socket").shutdown(2)


@pytest.mark.parametrize("path", ["/logout", "/logout/all"])
def test_logging_out_ends_the_waiting(server: Running, path: str) -> None:
    scene = Scene(server)
    other = server.log_in(scene.bob)
    since = other.sync()["next_batch"]
    with waiting(server) as clients:
        answer = clients.begin(other, since)
        other.post(path)
        with pytest.raises(AssertionError, match="M_UNKNOWN_TOKEN"):
            answer.result(20)
    assert not stream_of(server, scene.bob).waiters


def test_logging_out_one_device_leaves_the_others_waiting(server: Running) -> None:
    scene = Scene(server)
    other = server.log_in(scene.bob)
    since = scene.bob.sync()["next_batch"]
    with waiting(server) as clients:
        answer = clients.begin(scene.bob, since)
        other.post("/logout")
        assert answer.result(20)["device_lists"]["changed"] == [scene.bob.user_id]


def test_two_requests_of_one_device_are_both_answered(server: Running) -> None:
    scene = Scene(server)
    with waiting(server) as clients:
        answers = [clients.begin(scene.bob, scene.since) for _ in range(2)]
        scene.alice.send(scene.room_id, "twice")
        for answer in answers:
            assert bodies(joined(answer.result(20), scene.room_id)["timeline"]["events"]) == ["twice"]


def test_a_full_state_sync_does_not_wait(server: Running) -> None:
    scene = Scene(server)
    assert joined(scene.bob.sync(scene.since, full_state="true", timeout=120_000), scene.room_id)
