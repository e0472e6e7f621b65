"""People, rooms and files of other servers, as clients find them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.federation.across import seen
from tests.federation.country import Member, country
from tests.federation.strangers import json_answer, raw_answer
from tests.reading import V1, room_path, set_state
from tests.rooms_over_http import join_any
from tests.running import Person, answered, refused

Pair = tuple[Member, Member]


def test_a_profile_is_read_across_servers(pair: Pair, ali: Person, bahar: Person) -> None:
    bahar.put(f"/profile/{bahar.user_id}/displayname", {"displayname": "بهار"})
    assert ali.get(f"/profile/{bahar.user_id}")["displayname"] == "بهار"
    assert ali.get(f"/profile/{bahar.user_id}/displayname") == {"displayname": "بهار"}
    refused(ali.request("GET", f"/profile/{bahar.user_id}/m.tz"), 404, "M_NOT_FOUND")
    refused(ali.request("GET", "/profile/@nobody-here:b.test"), 404, "M_NOT_FOUND")
    with pair[0].anonymous() as http:
        refused(http.get(f"/_matrix/client/v3/profile/{bahar.user_id}"), 403, "M_FORBIDDEN")


def test_the_directory_of_another_server_is_read(pair: Pair, ali: Person, bahar: Person) -> None:
    name = f"Bazaar of {bahar.localpart}"
    room_id = bahar.create_room(preset="public_chat", visibility="public", name=name)
    found = ali.post("/publicRooms?server=b.test", {"filter": {"generic_search_term": name}})
    assert [(room["room_id"], room["name"]) for room in found["chunk"]] == [(room_id, name)]
    page = ali.get("/publicRooms", server="b.test", limit=1)
    assert len(page["chunk"]) == 1
    with pair[0].anonymous() as http:
        refused(http.get("/_matrix/client/v3/publicRooms?server=b.test"), 403, "M_FORBIDDEN")


def test_what_another_server_tells_is_looked_at() -> None:
    with country("a") as (a,):
        ali, evil = a.register("ali"), a.land.stranger("evil")
        rooms = [{"room_id": 1}, {}, [], {"room_id": "!x:evil.test", "num_joined_members": -1, "name": {}}]
        evil.answers["/_matrix/federation/v1/publicRooms"] = json_answer({"chunk": rooms, "next_batch": 1})
        page = ali.get("/publicRooms", server="evil.test")
        assert page["chunk"] == [
            {
                "room_id": "!x:evil.test",
                "num_joined_members": 0,
                "world_readable": False,
                "guest_can_join": False,
            }
        ]
        evil.answers["/_matrix/federation/v1/query/directory"] = json_answer({"room_id": "nonsense"})
        refused(ali.request("GET", f"/directory/room/{quote('#x:evil.test')}"), 502, "M_CONNECTION_FAILED")
        evil.answers["/_matrix/federation/v1/query/profile"] = json_answer({"displayname": 1, "org.x": 1})
        assert ali.get("/profile/@eve:evil.test") == {"org.x": 1}


def summary(person: Person, room_id: str, **query: Any) -> Any:
    return answered(person.request("GET", f"{V1}/room_summary/{quote(room_id, safe='')}", **query))


def test_a_room_is_summed_up_before_it_is_joined(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = bahar.create_room(preset="public_chat", name="Square", room_alias_name=f"sum-{bahar.localpart}")
    told = summary(ali, room_id, via="b.test")
    assert (told["name"], told["num_joined_members"], told["join_rule"]) == ("Square", 1, "public")
    assert summary(ali, f"#sum-{bahar.localpart}:b.test")["room_id"] == room_id
    private = bahar.create_room(preset="private_chat", name="Secret")
    path = f"{V1}/room_summary/{quote(private, safe='')}"
    refused(ali.request("GET", path, via="b.test"), 404, "M_NOT_FOUND")
    bahar.invite(private, ali)
    assert summary(ali, private)["membership"] == "invite"


def test_a_space_is_looked_through_across_servers(pair: Pair, ali: Person, bahar: Person) -> None:
    space = ali.create_room(preset="public_chat", creation_content={"type": "m.space"}, name="Everything")
    below = bahar.create_room(preset="public_chat", creation_content={"type": "m.space"}, name="Of b")
    leaf = bahar.create_room(preset="public_chat", name="Leaf")
    secret = bahar.create_room(preset="private_chat", name="Secret")
    set_state(ali, space, "m.space.child", {"via": ["b.test"]}, below)
    for child in (leaf, secret):
        set_state(bahar, below, "m.space.child", {"via": ["b.test"]}, child)
    rooms = ali.get(f"{V1}{room_path(space, 'hierarchy')}")["rooms"]
    assert [room["room_id"] for room in rooms] == [space, below, leaf]
    assert [event["state_key"] for event in rooms[1]["children_state"]] == sorted(
        [leaf, secret], key=lambda child: [e["state_key"] for e in rooms[1]["children_state"]].index(child)
    )
    # By somebody who is in none of it, page by page.
    page = ali.get(f"{V1}{room_path(space, 'hierarchy')}", limit=1)
    names = [page["rooms"][0]["name"]]
    while "next_batch" in page:
        page = ali.get(f"{V1}{room_path(space, 'hierarchy')}", limit=1, **{"from": page["next_batch"]})
        names += [room["name"] for room in page["rooms"]]
    assert names == ["Everything", "Of b", "Leaf"]


def download(person: Person, uri: str) -> Any:
    return person.request("GET", f"{V1}/media/download/{uri.removeprefix('mxc://')}")


def upload(person: Person, content: bytes, name: str = "x.txt") -> str:
    answer = person.http.post(
        f"/_matrix/media/v3/upload?filename={name}", content=content, headers={"Content-Type": "text/plain"}
    )
    uri: str = answered(answer)["content_uri"]
    return uri


def test_a_file_of_another_server_is_fetched_once(pair: Pair) -> None:
    with country("a", "b") as (a, b):
        ali, bahar = a.register("ali"), b.register("bahar")
        content = b"line\r\n--" * 100_000
        uri = upload(bahar, content)
        got = download(ali, uri)
        assert (got.status_code, got.content == content) == (200, True)
        assert "x.txt" in got.headers["Content-Disposition"]
        refused(download(ali, "mxc://b.test/nonexistent"), 404, "M_NOT_FOUND")
        b.stop()
        assert download(ali, uri).content == content
        b.start()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=x\r\nContent-Length: 9\r\n\r\n--x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=x\r\nContent-Length: 62\r\n\r\n"
        b"--x\r\n\r\n{}\r\n--x\r\nLocation: http://127.0.0.1/secret\r\n\r\n\r\n--x--\r\n",
    ],
)
def test_what_is_no_file_is_not_kept(head: bytes) -> None:
    with country("a") as (a,):
        ali, evil = a.register("ali"), a.land.stranger("evil")
        evil.answers["/_matrix/federation/v1/media/download/f"] = raw_answer(head)
        refused(download(ali, "mxc://evil.test/f"), 502, "M_CONNECTION_FAILED")


def test_history_from_before_is_paged_back_to(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="public_chat")
    sent = [f"message {number}" for number in range(250)]
    for text in sent:
        ali.send(room_id, text)
    answered(join_any(bahar, room_id, via="a.test"))
    found: list[str] = []
    query: dict[str, Any] = {"dir": "b", "limit": 40}
    for _ in range(20):
        page = bahar.get(room_path(room_id, "messages"), **query)
        found += [event["content"]["body"] for event in page["chunk"] if "body" in event["content"]]
        if "end" not in page:
            break
        query["from"] = page["end"]
    assert found == sent[::-1]
    assert page["chunk"][-1]["type"] == "m.room.create"


def test_the_event_at_a_time_before_is_found(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="public_chat")
    first = ali.send(room_id, "first")
    ts = ali.get(room_path(room_id, "event", first))["origin_server_ts"]
    for number in range(30):
        ali.send(room_id, str(number))
    answered(join_any(bahar, room_id, via="a.test"))
    path = f"{V1}{room_path(room_id, 'timestamp_to_event')}"
    assert seen(lambda: bahar.get(path, ts=ts, dir="f")["event_id"] == first)
    assert bahar.get(room_path(room_id, "context", first))["event"]["event_id"] == first
