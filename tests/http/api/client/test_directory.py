"""Room aliases."""

from __future__ import annotations

import threading

import pytest

from tests.reading import room_path, set_state
from tests.rooms_over_http import act, alias_path, state_of
from tests.running import Person, Running, answered, refused


@pytest.fixture
def alias(server: Running, alice: Person) -> str:
    return f"#{alice.localpart}-alias:{server.name}"


def test_an_alias_from_its_creation_to_its_end(
    server: Running, alice: Person, bob: Person, alias: str
) -> None:
    room_id = alice.create_room()
    refused(bob.request("GET", alias_path(alias)), 404, "M_NOT_FOUND")
    assert alice.put(alias_path(alias), {"room_id": room_id}) == {}
    with server.anonymous() as http:
        answer = http.get("/_matrix/client/v3" + alias_path(alias))
        assert answer.json() == {"room_id": room_id, "servers": [server.name]}
    assert alice.get(room_path(room_id, "aliases")) == {"aliases": [alias]}
    assert alice.delete(alias_path(alias)) == {}
    refused(bob.request("GET", alias_path(alias)), 404, "M_NOT_FOUND")
    refused(alice.request("DELETE", alias_path(alias)), 404, "M_NOT_FOUND")
    assert alice.get(room_path(room_id, "aliases")) == {"aliases": []}


def test_an_alias_is_taken_once(alice: Person, bob: Person, alias: str) -> None:
    room_id = alice.create_room()
    alice.put(alias_path(alias), {"room_id": room_id})
    other = bob.create_room()
    for person, target in ((bob, other), (alice, room_id)):
        refused(person.request("PUT", alias_path(alias), {"room_id": target}), 409, "M_UNKNOWN")
    assert bob.get(alias_path(alias))["room_id"] == room_id
    alice.delete(alias_path(alias))
    bob.put(alias_path(alias), {"room_id": other})


def test_of_those_who_want_an_alias_at_once_one_gets_it(alice: Person, bob: Person, alias: str) -> None:
    rooms = {person: person.create_room() for person in (alice, bob)}
    outcomes: list[int] = []

    def take(person: Person) -> None:
        outcomes.append(person.request("PUT", alias_path(alias), {"room_id": rooms[person]}).status_code)

    threads = [threading.Thread(target=take, args=(person,)) for person in (alice, bob) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200, *[409] * 5]


def test_aliases_that_cannot_be_created(alice: Person, bob: Person, alias: str) -> None:
    room_id = alice.create_room(preset="public_chat")
    for name, errcode in (("#x:elsewhere.test", 400), ("x", 400), ("#x", 400), ("#a b:hamrasan.test", 400)):
        refused(alice.request("PUT", alias_path(name), {"room_id": room_id}), errcode, "M_INVALID_PARAM")
    refused(bob.request("PUT", alias_path(alias), {"room_id": room_id}), 403, "M_FORBIDDEN")
    refused(alice.request("PUT", alias_path(alias), {"room_id": "!unknown:x"}), 403, "M_FORBIDDEN")
    refused(alice.request("PUT", alias_path(alias), {}), 400, "M_MISSING_PARAM")
    refused(alice.request("GET", alias_path("nonsense")), 400, "M_INVALID_PARAM")
    assert alice.get(room_path(room_id, "aliases")) == {"aliases": []}


def test_who_may_delete_an_alias(server: Running, alice: Person, bob: Person, alias: str) -> None:
    room_id = alice.create_room(preset="public_chat")
    carol, admin = server.register("carol"), server.register("admin")
    for person in (bob, carol):
        person.join(room_id)
    bob.put(alias_path(alias), {"room_id": room_id})
    refused(carol.request("DELETE", alias_path(alias)), 403, "M_FORBIDDEN")
    assert carol.get(alias_path(alias))["room_id"] == room_id
    alice.delete(alias_path(alias))  # has the rights in the room
    bob.put(alias_path(alias), {"room_id": room_id})
    bob.delete(alias_path(alias))  # made it
    bob.put(alias_path(alias), {"room_id": room_id})
    server.run(server.server.services.accounts.set_admin(admin.user_id, True))
    admin.delete(alias_path(alias))
    bob.put(alias_path(alias), {"room_id": room_id})
    answered(act(alice, room_id, "leave"))
    refused(alice.request("DELETE", alias_path(alias)), 403, "M_FORBIDDEN")  # has rights no longer


def test_a_deleted_alias_goes_from_the_canonical_ones_if_the_user_may_change_them(
    server: Running, alice: Person, bob: Person, alias: str
) -> None:
    room_id = alice.create_room(preset="public_chat", room_alias_name=f"{alice.localpart}-main")
    main = state_of(alice, room_id)["m.room.canonical_alias", ""]["alias"]
    bob.join(room_id)
    bob.put(alias_path(alias), {"room_id": room_id})
    set_state(alice, room_id, "m.room.canonical_alias", {"alias": main, "alt_aliases": [alias]})
    bob.delete(alias_path(alias))
    content = {"alias": main, "alt_aliases": [alias]}
    assert state_of(alice, room_id)["m.room.canonical_alias", ""] == content
    alice.delete(alias_path(main))
    assert state_of(alice, room_id)["m.room.canonical_alias", ""] == {"alt_aliases": [alias]}


def test_who_may_list_the_aliases_of_a_room(alice: Person, bob: Person, alias: str) -> None:
    room_id = alice.create_room(preset="public_chat")
    alice.put(alias_path(alias), {"room_id": room_id})
    path = room_path(room_id, "aliases")
    refused(bob.request("GET", path), 403, "M_FORBIDDEN")
    bob.join(room_id)
    assert bob.get(path) == {"aliases": [alias]}
    answered(act(bob, room_id, "leave"))
    refused(bob.request("GET", path), 403, "M_FORBIDDEN")
    set_state(alice, room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert bob.get(path) == {"aliases": [alias]}
