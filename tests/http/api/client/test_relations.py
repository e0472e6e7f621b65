from __future__ import annotations

from typing import Any

import pytest

from hamrasan.rooms import relations
from tests.reading import (
    MAX_PAGES,
    V1,
    bodies,
    get_v1,
    ignore,
    leave,
    react,
    redact,
    relate,
    reply_in_thread,
    room_path,
    room_with_visibility,
)
from tests.running import Person, Running, refused


def children(person: Person, room_id: str, *parts: str, **query: Any) -> list[str]:
    """Return the texts of what relates to an event, page by page."""
    found: list[str] = []
    for _ in range(MAX_PAGES):
        page = get_v1(person, room_path(room_id, "relations", *parts), **query)
        found += bodies(page["chunk"])
        if "next_batch" not in page:
            return found
        query["from"] = page["next_batch"]
    raise AssertionError("the paging does not end")


class Tree:
    """An event with relations of several kinds, and with relations of relations."""

    def __init__(self, alice: Person) -> None:
        self.room_id = alice.create_room(preset="public_chat")
        self.root = alice.send(self.room_id, "root")
        self.reply = reply_in_thread(alice, self.room_id, self.root, "reply")
        self.reaction = react(alice, self.room_id, self.root, "👍")
        self.reference = relate(alice, self.room_id, self.root, "m.reference", "reference")
        self.below = react(alice, self.room_id, self.reply, "below")
        self.deep = relate(alice, self.room_id, self.below, "m.reference", "deep")
        self.deeper = relate(alice, self.room_id, self.deep, "m.reference", "too deep")


def test_relations_by_kind_and_type_in_both_directions(server: Running) -> None:
    alice = server.register()
    tree = Tree(alice)
    room_id, root = tree.room_id, tree.root
    assert children(alice, room_id, root) == ["reference", "👍", "reply"]
    assert children(alice, room_id, root, dir="f") == ["reply", "👍", "reference"]
    assert children(alice, room_id, root, "m.thread") == ["reply"]
    assert children(alice, room_id, root, "m.annotation", "m.reaction") == ["👍"]
    assert children(alice, room_id, root, "m.annotation", "m.room.message") == []
    assert children(alice, room_id, tree.deeper) == []


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_relations_join(server: Running, limit: int) -> None:
    alice = server.register()
    tree = Tree(alice)
    assert children(alice, tree.room_id, tree.root, limit=limit) == ["reference", "👍", "reply"]
    assert children(alice, tree.room_id, tree.root, limit=limit, dir="f") == ["reply", "👍", "reference"]


def test_tokens_of_pages_of_relations(server: Running) -> None:
    alice = server.register()
    tree = Tree(alice)
    path = room_path(tree.room_id, "relations", tree.root)
    first = get_v1(alice, path, limit=2)
    assert "prev_batch" not in first
    second = get_v1(alice, path, limit=2, **{"from": first["next_batch"]})
    assert second["prev_batch"] == first["next_batch"]
    assert "next_batch" not in second
    until = get_v1(alice, path, to=first["next_batch"])
    assert bodies(until["chunk"]) == ["reference", "👍"]
    nothing = get_v1(alice, path, **{"from": first["next_batch"], "to": alice.sync()["next_batch"]})
    assert nothing["chunk"] == []
    by_sync = get_v1(alice, path, **{"from": alice.sync()["next_batch"]})
    assert len(by_sync["chunk"]) == 3
    refused(alice.request("GET", V1 + path, **{"from": "nonsense"}), 400, "M_INVALID_PARAM")
    refused(alice.request("GET", V1 + path, limit=0), 400, "M_INVALID_PARAM")


