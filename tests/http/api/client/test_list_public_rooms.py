"""The public room directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hamrasan.rooms import directory
from hamrasan.rooms.new_event import NewEvent
from tests.reading import set_state
from tests.rooms_over_http import act
from tests.running import Person, Running, answered, refused, running


def listing(room_id: str) -> str:
    return f"/directory/list/room/{room_id}"


def names(page: dict[str, Any]) -> list[str]:
    return [room["name"] for room in page["chunk"]]


def search(person: Person, term: str | None = None, **more: Any) -> list[str]:
    wanted = {**({} if term is None else {"generic_search_term": term}), **more}
    return sorted(names(person.post("/publicRooms", {"filter": wanted})))


@pytest.fixture
def alice(fresh_server: Running) -> Person:
    return fresh_server.register("alice")


@pytest.fixture
def bob(fresh_server: Running) -> Person:
    return fresh_server.register("bob")


def test_a_room_in_the_directory(fresh_server: Running, alice: Person) -> None:
    assert alice.get("/publicRooms") == {"chunk": [], "total_room_count_estimate": 0}
    room_id = alice.create_room(
        visibility="public",
        name="Roof",
        topic="Above",
        room_alias_name="roof",
        creation_content={"type": "m.space"},
    )
    set_state(alice, room_id, "m.room.avatar", {"url": "mxc://x.test/roof"})
    expected = {
        "room_id": room_id,
        "name": "Roof",
        "topic": "Above",
        "canonical_alias": "#roof:hamrasan.test",
        "avatar_url": "mxc://x.test/roof",
        "num_joined_members": 1,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "room_type": "m.space",
    }
    with fresh_server.anonymous() as http:
        page = http.get("/_matrix/client/v3/publicRooms").json()
    assert page == {"chunk": [expected], "total_room_count_estimate": 1}
    set_state(alice, room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    set_state(alice, room_id, "m.room.guest_access", {"guest_access": "can_join"})
    set_state(alice, room_id, "m.room.join_rules", {"join_rule": "knock"})
    for event_type in ("m.room.name", "m.room.topic", "m.room.canonical_alias", "m.room.avatar"):
        set_state(alice, room_id, event_type, {})
    (room,) = alice.get("/publicRooms")["chunk"]
    assert room == {
        "room_id": room_id,
        "num_joined_members": 1,
        "world_readable": True,
        "guest_can_join": True,
        "join_rule": "knock",
        "room_type": "m.space",
    }


def test_the_topic_is_the_plain_text_of_the_newer_form(alice: Person) -> None:
    room_id = alice.create_room(visibility="public")
    texts = [{"mimetype": "text/html", "body": "<b>new</b>"}, {"body": "new"}]
    set_state(alice, room_id, "m.room.topic", {"topic": "old", "m.topic": {"m.text": texts}})
    assert alice.get("/publicRooms")["chunk"][0]["topic"] == "new"
    set_state(alice, room_id, "m.room.topic", {"topic": "old", "m.topic": {"m.text": texts[:1]}})
    assert alice.get("/publicRooms")["chunk"][0]["topic"] == "old"


def test_an_avatar_that_is_no_media_of_matrix_is_left_out(alice: Person) -> None:
    room_id = alice.create_room(visibility="public")
    for url, shown in (("mxc://x.test/roof", True), ("https://x.test/roof", False), ("", False)):
        set_state(alice, room_id, "m.room.avatar", {"url": url})
        assert ("avatar_url" in alice.get("/publicRooms")["chunk"][0]) is shown, url


def test_who_may_list_a_room(fresh_server: Running, alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat", name="Roof")
    admin = fresh_server.register("admin")
    fresh_server.run(fresh_server.server.services.accounts.set_admin(admin.user_id, True))
    assert bob.get(listing(room_id)) == {"visibility": "private"}
    bob.join(room_id)
    refused(bob.request("PUT", listing(room_id), {"visibility": "public"}), 403, "M_FORBIDDEN")
    refused(alice.request("PUT", listing(room_id), {"visibility": "x"}), 400, "M_BAD_JSON")
    refused(alice.request("PUT", listing("!unknown:x"), {"visibility": "public"}), 404, "M_NOT_FOUND")
    refused(alice.request("GET", listing("!unknown:x")), 404, "M_NOT_FOUND")
    assert names(bob.get("/publicRooms")) == []
    alice.put(listing(room_id), {})
    assert bob.get(listing(room_id)) == {"visibility": "public"}
    assert names(bob.get("/publicRooms")) == ["Roof"]
    alice.put(listing(room_id), {"visibility": "public"})
    admin.put(listing(room_id), {"visibility": "private"})
    assert names(bob.get("/publicRooms")) == []
    assert bob.get(listing(room_id)) == {"visibility": "private"}


def test_the_largest_rooms_come_first_and_pages_lead_both_ways(
    fresh_server: Running, alice: Person, bob: Person
) -> None:
    carol = fresh_server.register("carol")
    rooms = [alice.create_room(visibility="public", name=f"room {n}") for n in range(7)]
    for person, joined in ((bob, rooms[3:5]), (carol, rooms[4:5])):
        for room_id in joined:
            person.join(room_id)
    everything = names(alice.get("/publicRooms"))
    assert everything[:2] == ["room 4", "room 3"]
    assert sorted(everything) == [f"room {n}" for n in range(7)]
    pages: list[dict[str, Any]] = []
    since: dict[str, str] = {}
    while True:
        page = alice.get("/publicRooms", limit=3, **since)
        assert page["total_room_count_estimate"] == 7
        pages.append(page)
        if "next_batch" not in page:
            break
        since = {"since": page["next_batch"]}
    assert [names(page) for page in pages] == [everything[:3], everything[3:6], everything[6:]]
    assert ["prev_batch" in page for page in pages] == [False, True, True]
    back = alice.get("/publicRooms", limit=3, since=pages[2]["prev_batch"])
    assert names(back) == everything[3:6]
    back = alice.get("/publicRooms", limit=3, since=back["prev_batch"])
    assert names(back) == everything[:3]
    assert "prev_batch" not in back
    assert names(alice.get("/publicRooms", limit=3, since=back["next_batch"])) == everything[3:6]


def test_pages_of_a_search(alice: Person) -> None:
    for n in range(6):
        alice.create_room(visibility="public", name=f"{'even' if n % 2 == 0 else 'odd'} {n}")
    body: dict[str, Any] = {"limit": 2, "filter": {"generic_search_term": "even"}}
    first = alice.post("/publicRooms", body)
    second = alice.post("/publicRooms", {**body, "since": first["next_batch"]})
    assert sorted(names(first) + names(second)) == ["even 0", "even 2", "even 4"]
    assert "next_batch" not in second
    assert names(alice.post("/publicRooms", {**body, "since": second["prev_batch"]})) == names(first)


def test_a_search_looks_at_name_topic_and_alias_as_people_type_them(alice: Person) -> None:
    alice.create_room(visibility="public", name="Straße nach Süden")
    alice.create_room(visibility="public", name="A", topic="weather in ISFAHAN")
    alice.create_room(visibility="public", name="B", room_alias_name="bazaar")
    alice.create_room(visibility="public", name="گفت‌وگوی کتاب‌خوان‌ها")
    assert search(alice, "STRASSE") == ["Straße nach Süden"]
    assert search(alice, "isfahan") == ["A"]
    assert search(alice, "#bazaar") == ["B"]
    assert search(alice, "كتاب خوان") == ["گفت‌وگوی کتاب‌خوان‌ها"]  # typed on an Arabic keyboard
    assert search(alice, "nothing") == []
    assert len(search(alice, "")) == 4
    too_long = {"filter": {"generic_search_term": "x" * 201}}
    refused(alice.request("POST", "/publicRooms", too_long), 400, "M_INVALID_PARAM")


def test_rooms_of_a_type(alice: Person) -> None:
    alice.create_room(visibility="public", name="space", creation_content={"type": "m.space"})
    alice.create_room(visibility="public", name="other", creation_content={"type": "com.example"})
    alice.create_room(visibility="public", name="plain")
    assert search(alice, room_types=["m.space"]) == ["space"]
    assert search(alice, room_types=[None]) == ["plain"]
    assert search(alice, room_types=[None, "m.space"]) == ["plain", "space"]
    assert search(alice, room_types=[]) == []
    assert search(alice, "pla", room_types=["m.space"]) == []
    assert len(search(alice)) == 3


def test_what_is_asked_wrongly(fresh_server: Running, alice: Person) -> None:
    alice.create_room(visibility="public", name="Roof")
    for query in ({"since": "x"}, {"limit": -1}, {"limit": "many"}, {"since": "d1_x_1_!a"}):
        refused(alice.request("GET", "/publicRooms", **query), 400, "M_INVALID_PARAM")
    refused(alice.request("POST", "/publicRooms", {"limit": -1}), 400, "M_BAD_JSON")
    refused(alice.request("POST", "/publicRooms", {"filter": {"room_types": [1]}}), 400, "M_BAD_JSON")
    refused(alice.request("GET", "/publicRooms", server="elsewhere.test"), 502, "M_CONNECTION_FAILED")
    with fresh_server.anonymous() as http:
        refused(http.post("/_matrix/client/v3/publicRooms", json={}), 401, "M_MISSING_TOKEN")
    assert names(alice.get("/publicRooms", server=fresh_server.name, limit=0)) == ["Roof"]
    assert names(alice.post("/publicRooms", {"third_party_instance_id": "irc"})) == []
    every = {"include_all_networks": True, "third_party_instance_id": "irc"}
    assert names(alice.post("/publicRooms", every)) == ["Roof"]


def test_the_directory_follows_members_and_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice, bob = server.register("alice"), server.register("bob")
        rooms = [alice.create_room(visibility="public", name=f"room {n}") for n in range(3)]
        assert len(alice.get("/publicRooms")["chunk"]) == 3  # from here on it is kept in memory
        bob.join(rooms[1])
        bob.join(rooms[2])
        answered(act(bob, rooms[2], "leave"))
        answered(act(alice, rooms[0], "leave"))  # nobody is there any more
        set_state(alice, rooms[1], "m.room.name", {"name": "renamed"})
        before = alice.get("/publicRooms")
        assert [(room["name"], room["num_joined_members"]) for room in before["chunk"]] == [
            ("renamed", 2),
            ("room 2", 1),
        ]
        token = alice.token
    with running(tmp_path) as server, server.anonymous() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        assert answered(http.get("/_matrix/client/v3/publicRooms")) == before


def test_many_rooms_are_read_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_READ_AT_ONCE", 2)
    with running(tmp_path) as server:
        alice = server.register("alice")
        rooms = [alice.create_room(visibility="public", name=f"room {n}") for n in range(7)]
        fresh = directory.Directory(
            server.server.services.registry, server.server.store.rooms, server.server.store.state
        )

        async def renamed_while_being_read() -> dict[str, Any]:
            services = server.server.services
            first = services.loop.create_task(fresh.page(directory.DirectoryQuery()))
            room = await services.registry.get(rooms[0])
            await services.directory.list_room(rooms[1], alice.user_id, False, is_admin=False)
            renaming = NewEvent("m.room.name", alice.user_id, {"name": "renamed"}, "")
            await services.registry.send(room, renaming)
            await first
            return await fresh.page(directory.DirectoryQuery())

        page = server.run(renamed_while_being_read())
        assert sorted(names(page)) == ["renamed", *(f"room {n}" for n in range(2, 7))]
