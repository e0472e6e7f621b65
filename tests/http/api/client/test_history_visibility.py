"""Who sees which events: the four history visibilities against what may happen to a membership."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.reading import (
    ban,
    bodies,
    get_v1,
    ignore,
    leave,
    relate,
    reply_in_thread,
    room_path,
    room_with_visibility,
    set_visibility,
    walk,
    with_filter,
)
from tests.running import Person, Running, refused

VISIBILITIES = ("world_readable", "shared", "invited", "joined")

Step = Callable[[Person, Person, str], None]


def invite(alice: Person, bob: Person, room_id: str) -> None:
    alice.invite(room_id, bob)


def join(_: Person, bob: Person, room_id: str) -> None:
    bob.join(room_id)


def go(_: Person, bob: Person, room_id: str) -> None:
    leave(bob, room_id)


def throw_out(alice: Person, bob: Person, room_id: str) -> None:
    ban(alice, room_id, bob)


NEVER: list[tuple[str, Step | None]] = [("before", None)]
INVITED = [*NEVER, ("invited", invite)]
JOINED: list[tuple[str, Step | None]] = [*INVITED, ("inside", join)]
DECLINED = [*INVITED, ("declined", go)]
LEFT = [*JOINED, ("outside", go)]
BANNED = [*JOINED, ("outside", throw_out)]
BACK = [*LEFT, ("invited again", invite), ("inside again", join)]
INVITED_AGAIN = [*LEFT, ("invited again", invite)]
DECLINED_AGAIN = [*INVITED_AGAIN, ("declined", go)]

NOTHING: list[str] = []
ALL = ["everything"]

CASES: list[tuple[str, list[tuple[str, Step | None]], dict[str, list[str]]]] = [
    # Only an open room is read by who was never inside; an invite alone opens nothing, nor does turning it down.
    ("never", NEVER, {"world_readable": ALL, "shared": NOTHING, "invited": NOTHING, "joined": NOTHING}),
    ("invited", INVITED, {"world_readable": ALL, "shared": NOTHING, "invited": NOTHING, "joined": NOTHING}),
    ("declined", DECLINED, {"world_readable": ALL, "shared": NOTHING, "invited": NOTHING, "joined": NOTHING}),
    (
        "joined",
        JOINED,
        {"world_readable": ALL, "shared": ALL, "invited": ["invited", "inside"], "joined": ["inside"]},
    ),
    # Leaving takes nothing away, and adds nothing.
    (
        "left",
        LEFT,
        {
            "world_readable": ALL,
            "shared": ["before", "invited", "inside"],
            "invited": ["invited", "inside"],
            "joined": ["inside"],
        },
    ),
    # A banned user is not let into an open room either, beyond what they had.
    (
        "banned",
        BANNED,
        {
            "world_readable": ["before", "invited", "inside"],
            "shared": ["before", "invited", "inside"],
            "invited": ["invited", "inside"],
            "joined": ["inside"],
        },
    ),
    (
        "invited again",
        INVITED_AGAIN,
        {
            "world_readable": ALL,
            "shared": ["before", "invited", "inside"],
            "invited": ["invited", "inside"],
            "joined": ["inside"],
        },
    ),
    (
        "declined again",
        DECLINED_AGAIN,
        {
            "world_readable": ALL,
            "shared": ["before", "invited", "inside"],
            "invited": ["invited", "inside"],
            "joined": ["inside"],
        },
    ),
    (
        "back",
        BACK,
        {
            "world_readable": ALL,
            "shared": ALL,
            "invited": ["invited", "inside", "invited again", "inside again"],
            "joined": ["inside", "inside again"],
        },
    ),
]


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_messages_sent_while_a_membership_changed(
    server: Running,
    visibility: str,
    steps: list[tuple[str, Step | None]],
    expected: dict[str, list[str]],
) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_with_visibility(alice, visibility)
    sent: dict[str, str] = {}
    for name, step in steps:
        if step is not None:
            step(alice, bob, room_id)
        sent[name] = alice.send(room_id, name)
    visible = list(sent) if expected[visibility] is ALL else expected[visibility]

    if visible:
        assert bodies(walk(bob, room_id, "f")) == visible
        assert bodies(walk(bob, room_id, "b")) == visible[::-1]
    else:
        refused(bob.request("GET", room_path(room_id, "messages"), dir="b"), 403, "M_FORBIDDEN")
    for name, event_id in sent.items():
        paths = [room_path(room_id, kind, event_id) for kind in ("event", "context")]
        if name not in visible:
            for path in paths:
                refused(bob.request("GET", path), 404, "M_NOT_FOUND")
            relations = "/_matrix/client/v1" + room_path(room_id, "relations", event_id)
            refused(bob.request("GET", relations), 404, "M_NOT_FOUND")
            continue
        assert bob.get(paths[0])["content"]["body"] == name
        context = bob.get(paths[1], limit=100)
        around = [*bodies(context["events_before"])[::-1], name, *bodies(context["events_after"])]
        assert around == visible


@pytest.mark.parametrize(("former", "latter"), [("joined", "shared"), ("shared", "joined")])
def test_a_change_of_visibility_opens_and_closes_nothing_backwards(
    server: Running, former: str, latter: str
) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_with_visibility(alice, former, preset="public_chat")
    alice.send(room_id, former)
    set_visibility(alice, room_id, latter)
    alice.send(room_id, latter)
    bob.join(room_id)
    assert bodies(walk(bob, room_id)) == ["shared"]


@pytest.mark.parametrize(("former", "latter"), [("joined", "world_readable"), ("world_readable", "joined")])
def test_the_change_itself_is_seen_by_who_sees_either_side(server: Running, former: str, latter: str) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_with_visibility(alice, former, preset="public_chat")
    alice.send(room_id, former)
    set_visibility(alice, room_id, latter)
    alice.send(room_id, latter)
    bob.join(room_id)
    events = walk(bob, room_id)
    changes = [e for e in events if e["type"] == "m.room.history_visibility"]
    assert latter in {event["content"]["history_visibility"] for event in changes}
    assert bodies(events) == ["world_readable"]


def test_an_open_room_that_closes_is_closed_to_the_world(server: Running) -> None:
    alice, eve = server.register(), server.register()
    room_id = room_with_visibility(alice, "world_readable")
    event_id = alice.send(room_id, "hello world")
    assert eve.get(room_path(room_id, "event", event_id))["content"]["body"] == "hello world"
    set_visibility(alice, room_id, "shared")
    refused(eve.request("GET", room_path(room_id, "event", event_id)), 404, "M_NOT_FOUND")
    refused(eve.request("GET", room_path(room_id, "state")), 403, "M_FORBIDDEN")


def test_who_forgot_a_room_reads_nothing_of_it(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = alice.send(room_id, "hello")
    leave(bob, room_id)
    assert bodies(walk(bob, room_id)) == ["hello"]
    bob.post(room_path(room_id, "forget"))
    refused(bob.request("GET", room_path(room_id, "messages"), dir="b"), 403, "M_FORBIDDEN")
    refused(bob.request("GET", room_path(room_id, "event", event_id)), 404, "M_NOT_FOUND")


def test_what_is_bundled_with_an_event_is_hidden_like_an_event(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    root = alice.send(room_id, "root")
    reply_in_thread(alice, room_id, root, "seen")
    leave(bob, room_id)
    reply_in_thread(alice, room_id, root, "hidden")
    edit = {"msgtype": "m.text", "body": "edited"}
    relate(alice, room_id, root, "m.replace", "* edited", **{"m.new_content": edit})

    seen = bob.get(room_path(room_id, "event", root))["unsigned"]["m.relations"]
    assert "m.replace" not in seen
    assert seen["m.thread"]["count"] == 1
    assert seen["m.thread"]["latest_event"]["content"]["body"] == "seen"
    children = get_v1(bob, room_path(room_id, "relations", root))["chunk"]
    assert bodies(children) == ["seen"]
    full = alice.get(room_path(room_id, "event", root))["unsigned"]["m.relations"]
    assert (full["m.thread"]["count"], full["m.replace"]["content"]["body"]) == (2, "* edited")


def bundle_in_sync(person: Person, room_id: str, event_id: str, section: str, **query: str) -> dict[str, Any]:
    """Return what is bundled with an event in a person's first sync."""
    events = person.sync(**query)["rooms"][section][room_id]["timeline"]["events"]
    found = next(event for event in events if event["event_id"] == event_id)
    bundled: dict[str, Any] = found["unsigned"].get("m.relations", {})
    return bundled


def test_what_is_bundled_in_a_sync_is_hidden_as_well(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    root = alice.send(room_id, "root")
    leave(bob, room_id)
    reply_in_thread(alice, room_id, root, "hidden")
    wanted = with_filter(room={"include_leave": True})
    assert bundle_in_sync(bob, room_id, root, "leave", filter=wanted) == {}
    assert bundle_in_sync(alice, room_id, root, "join")["m.thread"]["count"] == 1


def test_what_ignored_users_reply_is_not_bundled(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    root = alice.send(room_id, "root")
    reply_in_thread(alice, room_id, root, "mine")
    reply_in_thread(bob, room_id, root, "noise")
    assert bundle_in_sync(alice, room_id, root, "join")["m.thread"]["count"] == 2
    ignore(alice, bob)
    summary = bundle_in_sync(alice, room_id, root, "join")["m.thread"]
    assert (summary["count"], summary["latest_event"]["content"]["body"]) == (1, "mine")