def test_relations_of_relations(server: Running) -> None:
    alice = server.register()
    tree = Tree(alice)
    path = room_path(tree.room_id, "relations", tree.root)
    page = get_v1(alice, path, recurse="true")
    assert bodies(page["chunk"]) == ["deep", "below", "reference", "👍", "reply"]
    assert page["recursion_depth"] == 3
    assert get_v1(alice, path, recurse="false")["recursion_depth"] == 1
    assert "recursion_depth" not in get_v1(alice, path)
    assert children(alice, tree.room_id, tree.root, "m.annotation", recurse="true") == ["below", "👍"]
    assert children(alice, tree.room_id, tree.root, recurse="true", limit=2) == [
        "deep",
        "below",
        "reference",
        "👍",
        "reply",
    ]


def test_redacted_and_ignored_relations_are_left_out(server: Running) -> None:
    alice, bob = server.register(), server.register()
    tree = Tree(alice)
    bob.join(tree.room_id)
    react(bob, tree.room_id, tree.root, "by bob")
    redact(alice, tree.room_id, tree.reaction)
    assert children(alice, tree.room_id, tree.root) == ["by bob", "reference", "reply"]
    ignore(alice, bob)
    assert children(alice, tree.room_id, tree.root) == ["reference", "reply"]
    assert children(bob, tree.room_id, tree.root) == ["by bob", "reference", "reply"]


def test_relations_show_their_own_aggregations(server: Running) -> None:
    alice = server.register()
    tree = Tree(alice)
    edit = {"msgtype": "m.text", "body": "better"}
    relate(alice, tree.room_id, tree.reply, "m.replace", "* better", **{"m.new_content": edit})
    chunk = get_v1(alice, room_path(tree.room_id, "relations", tree.root, "m.thread"))["chunk"]
    assert chunk[0]["content"]["body"] == "reply"
    bundled = chunk[0]["unsigned"]["m.relations"]["m.replace"]
    assert bundled["content"]["m.new_content"] == edit


