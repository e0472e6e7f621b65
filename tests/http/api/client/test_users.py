"""Searching people (client-server API, "User Directory")."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from hamrasan.storage.sqlite import people_index
from hamrasan.storage.sqlite.search_index import INDEX_FILE
from tests.reading import leave, set_state, set_visibility
from tests.running import PASSWORD, Person, Running, refused
from tests.searching import until


def found(person: Person, term: str, **more: Any) -> list[str]:
    answer = person.post("/user_directory/search", {"search_term": term, **more})
    return [result["user_id"] for result in answer["results"]]


def find(person: Person, term: str, *expected: Person, **more: Any) -> None:
    """Search until just these people are found, in this order."""
    wanted = [other.user_id for other in expected]
    until(lambda: found(person, term, **more), lambda seen: seen == wanted)


def named(server: Running, name: str, localpart: str = "user") -> Person:
    person = server.register(localpart)
    person.put(f"/profile/{person.user_id}/displayname", {"displayname": name})
    return person


def together(*people: Person) -> str:
    """Return a private room of these people."""
    room_id = people[0].create_room()
    for other in people[1:]:
        people[0].invite(room_id, other)
        other.join(room_id)
    return room_id


def test_people_in_the_same_room(server: Running, alice: Person, bob: Person) -> None:
    zahra = named(server, "زهرا یگانه", "zahra")
    zahra.put(f"/profile/{zahra.user_id}/avatar_url", {"avatar_url": "mxc://x.test/zahra"})
    room_id = together(alice, zahra)
    find(alice, "زهرا", zahra)
    answer = alice.post("/user_directory/search", {"search_term": "يگا"})
    assert answer == {
        "results": [
            {"user_id": zahra.user_id, "display_name": "زهرا یگانه", "avatar_url": "mxc://x.test/zahra"}
        ],
        "limited": False,
    }
    assert found(bob, "زهرا") == []
    leave(zahra, room_id)
    assert found(alice, "زهرا") == []


def test_people_in_public_rooms(server: Running, alice: Person) -> None:
    mina = named(server, "Mina Quayle")
    room_id = mina.create_room()
    lock = named(server, "Mina Quayle")
    together(lock, mina)
    set_state(mina, room_id, "m.room.topic", {"topic": "private yet"})
    assert found(alice, "quayle") == []
    set_state(mina, room_id, "m.room.join_rules", {"join_rule": "public"})
    find(alice, "quayle", mina)
    set_state(mina, room_id, "m.room.join_rules", {"join_rule": "invite"})
    find(alice, "quayle")
    set_visibility(mina, room_id, "world_readable")
    find(alice, "quayle", mina)


def test_ranking(server: Running, alice: Person) -> None:
    stranger, friend, begins = (named(server, name) for name in ("Ossian", "Ossian Friend", "Ossianic"))
    stranger.create_room(preset="public_chat")
    together(alice, friend, begins)
    find(alice, "ossian", friend, stranger, begins)
    find(alice, "OSSIAN fri", friend)
    find(alice, "oss", friend, begins, stranger)


def test_user_ids(server: Running, alice: Person) -> None:
    vida = named(server, "Somebody", "vida.wren")
    other = named(server, "Vida Wren", "else")
    together(alice, vida, other)
    find(alice, vida.localpart, vida)
    find(alice, vida.user_id, vida)
    find(alice, vida.user_id.upper(), vida)
    find(alice, f"@{vida.localpart}:hamras", vida)
    find(alice, "wren", *sorted((vida, other), key=lambda person: person.user_id))
    assert found(alice, "hamrasan") == []
    assert found(alice, f"@{vida.localpart}:elsewhere.test") == []


def test_names_that_change(server: Running, alice: Person) -> None:
    person = named(server, "Beforehand")
    together(alice, person)
    find(alice, "beforehand", person)
    person.put(f"/profile/{person.user_id}/displayname", {"displayname": "Afterwards"})
    find(alice, "afterwards", person)
    assert found(alice, "beforehand") == []


def test_a_name_in_one_room_only_is_not_told_to_others(server: Running, alice: Person, bob: Person) -> None:
    person = named(server, "Everyday Quillon")
    shared = together(alice, person)
    secret = together(bob, person)
    content = {"membership": "join", "displayname": "Nightly Quillon"}
    set_state(person, secret, "m.room.member", content, person.user_id)
    find(alice, "quillon", person)
    set_state(person, shared, "m.room.member", {**content, "displayname": "x"}, person.user_id)
    find(bob, "everyday", person)
    assert found(alice, "nightly") == []


def test_limits(server: Running, alice: Person) -> None:
    people = [named(server, "Quorum Member") for _ in range(4)]
    together(alice, *people)
    until(lambda: found(alice, "quorum"), lambda seen: len(seen) == 4)
    for limit, limited in ((3, True), (4, False), (10**9, False)):
        answer = alice.post("/user_directory/search", {"search_term": "quorum", "limit": limit})
        assert (len(answer["results"]), answer["limited"]) == (min(limit, 4), limited)


def test_one_does_not_find_oneself(server: Running, alice: Person) -> None:
    person = named(server, "Solitary Narcissus")
    together(person, alice)
    find(alice, "narcissus", person)
    assert found(person, "narcissus") == []
    assert found(person, person.user_id) == []


def test_companions_are_found_among_many_of_their_name(
    server: Running, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_index, "MAX_CANDIDATES", 2)
    crowd = [named(server, "Multitude") for _ in range(4)]
    friend = named(server, "Multitude")
    together(*crowd)
    together(alice, friend)
    find(alice, "multitude", friend)
    find(alice, "mul", friend)


@pytest.mark.parametrize(
    "term", ["", " ", '"', "*", "a*b", 'x" OR "y', "\u0000", "@", "@:", ":", "(", "😀", "\ue000"]
)
def test_hostile_terms(alice: Person, term: str) -> None:
    assert found(alice, term) == []


def test_what_is_refused(alice: Person) -> None:
    path = "/user_directory/search"
    refused(alice.request("POST", path, {"search_term": "x" * 501}), 400, "M_INVALID_PARAM")
    refused(alice.request("POST", path, {}), 400, "M_MISSING_PARAM")
    refused(alice.request("POST", path, {"search_term": "x", "limit": 0}), 400, "M_BAD_JSON")
    refused(alice.request("POST", path, {"search_term": 7}), 400, "M_BAD_JSON")


def test_nothing_is_kept_of_who_had_themselves_erased(fresh_server: Running) -> None:
    alice, person = fresh_server.register("alice"), named(fresh_server, "Erasmus Evanescent")
    together(alice, person)
    find(alice, "evanescent", person)
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": PASSWORD,
    }
    person.post("/account/deactivate", {"auth": auth, "erase": True})
    until(lambda: found(alice, "evanescent"), lambda seen: not seen)

    def kept() -> list[tuple[str | None, str]]:
        with closing(sqlite3.connect(fresh_server.server.store.database.path.with_name(INDEX_FILE))) as file:
            return file.execute(
                "SELECT display_name, words FROM people WHERE user_id = ?", [person.user_id]
            ).fetchall()

    until(kept, lambda rows: len(rows) == 1 and rows[0][0] is None and "evanescent" not in rows[0][1])
