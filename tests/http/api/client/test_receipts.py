from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.reading import leave, react, relate, reply_in_thread, room_path, room_with_visibility
from tests.running import Person, Running, refused


def mark(person: Person, room_id: str, event_id: str, type: str = "m.read", **body: Any) -> None:
    assert person.post(room_path(room_id, "receipt", type, event_id), body) == {}


def receipts_in(room: dict[str, Any]) -> list[tuple[str, str, str, str | None]]:
    """Return (user, type, event, thread) of the receipts in a room's part of a sync, and check their form."""
    found = []
    for event in room.get("ephemeral", {}).get("events", []):
        if event["type"] != "m.receipt":
            continue
        for event_id, types in event["content"].items():
            for type, users in types.items():
                for user_id, receipt in users.items():
                    assert receipt["ts"] > 0
                    assert set(receipt) <= {"ts", "thread_id"}
                    found.append((user_id, type, event_id, receipt.get("thread_id")))
    return sorted(found, key=str)


def receipts(person: Person, room_id: str) -> list[tuple[str, str, str, str | None]]:
    """Return all receipts of a room that a person is shown."""
    return receipts_in(person.sync()["rooms"]["join"][room_id])


def fully_read(person: Person, room_id: str) -> Any:
    path = f"/user/{quote(person.user_id)}/rooms/{quote(room_id)}/account_data/m.fully_read"
    return person.request("GET", path).json().get("event_id")


class Chat:
    """A room of two with three messages."""

    def __init__(self, server: Running, **options: Any) -> None:
        self.alice, self.bob = server.register(), server.register()
        self.room_id = self.alice.create_room(preset="public_chat", **options)
        self.bob.join(self.room_id)
        self.ids = [self.alice.send(self.room_id, str(number)) for number in range(3)]


def test_a_receipt_is_shown_to_all_and_a_private_one_to_its_user(server: Running) -> None:
    chat = Chat(server)
    mark(chat.bob, chat.room_id, chat.ids[1])
    mark(chat.bob, chat.room_id, chat.ids[2], "m.read.private")
    public = (chat.bob.user_id, "m.read", chat.ids[1], None)
    private = (chat.bob.user_id, "m.read.private", chat.ids[2], None)
    assert receipts(chat.alice, chat.room_id) == [public]
    assert receipts(chat.bob, chat.room_id) == [public, private]


def test_a_receipt_reaches_who_waits(server: Running) -> None:
    chat = Chat(server)
    since = chat.alice.sync()["next_batch"]
    mark(chat.bob, chat.room_id, chat.ids[1], "m.read.private")
    mark(chat.bob, chat.room_id, chat.ids[1])
    room = chat.alice.sync(since, timeout=20_000)["rooms"]["join"][chat.room_id]
    assert receipts_in(room) == [(chat.bob.user_id, "m.read", chat.ids[1], None)]


@pytest.mark.parametrize("type", ["m.read", "m.read.private"])
def test_receipts_move_forward_only(server: Running, type: str) -> None:
    chat = Chat(server)
    for index, expected in ((1, 1), (0, 1), (1, 1), (2, 2), (1, 2)):
        mark(chat.bob, chat.room_id, chat.ids[index], type)
        assert receipts(chat.bob, chat.room_id) == [(chat.bob.user_id, type, chat.ids[expected], None)]


def test_a_receipt_that_moves_nothing_takes_no_place_in_the_stream(server: Running) -> None:
    chat = Chat(server)
    mark(chat.bob, chat.room_id, chat.ids[1])
    before = chat.alice.sync()["next_batch"]
    mark(chat.bob, chat.room_id, chat.ids[1])
    mark(chat.bob, chat.room_id, chat.ids[0])
    after = chat.alice.sync(before)
    assert chat.room_id not in after.get("rooms", {}).get("join", {})