def test_many_hidden_relations_are_passed_in_bounded_steps(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = server.register(), server.register()
    tree = Tree(alice)
    bob.join(tree.room_id)
    for number in range(12):
        react(bob, tree.room_id, tree.root, str(number))
    ignore(alice, bob)
    monkeypatch.setattr(relations, "MAX_CHILDREN_SCANNED", 5)
    path = room_path(tree.room_id, "relations", tree.root)
    page = get_v1(alice, path, limit=3)
    assert page["chunk"] == []
    assert "next_batch" in page
    assert children(alice, tree.room_id, tree.root, limit=3) == ["reference", "👍", "reply"]


def test_relations_to_what_cannot_be_seen(server: Running) -> None:
    alice, eve = server.register(), server.register()
    tree = Tree(alice)
    path = V1 + room_path(tree.room_id, "relations", tree.root)
    refused(eve.request("GET", path), 404, "M_NOT_FOUND")
    missing = V1 + room_path(tree.room_id, "relations", "$unknown")
    refused(alice.request("GET", missing), 404, "M_NOT_FOUND")


# Threads


def roots(person: Person, room_id: str, **query: Any) -> list[str]:
    """Return the texts of the roots of a room's threads, page by page."""
    found: list[str] = []
    for _ in range(MAX_PAGES):
        page = get_v1(person, room_path(room_id, "threads"), **query)
        found += [event["content"].get("body", "redacted") for event in page["chunk"]]
        if "next_batch" not in page:
            return found
        query["from"] = page["next_batch"]
    raise AssertionError("the paging does not end")


def three_threads(alice: Person, bob: Person) -> tuple[str, list[str]]:
    """Create a room with threads at "a", "b" and "c", in which b was active last; Bob has replied in a."""
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    begun = [alice.send(room_id, body) for body in ("a", "b", "c")]
    for root in begun:
        reply_in_thread(alice, room_id, root, "reply")
    reply_in_thread(bob, room_id, begun[0], "by bob")
    reply_in_thread(alice, room_id, begun[1], "last")
    return room_id, begun


@pytest.mark.parametrize("limit", [1, 2, 20])
def test_threads_by_their_latest_reply(server: Running, limit: int) -> None:
    alice, bob = server.register(), server.register()
    room_id, begun = three_threads(alice, bob)
    assert roots(alice, room_id, limit=limit) == ["b", "a", "c"]
    reply_in_thread(alice, room_id, begun[2], "newer")
    assert roots(alice, room_id, limit=limit) == ["c", "b", "a"]


def test_threads_carry_their_summary(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id, _ = three_threads(alice, bob)
    for person, participated in ((alice, [True, True, True]), (bob, [False, True, False])):
        chunk = get_v1(person, room_path(room_id, "threads"))["chunk"]
        summaries = [event["unsigned"]["m.relations"]["m.thread"] for event in chunk]
        assert [summary["count"] for summary in summaries] == [2, 2, 1]
        assert [summary["current_user_participated"] for summary in summaries] == participated
        latest = [summary["latest_event"]["content"]["body"] for summary in summaries]
        assert latest == ["last", "by bob", "reply"]


def test_threads_that_the_reader_took_part_in(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id, _ = three_threads(alice, bob)
    assert roots(bob, room_id, include="participated") == ["a"]
    assert roots(bob, room_id, include="participated", limit=1) == ["a"]
    assert roots(alice, room_id, include="participated") == ["b", "a", "c"]
    path = V1 + room_path(room_id, "threads")
    refused(bob.request("GET", path, include="mine"), 400, "M_INVALID_PARAM")
    refused(bob.request("GET", path, **{"from": "nonsense"}), 400, "M_INVALID_PARAM")
    refused(bob.request("GET", path, limit=0), 400, "M_INVALID_PARAM")


def test_a_thread_is_gone_with_its_last_reply(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room()
    root = alice.send(room_id, "root")
    reply = reply_in_thread(alice, room_id, root, "reply")
    assert roots(alice, room_id) == ["root"]
    redact(alice, room_id, reply)
    assert roots(alice, room_id) == []


def test_replies_of_ignored_users_do_not_count_and_their_threads_begin_redacted(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id, begun = three_threads(alice, bob)
    by_bob = bob.send(room_id, "by bob")
    reply_in_thread(alice, room_id, by_bob, "reply to bob")
    only_bob = alice.send(room_id, "only bob replies here")
    reply_in_thread(bob, room_id, only_bob, "noise")
    ignore(alice, bob)
    assert roots(alice, room_id) == ["redacted", "b", "c", "a"]
    summary = alice.get(room_path(room_id, "event", begun[0]))["unsigned"]["m.relations"]["m.thread"]
    assert (summary["count"], summary["latest_event"]["content"]["body"]) == (1, "reply")


def test_threads_of_a_room_that_the_reader_left(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id, begun = three_threads(alice, bob)
    leave(bob, room_id)
    reply_in_thread(alice, room_id, begun[2], "hidden")
    hidden = alice.send(room_id, "hidden root")
    reply_in_thread(alice, room_id, hidden, "hidden reply")
    assert roots(bob, room_id) == ["b", "a", "c"]


def test_threads_whose_root_is_hidden(server: Running) -> None:
    alice, bob, eve = server.register(), server.register(), server.register()
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    hidden = alice.send(room_id, "hidden")
    reply_in_thread(alice, room_id, hidden, "reply")
    bob.join(room_id)
    reply_in_thread(alice, room_id, hidden, "reply")
    seen = alice.send(room_id, "seen")
    reply_in_thread(alice, room_id, seen, "reply")
    assert roots(bob, room_id) == ["seen"]
    refused(eve.request("GET", V1 + room_path(room_id, "threads")), 403, "M_FORBIDDEN")


def test_many_threads_without_the_reader_are_passed_in_bounded_steps(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = server.register(), server.register()
    room_id, _ = three_threads(alice, bob)
    monkeypatch.setattr(relations, "MAX_THREADS_SCANNED", 1)
    page = get_v1(bob, room_path(room_id, "threads"), include="participated")
    assert page["chunk"] == []
    assert "next_batch" in page
    assert roots(bob, room_id, include="participated") == ["a"]
