"""Spaces: the tree of rooms below one (client-server API, "Spaces")."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from hamrasan.rooms import spaces
from tests.reading import V1, ban, get_v1, leave, room_path, set_state
from tests.running import Person, Running, refused, running


def space(person: Person, name: str = "space", **options: Any) -> str:
    creation = {"type": "m.space"}
    return person.create_room(name=name, creation_content=creation, preset="public_chat", **options)


def room(person: Person, name: str, **options: Any) -> str:
    return person.create_room(name=name, preset="public_chat", **options)


def put_child(person: Person, parent: str, child: str, **content: Any) -> None:
    set_state(person, parent, "m.space.child", {"via": ["hamrasan.test"], **content}, child)


def page(person: Person, room_id: str, **query: Any) -> Any:
    return get_v1(person, room_path(room_id, "hierarchy"), **query)


def names(answer: Any) -> list[str]:
    return [found["name"] for found in answer["rooms"]]


def hierarchy(person: Person, room_id: str, **query: Any) -> Any:
    return person.request("GET", V1 + room_path(room_id, "hierarchy"), **query)


def test_a_space_and_what_is_below_it(alice: Person, bob: Person) -> None:
    root = space(alice, "root")
    inner = space(alice, "inner")
    leaf = room(alice, "leaf", topic="Where it ends")
    put_child(alice, root, inner, order="a")
    put_child(alice, inner, leaf, suggested=True)
    answer = page(bob, root)
    assert names(answer) == ["root", "inner", "leaf"]
    assert "next_batch" not in answer
    top, _, last = answer["rooms"]
    (child,) = top["children_state"]
    assert child.pop("origin_server_ts") > 0
    assert child == {
        "type": "m.space.child",
        "state_key": inner,
        "sender": alice.user_id,
        "content": {"via": ["hamrasan.test"], "order": "a"},
    }
    assert last["children_state"] == []
    assert (last["topic"], last["num_joined_members"], last["room_version"]) == ("Where it ends", 1, "12")
    assert "room_type" not in last
    assert top["room_type"] == "m.space"


def test_children_are_ordered_and_spaces_are_entered_where_they_stand(alice: Person) -> None:
    root, middle = space(alice, "root"), space(alice, "middle")
    rooms = {name: room(alice, name) for name in ("tilde", "late", "early", "blank", "long", "below")}
    put_child(alice, root, rooms["late"])
    put_child(alice, root, rooms["tilde"], order="~")
    put_child(alice, root, rooms["long"], order="a" * 51)
    put_child(alice, root, middle, order="m")
    put_child(alice, root, rooms["blank"], order=" ")
    put_child(alice, root, rooms["early"], order=7)
    put_child(alice, middle, rooms["below"])
    # Without a valid order it is the time of the event that counts.
    expected = ["root", "blank", "middle", "below", "tilde", "late", "long", "early"]
    assert names(page(alice, root)) == expected
    assert [child["state_key"] for child in page(alice, root)["rooms"][0]["children_state"]] == [
        rooms["blank"],
        middle,
        *(rooms[name] for name in ("tilde", "late", "long", "early")),
    ]


@pytest.mark.parametrize("content", [{}, {"via": []}, {"via": "hamrasan.test"}, {"via": [1]}])
def test_what_is_no_child(alice: Person, content: dict[str, Any]) -> None:
    root = space(alice, "root")
    child = room(alice, "child")
    put_child(alice, root, child)
    assert names(page(alice, root)) == ["root", "child"]
    set_state(alice, root, "m.space.child", content, child)
    assert names(page(alice, root)) == ["root"]
    assert page(alice, root)["rooms"][0]["children_state"] == []


def test_a_room_that_is_no_space_has_no_children(alice: Person) -> None:
    plain, other = room(alice, "plain"), room(alice, "other")
    put_child(alice, plain, other)
    answer = page(alice, plain)
    assert names(answer) == ["plain"]
    assert answer["rooms"][0]["children_state"] == []


def test_rooms_in_a_circle_are_shown_once(alice: Person) -> None:
    first, second = space(alice, "first"), space(alice, "second")
    put_child(alice, first, second)
    put_child(alice, second, first)
    put_child(alice, first, first)
    assert names(page(alice, first)) == ["first", "second"]
    assert names(page(alice, second)) == ["second", "first"]


def test_suggested_rooms_only(alice: Person) -> None:
    root = space(alice, "root")
    put_child(alice, root, room(alice, "other"), suggested=False)
    put_child(alice, root, room(alice, "good"), suggested=True)
    put_child(alice, root, room(alice, "odd"), suggested="true")
    answer = page(alice, root, suggested_only="true")
    assert names(answer) == ["root", "good"]
    assert len(answer["rooms"][0]["children_state"]) == 1


def test_depth(alice: Person) -> None:
    chain = [space(alice, f"level {level}") for level in range(4)]
    for parent, child in itertools.pairwise(chain):
        put_child(alice, parent, child)
    for depth in range(4):
        assert names(page(alice, chain[0], max_depth=depth)) == [f"level {n}" for n in range(depth + 1)]
    assert len(page(alice, chain[0], max_depth=0)["rooms"][0]["children_state"]) == 1
    refused(hierarchy(alice, chain[0], max_depth=-1), 400, "M_INVALID_PARAM")


def test_pages_give_every_room_once_and_can_be_asked_for_again(alice: Person) -> None:
    root = space(alice, "root")
    for number in range(7):
        put_child(alice, root, room(alice, f"room {number}"), order=str(number))
    expected = ["root", *(f"room {number}" for number in range(7))]
    first = page(alice, root, limit=3)
    second = page(alice, root, limit=3, **{"from": first["next_batch"]})
    put_child(alice, root, room(alice, "late"), order=" ")
    third = page(alice, root, limit=3, **{"from": second["next_batch"]})
    assert names(first) + names(second) + names(third) == expected
    assert "next_batch" not in third
    again = page(alice, root, limit=3, **{"from": first["next_batch"]})
    assert (names(again), again["next_batch"]) == (names(second), second["next_batch"])
    refused(hierarchy(alice, root, limit=0), 400, "M_INVALID_PARAM")


def test_a_token_belongs_to_its_query(alice: Person, bob: Person) -> None:
    root, other = space(alice, "root"), space(alice, "other")
    for number in range(3):
        put_child(alice, root, room(alice, f"room {number}"))
    token = page(alice, root, limit=1, max_depth=2)["next_batch"]
    for wrong in ({"max_depth": 1}, {}, {"max_depth": 2, "suggested_only": "true"}):
        answer = refused(hierarchy(alice, root, limit=1, **{"from": token}, **wrong), 400, "M_INVALID_PARAM")
        assert "cannot change" in answer["error"]
    for person, room_id in ((bob, root), (alice, other)):
        refused(hierarchy(person, room_id, max_depth=2, **{"from": token}), 400, "M_INVALID_PARAM")
    for text in ("", "h1_x", "h1_AAAAAAAAAAAAAAAA_1", token + "9", "h1_" + "9" * 5000):
        refused(hierarchy(alice, root, max_depth=2, **{"from": text}), 400, "M_INVALID_PARAM")
    assert len(page(alice, root, max_depth=2, **{"from": token})["rooms"]) == 3


def test_only_a_users_last_walks_are_remembered(alice: Person, bob: Person) -> None:
    root = space(alice, "root")
    put_child(alice, root, room(alice, "child"))
    of_bob = page(bob, root, limit=1)["next_batch"]
    tokens = [page(alice, root, limit=1)["next_batch"] for _ in range(spaces.MAX_WALKS_OF_USER + 1)]
    refused(hierarchy(alice, root, **{"from": tokens[0]}), 400, "M_INVALID_PARAM")
    for person, token in [(bob, of_bob), *((alice, token) for token in tokens[1:])]:
        assert names(page(person, root, **{"from": token})) == ["child"]


@pytest.fixture
def world(alice: Person, bob: Person) -> dict[str, str]:
    """Rooms of alice's in a space, one for each reason why somebody may hear of a room or not."""
    outer = alice.create_room(name="outer")
    rule = "m.room.join_rules"
    allow = [{"type": "m.room_membership", "room_id": outer}]

    def with_rule(name: str, version: str = "12", **content: Any) -> str:
        state = {"type": rule, "content": content}
        return alice.create_room(name=name, room_version=version, initial_state=[state])

    rooms = {
        "private": alice.create_room(name="private"),
        "public": room(alice, "public"),
        "knock": with_rule("knock", join_rule="knock"),
        "old knock": with_rule("old knock", "6", join_rule="knock"),
        "restricted": with_rule("restricted", join_rule="restricted", allow=allow),
        "knock restricted": with_rule("knock restricted", join_rule="knock_restricted", allow=allow),
    }
    state = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    rooms["readable"] = alice.create_room(name="readable", initial_state=[state])
    root = space(alice, "root")
    for number, room_id in enumerate(rooms.values()):
        put_child(alice, root, room_id, order=str(number))
    return {**rooms, "root": root, "outer": outer}