def test_receipts_of_types_and_threads_move_apart(server: Running) -> None:
    chat = Chat(server)
    user, (first, second, third) = chat.bob.user_id, chat.ids
    reply = reply_in_thread(chat.alice, chat.room_id, first, "reply")
    mark(chat.bob, chat.room_id, third)
    mark(chat.bob, chat.room_id, second, thread_id="main")
    mark(chat.bob, chat.room_id, reply, thread_id=first)
    mark(chat.bob, chat.room_id, first, "m.read.private")
    assert receipts(chat.bob, chat.room_id) == sorted(
        [
            (user, "m.read", third, None),
            (user, "m.read", second, "main"),
            (user, "m.read", reply, first),
            (user, "m.read.private", first, None),
        ],
        key=str,
    )


def test_an_event_may_carry_several_receipts_of_one_user(server: Running) -> None:
    chat = Chat(server)
    mark(chat.bob, chat.room_id, chat.ids[2])
    mark(chat.bob, chat.room_id, chat.ids[2], thread_id="main")
    assert receipts(chat.alice, chat.room_id) == [
        (chat.bob.user_id, "m.read", chat.ids[2], "main"),
        (chat.bob.user_id, "m.read", chat.ids[2], None),
    ]


def test_a_threaded_receipt_is_for_events_of_that_thread(server: Running) -> None:
    chat = Chat(server)
    room_id, (root, other, _) = chat.room_id, chat.ids
    reply = reply_in_thread(chat.alice, room_id, root, "reply")
    reaction = react(chat.alice, room_id, reply, "👍")
    on_root = react(chat.alice, room_id, root, "👍")
    accepted = [
        (reply, root),
        (reaction, root),
        (root, root),
        (root, "main"),
        (other, "main"),
        (on_root, "main"),
    ]
    refused_ones = [(reply, "main"), (reaction, "main"), (other, root), (on_root, root), (reply, "$unknown")]
    for event_id, thread_id in refused_ones:
        path = room_path(room_id, "receipt", "m.read", event_id)
        refused(chat.bob.request("POST", path, {"thread_id": thread_id}), 400, "M_INVALID_PARAM")
    assert receipts(chat.bob, room_id) == []
    for event_id, thread_id in accepted:
        mark(chat.bob, room_id, event_id, thread_id=thread_id)


def test_relations_are_followed_over_three_hops(server: Running) -> None:
    chat = Chat(server)
    room_id, root = chat.room_id, chat.ids[0]
    reply = reply_in_thread(chat.alice, room_id, root, "reply")
    second = relate(chat.alice, room_id, reply, "m.reference", "second")
    third = relate(chat.alice, room_id, second, "m.reference", "third")
    fourth = relate(chat.alice, room_id, third, "m.reference", "fourth")
    mark(chat.bob, room_id, third, thread_id=root)
    mark(chat.bob, room_id, fourth, thread_id="main")


@pytest.mark.parametrize("thread_id", ["", 7, ["main"], {}])
def test_what_is_no_thread_id(server: Running, thread_id: Any) -> None:
    chat = Chat(server)
    path = room_path(chat.room_id, "receipt", "m.read", chat.ids[0])
    refused(chat.bob.request("POST", path, {"thread_id": thread_id}), 400, "M_INVALID_PARAM")
    assert receipts(chat.bob, chat.room_id) == []


def test_receipts_that_are_refused_change_nothing(server: Running) -> None:
    chat = Chat(server)
    eve = server.register()
    elsewhere = chat.alice.send(chat.alice.create_room(), "elsewhere")
    room_id, event_id = chat.room_id, chat.ids[0]

    def post(who: Person, type: str, event: str, body: Any = None) -> Any:
        return who.request("POST", room_path(room_id, "receipt", type, event), {} if body is None else body)

    refused(post(eve, "m.read", event_id), 403, "M_FORBIDDEN")
    refused(post(chat.bob, "m.read", "$unknown"), 404, "M_NOT_FOUND")
    refused(post(chat.bob, "m.read", elsewhere), 404, "M_NOT_FOUND")
    refused(post(chat.bob, "com.example.read", event_id), 400, "M_INVALID_PARAM")
    refused(post(chat.bob, "m.fully_read", event_id, {"thread_id": "main"}), 400, "M_INVALID_PARAM")
    refused(post(chat.bob, "m.read", event_id, []), 400, "M_BAD_JSON")
    leave(chat.bob, room_id)
    refused(post(chat.bob, "m.read", event_id), 403, "M_FORBIDDEN")
    assert receipts(chat.alice, room_id) == []
    assert fully_read(chat.bob, room_id) is None


