"""Unread counts in `/sync` (client-server API, "Receiving notifications")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reading import ignore, leave, react, redact, relate, reply_in_thread, room_path, with_filter
from tests.running import Person, Running
from tests.syncing import counts, joined

BY_THREAD = with_filter(room={"timeline": {"unread_thread_notifications": True}})


class Chat:
    """Alice, who is the admin, and Carol talk in a room in which Bob reads."""

    def __init__(self, server: Running) -> None:
        self.alice, self.bob, self.carol = (server.register(name) for name in ("alice", "bob", "carol"))
        self.room_id = self.alice.create_room(preset="public_chat")
        self.bob.join(self.room_id)
        self.carol.join(self.room_id)

    def unread(self, person: Person | None = None) -> tuple[int, int]:
        return counts((person or self.bob).sync(), self.room_id)

    def mark(self, event_id: str, type: str = "m.read", **body: Any) -> None:
        self.bob.post(room_path(self.room_id, "receipt", type, event_id), body)

    def mention(self, sender: Person, **whom: Any) -> str:
        content: dict[str, Any] = {"m.mentions": whom}
        return sender.send(self.room_id, "hear, hear", **content)

    def threads(self) -> tuple[tuple[int, int], dict[str, tuple[int, int]]]:
        """Return the counts of the main timeline, and of each thread that has some."""
        answer = self.bob.sync(filter=BY_THREAD)
        found = joined(answer, self.room_id).get("unread_thread_notifications", {})
        return counts(answer, self.room_id), {
            root: (part["notification_count"], part["highlight_count"]) for root, part in found.items()
        }


@pytest.fixture
def chat(server: Running) -> Chat:
    return Chat(server)


def test_the_count_comes_in_the_same_answer_as_the_event(chat: Chat) -> None:
    since = chat.bob.sync()["next_batch"]
    for number in range(1, 4):
        chat.alice.send(chat.room_id, "hi")
        answer = chat.bob.sync(since)
        assert counts(answer, chat.room_id) == (number, 0)
        since = answer["next_batch"]
    assert chat.unread() == (3, 0)
    assert chat.unread(chat.carol) == (3, 0)
    assert chat.unread(chat.alice) == (0, 0)


def test_what_the_predefined_rules_leave_out_does_not_count(chat: Chat) -> None:
    said = chat.alice.send(chat.room_id, "counts")
    chat.alice.send(chat.room_id, "a notice", msgtype="m.notice")
    relate(chat.alice, chat.room_id, said, "m.replace", "* edited")
    react(chat.alice, chat.room_id, said, "👍")
    chat.alice.put(room_path(chat.room_id, "state", "m.room.topic") + "/", {"topic": "x"})
    chat.alice.send(chat.room_id, "sticker", "m.sticker")
    assert chat.unread() == (1, 0)
    chat.alice.send(chat.room_id, "secret", "m.room.encrypted")
    assert chat.unread() == (2, 0)


def test_mentions_highlight_for_whom_they_mean(chat: Chat) -> None:
    chat.mention(chat.alice, user_ids=[chat.bob.user_id])
    assert (chat.unread(), chat.unread(chat.carol)) == ((1, 1), (1, 0))
    chat.mention(chat.alice, room=True)
    assert (chat.unread(), chat.unread(chat.carol)) == ((2, 2), (2, 1))
    chat.mention(chat.carol, room=True)  # who may not
    assert chat.unread() == (3, 2)
    chat.alice.send(chat.room_id, f"no mention of {chat.bob.user_id}, only text")
    assert chat.unread() == (4, 2)


def test_a_receipt_clears_what_stands_before_it(chat: Chat) -> None:
    ids = [chat.alice.send(chat.room_id, "hi") for _ in range(4)]
    chat.mark(ids[1])
    assert chat.unread() == (2, 0)
    chat.mark(ids[2], "m.read.private")
    assert chat.unread() == (1, 0)
    chat.mark(ids[3])
    assert chat.unread() == (0, 0)
    chat.mark(ids[0], "m.read.private")
    assert chat.unread() == (0, 0)


def test_a_public_receipt_behind_the_private_one_brings_nothing_back(chat: Chat) -> None:
    ids = [chat.alice.send(chat.room_id, "hi") for _ in range(3)]
    chat.mark(ids[2], "m.read.private")
    chat.mark(ids[0])
    assert chat.unread() == (0, 0)


def test_the_fully_read_marker_alone_clears_nothing(chat: Chat) -> None:
    said = chat.alice.send(chat.room_id, "hi")
    chat.bob.post(room_path(chat.room_id, "read_markers"), {"m.fully_read": said})
    assert chat.unread() == (1, 0)


def test_ones_own_message_clears_what_stands_before_it(chat: Chat) -> None:
    chat.alice.send(chat.room_id, "hi")
    chat.bob.send(chat.room_id, "hi yourself")
    assert chat.unread() == (0, 0)
    chat.alice.send(chat.room_id, "well")
    assert chat.unread() == (1, 0)


def test_a_redacted_message_counts_no_more(chat: Chat) -> None:
    said = chat.mention(chat.alice, user_ids=[chat.bob.user_id])
    chat.alice.send(chat.room_id, "other")
    since = chat.bob.sync()["next_batch"]
    assert chat.unread() == (2, 1)
    redact(chat.alice, chat.room_id, said)
    assert counts(chat.bob.sync(since), chat.room_id) == (1, 0)


def test_only_what_came_since_one_joined_counts(server: Running, chat: Chat) -> None:
    chat.alice.send(chat.room_id, "before")
    dave = server.register("dave")
    dave.join(chat.room_id)
    assert chat.unread(dave) == (0, 0)
    chat.alice.send(chat.room_id, "after")
    assert chat.unread(dave) == (1, 0)
    leave(dave, chat.room_id)
    chat.alice.send(chat.room_id, "away")
    dave.join(chat.room_id)
    assert chat.unread(dave) == (0, 0)


def test_rules_of_ones_own_decide(chat: Chat) -> None:
    chat.bob.put(
        "/pushrules/global/content/garden",
        {"pattern": "باغ", "actions": ["notify", {"set_tweak": "highlight"}]},
    )
    chat.alice.send(chat.room_id, "به باغ بیا")
    chat.alice.send(chat.room_id, "hi")
    assert chat.unread() == (2, 1)
    chat.bob.put(f"/pushrules/global/room/{chat.room_id}", {"actions": []})
    assert chat.unread() == (1, 1), "a keyword is louder than a muted room"
    chat.bob.delete("/pushrules/global/content/garden")
    assert chat.unread() == (0, 0)
    chat.bob.delete(f"/pushrules/global/room/{chat.room_id}")
    assert chat.unread() == (2, 0)
    chat.bob.put("/pushrules/global/override/.m.rule.master/enabled", {"enabled": True})
    assert chat.unread() == (0, 0)


def test_messages_of_ignored_users_do_not_count(chat: Chat) -> None:
    chat.alice.send(chat.room_id, "of alice")
    chat.carol.send(chat.room_id, "of carol")
    ignore(chat.bob, chat.carol)
    assert chat.unread() == (1, 0)
    ignore(chat.bob)
    assert chat.unread() == (2, 0)


def test_threads_are_counted_apart_for_who_asks(chat: Chat) -> None:
    root = chat.alice.send(chat.room_id, "root")
    reply_in_thread(chat.alice, chat.room_id, root, "reply")
    last = reply_in_thread(chat.carol, chat.room_id, root, "reply")
    chat.alice.send(chat.room_id, "main")
    assert chat.threads() == ((2, 0), {root: (2, 0)})
    assert chat.unread() == (4, 0)
    assert "unread_thread_notifications" not in joined(chat.bob.sync(), chat.room_id)
    chat.mark(last, thread_id=root)
    assert chat.threads() == ((2, 0), {})
    later = reply_in_thread(chat.alice, chat.room_id, root, "later")
    assert chat.threads() == ((2, 0), {root: (1, 0)})
    chat.mark(later)
    assert chat.threads() == ((0, 0), {}), "a receipt without a thread is for the whole room"


def test_the_main_timeline_is_read_apart_from_threads(chat: Chat) -> None:
    root = chat.alice.send(chat.room_id, "root")
    reply_in_thread(chat.alice, chat.room_id, root, "reply")
    last = chat.alice.send(chat.room_id, "main")
    chat.mark(last, thread_id="main")
    assert chat.threads() == ((0, 0), {root: (1, 0)})


def test_ones_own_reply_clears_its_thread_only(chat: Chat) -> None:
    root = chat.alice.send(chat.room_id, "root")
    reply_in_thread(chat.alice, chat.room_id, root, "reply")
    reply_in_thread(chat.bob, chat.room_id, root, "mine")
    assert chat.threads() == ((1, 0), {})


def test_what_relates_to_a_reply_belongs_to_its_thread(chat: Chat) -> None:
    root = chat.alice.send(chat.room_id, "root")
    reply = reply_in_thread(chat.alice, chat.room_id, root, "reply")
    relate(chat.alice, chat.room_id, reply, "m.reference", "about the reply")
    assert chat.threads() == ((1, 0), {root: (2, 0)})
    react(chat.bob, chat.room_id, reply, "👍")
    assert chat.threads() == ((1, 0), {}), "whoever reacts has read"