OPEN = ["public", "knock", "knock restricted", "readable"]


def seen(person: Person, world: dict[str, str]) -> list[str]:
    return names(page(person, world["root"]))[1:]


def test_strangers_hear_of_open_rooms(alice: Person, bob: Person, world: dict[str, str]) -> None:
    assert seen(bob, world) == OPEN
    assert seen(alice, world) == [name for name in world if name not in ("root", "outer")]


def test_members_of_an_allowed_room_hear_of_restricted_ones(
    alice: Person, bob: Person, world: dict[str, str]
) -> None:
    alice.invite(world["outer"], bob)
    assert "restricted" not in seen(bob, world)
    bob.join(world["outer"])
    assert "restricted" in seen(bob, world)
    (found,) = (found for found in page(bob, world["root"])["rooms"] if found["name"] == "restricted")
    assert found["allowed_room_ids"] == [world["outer"]]
    leave(bob, world["outer"])
    assert "restricted" not in seen(bob, world)


def test_who_is_invited_or_banned(alice: Person, bob: Person, world: dict[str, str]) -> None:
    alice.invite(world["private"], bob)
    assert seen(bob, world)[0] == "private"
    for name in ("public", "readable"):
        ban(alice, world[name], bob)
    assert seen(bob, world) == ["private", "knock", "knock restricted"]
    ban(alice, world["root"], bob)
    refused(hierarchy(bob, world["root"]), 403, "M_FORBIDDEN")