def test_what_is_hidden_cannot_be_read(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    hidden = alice.send(room_id, "hidden")
    bob.join(room_id)
    refused(bob.request("POST", room_path(room_id, "receipt", "m.read", hidden), {}), 404, "M_NOT_FOUND")


def test_receipts_survive_the_server(fresh_server: Running) -> None:
    chat = Chat(fresh_server)
    mark(chat.bob, chat.room_id, chat.ids[1])
    # What is remembered is forgotten: the store knows it too.
    fresh_server.server.services.receipts._latest.clear()
    mark(chat.bob, chat.room_id, chat.ids[0])
    mark(chat.bob, chat.room_id, chat.ids[0], "m.fully_read")
    assert receipts(chat.alice, chat.room_id) == [(chat.bob.user_id, "m.read", chat.ids[1], None)]


# The fully read marker


def test_the_fully_read_marker_is_account_data_that_moves_forward(server: Running) -> None:
    chat = Chat(server)
    since = chat.bob.sync()["next_batch"]
    for index, expected in ((1, 1), (0, 1), (2, 2), (1, 2)):
        mark(chat.bob, chat.room_id, chat.ids[index], "m.fully_read")
        assert fully_read(chat.bob, chat.room_id) == chat.ids[expected]
    room = chat.bob.sync(since)["rooms"]["join"][chat.room_id]
    assert room["account_data"]["events"] == [{"type": "m.fully_read", "content": {"event_id": chat.ids[2]}}]
    assert receipts(chat.bob, chat.room_id) == [], "it is no receipt"
    assert fully_read(chat.alice, chat.room_id) is None


def test_all_markers_move_at_once(server: Running) -> None:
    chat = Chat(server)
    path = room_path(chat.room_id, "read_markers")
    first, second, third = chat.ids
    body = {"m.fully_read": first, "m.read": second, "m.read.private": third}
    assert chat.bob.post(path, body) == {}
    user = chat.bob.user_id
    assert receipts(chat.bob, chat.room_id) == [
        (user, "m.read", second, None),
        (user, "m.read.private", third, None),
    ]
    assert fully_read(chat.bob, chat.room_id) == first
    assert chat.bob.post(path, {}) == {}
    assert chat.bob.post(path, {"m.fully_read": third}) == {}
    assert fully_read(chat.bob, chat.room_id) == third


@pytest.mark.parametrize(
    ("bad", "status", "errcode"),
    [
        ({"m.read": "$unknown"}, 404, "M_NOT_FOUND"),
        ({"m.read.private": "$unknown"}, 404, "M_NOT_FOUND"),
        ({"m.read": 1}, 400, "M_BAD_JSON"),
    ],
)
def test_no_marker_moves_where_one_is_refused(
    server: Running, bad: dict[str, Any], status: int, errcode: str
) -> None:
    chat = Chat(server)
    body = {"m.fully_read": chat.ids[0], "m.read": chat.ids[0], **bad}
    refused(chat.bob.request("POST", room_path(chat.room_id, "read_markers"), body), status, errcode)
    assert receipts(chat.bob, chat.room_id) == []
    assert fully_read(chat.bob, chat.room_id) is None


def test_markers_in_rooms_of_others(server: Running) -> None:
    chat = Chat(server)
    eve = server.register()
    path = room_path(chat.room_id, "read_markers")
    refused(eve.request("POST", path, {"m.fully_read": chat.ids[0]}), 403, "M_FORBIDDEN")
    assert fully_read(eve, chat.room_id) is None
