"""Lazily loaded members in `/sync` (client-server API, "Lazy-loading room members")."""

from __future__ import annotations

from typing import Any

from tests.reading import leave, with_filter
from tests.running import Person, Running


def lazy(limit: int = 10, **more: Any) -> str:
    return with_filter(room={"timeline": {"limit": limit}, "state": {"lazy_load_members": True, **more}})


def members(answer: Any, room_id: str, name: str = "state") -> dict[str, str]:
    """Return the memberships among a room's state, by user."""
    events = answer["rooms"]["join"][room_id][name]["events"]
    return {e["state_key"]: e["content"]["membership"] for e in events if e["type"] == "m.room.member"}


def crowd(server: Running, size: int = 4, **options: Any) -> tuple[list[Person], str]:
    """Return people in a public room made by the first of them, whose joining is in no timeline of ten events."""
    people = [server.register(f"member{number}") for number in range(size)]
    room_id = people[0].create_room(preset="public_chat", **options)
    for person in people[1:]:
        person.join(room_id)
    for number in range(12):
        people[0].send(room_id, f"m{number}")
    return people, room_id


def test_only_senders_and_oneself_are_given_in_a_room_with_a_name(server: Running) -> None:
    (alice, bob, _, dave), room_id = crowd(server, name="باغ")
    bob.send(room_id, "hi")
    answer = dave.sync(filter=lazy(1))
    assert members(answer, room_id) == {bob.user_id: "join", dave.user_id: "join"}
    assert members(dave.sync(filter=lazy(2)), room_id).keys() == {
        alice.user_id,
        bob.user_id,
        dave.user_id,
    }


def test_heroes_are_given_in_a_room_without_a_name(server: Running) -> None:
    people, room_id = crowd(server)
    dave = people[-1]
    answer = dave.sync(filter=lazy(1))
    assert members(answer, room_id).keys() == {person.user_id for person in people}
    assert answer["rooms"]["join"][room_id]["summary"]["m.heroes"] == [
        person.user_id for person in people[:3]
    ]


def test_without_lazy_loading_everybody_is_given(server: Running) -> None:
    people, room_id = crowd(server, name="باغ")
    answer = people[-1].sync(filter=with_filter(room={"timeline": {"limit": 1}}))
    assert members(answer, room_id).keys() == {person.user_id for person in people}


def test_who_speaks_first_is_introduced_once(server: Running) -> None:
    (_, bob, _, dave), room_id = crowd(server, name="باغ")
    first = dave.sync(filter=lazy(1))
    bob.send(room_id, "hi")
    second = dave.sync(first["next_batch"], filter=lazy())
    assert members(second, room_id) == {bob.user_id: "join"}
    bob.send(room_id, "me again")
    third = dave.sync(second["next_batch"], filter=lazy())
    assert members(third, room_id) == {}
    redundant = dave.sync(second["next_batch"], filter=lazy(include_redundant_members=True))
    assert members(redundant, room_id) == {bob.user_id: "join"}


def test_an_answer_that_was_lost_introduces_nobody(server: Running) -> None:
    (_, bob, _, dave), room_id = crowd(server, name="باغ")
    first = dave.sync(filter=lazy(1))
    bob.send(room_id, "hi")
    for _ in range(2):
        assert members(dave.sync(first["next_batch"], filter=lazy()), room_id) == {bob.user_id: "join"}


def test_each_device_is_introduced_to_those_who_speak(server: Running) -> None:
    (_, bob, _, dave), room_id = crowd(server, name="باغ")
    other = server.log_in(dave)
    since = {device: device.sync(filter=lazy(1))["next_batch"] for device in (dave, other)}
    bob.send(room_id, "hi")
    for device in (dave, other):
        assert members(device.sync(since[device], filter=lazy()), room_id) == {bob.user_id: "join"}


def test_a_new_name_is_told_again(server: Running) -> None:
    (_, bob, _, dave), room_id = crowd(server, name="باغ")
    since = dave.sync(filter=lazy(20))["next_batch"]
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "باب"})
    timeline = dave.next_of_room(since, room_id)[0]["timeline"]["events"]
    assert timeline[0]["content"]["displayname"] == "باب"


def test_changes_of_members_in_a_gap_are_all_told(server: Running) -> None:
    (alice, bob, carol, dave), room_id = crowd(server, name="باغ")
    since = dave.sync(filter=lazy(20))["next_batch"]
    leave(bob, room_id)
    leave(carol, room_id)
    carol.join(room_id)
    for number in range(3):
        alice.send(room_id, f"m{number}")
    answer = dave.sync(since, filter=lazy(2))
    assert answer["rooms"]["join"][room_id]["timeline"]["limited"] is True
    told = members(answer, room_id)
    assert (told[bob.user_id], told[carol.user_id]) == ("leave", "join")


def test_joining_gives_oneself(server: Running) -> None:
    (alice, *_), room_id = crowd(server, name="باغ")
    eve = server.register("eve")
    since = eve.sync(filter=lazy())["next_batch"]
    eve.join(room_id)
    for number in range(3):
        alice.send(room_id, f"m{number}")
    assert members(eve.sync(since, filter=lazy(2)), room_id).keys() == {alice.user_id, eve.user_id}


def test_full_state_gives_oneself_and_the_senders_again(server: Running) -> None:
    (alice, _, _, dave), room_id = crowd(server, name="باغ")
    since = dave.sync(filter=lazy(1))["next_batch"]
    alice.send(room_id, "m")
    answer = dave.sync(since, filter=lazy(), full_state="true")
    assert members(answer, room_id).keys() == {alice.user_id, dave.user_id}


def test_with_state_after_senders_are_given_too(server: Running) -> None:
    (_, bob, _, dave), room_id = crowd(server, name="باغ")
    since = dave.sync(filter=lazy(1), use_state_after="true")["next_batch"]
    bob.send(room_id, "hi")
    answer = dave.sync(since, filter=lazy(), use_state_after="true")
    assert members(answer, room_id, "state_after") == {bob.user_id: "join"}