def test_a_room_that_one_may_not_hear_of(alice: Person, bob: Person, world: dict[str, str]) -> None:
    for room_id in (world["private"], world["restricted"], "!unknown:hamrasan.test", "nonsense"):
        refused(hierarchy(bob, room_id), 403, "M_FORBIDDEN")


def test_rights_are_asked_for_on_every_page(alice: Person, bob: Person, world: dict[str, str]) -> None:
    first = page(bob, world["root"], limit=2)
    second = page(bob, world["root"], limit=2, **{"from": first["next_batch"]})
    assert names(second) == ["knock", "knock restricted"]
    set_state(alice, world["knock"], "m.room.join_rules", {"join_rule": "invite"})
    again = page(bob, world["root"], limit=2, **{"from": first["next_batch"]})
    assert "knock" not in names(again)


def test_hostile_spaces_are_bounded(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    root = space(alice, "root")
    children = [room(alice, f"room {number}") for number in range(6)]
    for number, child in enumerate(children):
        put_child(alice, root, child, order=str(number), padding="x" * 1000)
    monkeypatch.setattr(spaces, "MAX_WALK", 4)
    assert names(page(alice, root)) == ["root", "room 0", "room 1", "room 2"]
    monkeypatch.undo()
    monkeypatch.setattr(spaces, "MAX_CHILDREN_BYTES", 3_500)
    answer = page(alice, root)
    assert names(answer) == ["root", "room 0", "room 1", "room 2"]
    assert len(answer["rooms"][0]["children_state"]) == 3
    monkeypatch.undo()
    monkeypatch.setattr(spaces, "MAX_CHILDREN", 2)
    assert len(page(alice, root)["rooms"]) == 3
    monkeypatch.undo()
    monkeypatch.setattr(spaces, "MAX_PAGE_BYTES", 100)
    short = page(alice, root)
    assert names(short) == ["root"]
    monkeypatch.undo()
    assert names(page(alice, root, **{"from": short["next_batch"]}))[0] == "room 0"


def test_after_a_restart_the_tree_is_read_from_the_store_and_tokens_have_expired(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        alice = server.register("alice")
        root = space(alice, "root")
        put_child(alice, root, room(alice, "child"))
        before = page(alice, root)
        token = page(alice, root, limit=1)["next_batch"]
        session = (alice.user_id, alice.device_id, alice.token)
    with running(tmp_path / "data") as again:
        alice = Person(again.url, *session)
        assert page(alice, root) == before
        refused(hierarchy(alice, root, **{"from": token}), 400, "M_INVALID_PARAM")
        alice.http.close()


def test_walks_expire(fresh_server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = fresh_server.register("alice")
    root = space(alice, "root")
    put_child(alice, root, room(alice, "child"))
    token = page(alice, root, limit=1)["next_batch"]
    assert names(page(alice, root, **{"from": token})) == ["child"]
    monkeypatch.setattr(spaces, "WALK_LIFETIME_S", -1.0)
    refused(hierarchy(alice, root, **{"from": token}), 400, "M_INVALID_PARAM")
