"""The event stream from before `/sync`, and looking into rooms."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.reading import bodies, leave, room_path, room_with_visibility
from tests.running import Person, Running, answered, refused


def follow(who: Person, start: str, **query: object) -> tuple[list[str], str]:
    """Return the messages that come after a token, and the token after them."""
    page = who.get("/events", **{"from": start}, **query)
    assert page["start"].rpartition("_")[2] == start.rpartition("_")[2] or start.startswith("s")
    return bodies([event for event in page["chunk"] if event["type"] == "m.room.message"]), page["end"]


def test_everything_that_happens_comes_once_and_in_order(alice: Person, bob: Person) -> None:
    rooms = [alice.create_room(preset="public_chat") for _ in range(2)]
    start = bob.get("/events")["end"]
    for room_id in rooms:
        bob.join(room_id)
    for number in range(120):
        alice.send(rooms[number % 2], str(number))
    seen: list[str] = []
    while True:
        found, start = follow(bob, start)
        if not found:
            break
        seen += found
    assert seen == [str(number) for number in range(120)]


def test_a_client_waits_for_the_next_event(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    start = bob.get("/events")["end"]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(follow, bob, start, timeout=30_000)
        alice.put(room_path(room_id, "typing", alice.user_id), {"typing": True, "timeout": 1_000})
        alice.send(room_id, "now")
        assert waiting.result()[0] == ["now"]
    assert follow(bob, waiting.result()[1], timeout=1)[0] == []


def test_the_token_of_a_sync_serves_too(alice: Person) -> None:
    room_id = alice.create_room()
    since = alice.sync()["next_batch"]
    alice.send(room_id, "after")
    assert follow(alice, since)[0] == ["after"]
    refused(alice.request("GET", "/events", **{"from": "nonsense"}), 400, "M_INVALID_PARAM")


def test_an_invitation_comes_and_what_happens_after_leaving_does_not(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    start = bob.get("/events")["end"]
    alice.invite(room_id, bob)
    page = bob.get("/events", **{"from": start})
    assert [event["content"]["membership"] for event in page["chunk"]] == ["invite"]
    bob.join(room_id)
    alice.send(room_id, "seen")
    leave(bob, room_id)
    alice.send(room_id, "hidden")
    assert follow(bob, page["end"])[0] == ["seen"]


def test_looking_into_a_room_that_the_world_may_read(server: Running, alice: Person) -> None:
    eve = server.register("eve")
    room_id = room_with_visibility(alice, "world_readable", preset="public_chat")
    start = eve.get(room_path(room_id, "initialSync"))["messages"]["end"]
    assert follow(eve, start, room_id=room_id, timeout=1)[0] == []
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(follow, eve, start, room_id=room_id, timeout=30_000)
        alice.send(room_id, "for everybody")
        assert waiting.result()[0] == ["for everybody"]
    assert eve.get("/events", **{"from": start})["chunk"] == [], "eve is in no room"


def test_a_closed_room_cannot_be_looked_into(server: Running, alice: Person) -> None:
    eve = server.register("eve")
    room_id = alice.create_room()
    refused(eve.request("GET", "/events", room_id=room_id), 403, "M_FORBIDDEN")


def test_logging_out_ends_the_waiting(server: Running, alice: Person) -> None:
    tablet = server.log_in(alice)
    start = tablet.get("/events")["end"]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(tablet.request, "GET", "/events", **{"from": start, "timeout": "30000"})
        alice.post("/logout/all")
        refused(waiting.result(), 401, "M_UNKNOWN_TOKEN")


def test_one_event_by_its_id(server: Running, alice: Person) -> None:
    eve = server.register("eve")
    event_id = alice.send(alice.create_room(), "here")
    assert alice.get(f"/events/{event_id}")["content"]["body"] == "here"
    refused(eve.request("GET", f"/events/{event_id}"), 404, "M_NOT_FOUND")
    refused(alice.request("GET", "/events/$nothing"), 404, "M_NOT_FOUND")


def test_all_rooms_at_once(server: Running, alice: Person, bob: Person) -> None:
    joined, left, invited = (alice.create_room(preset="public_chat", name=name) for name in "jli")
    for room_id in (joined, left):
        bob.join(room_id)
    alice.send(joined, "1")
    alice.send(joined, "2")
    leave(bob, left)
    alice.invite(invited, bob)
    bob.put(f"/user/{bob.user_id}/account_data/test.own", {"own": True})
    bob.put(f"/user/{bob.user_id}/rooms/{joined}/account_data/test.room", {"room": True})
    answer = bob.get("/initialSync", limit=1)
    rooms = {room["room_id"]: room for room in answer["rooms"]}
    assert {room_id: room["membership"] for room_id, room in rooms.items()} == {
        joined: "join",
        invited: "invite",
    }
    assert bodies(rooms[joined]["messages"]["chunk"]) == ["2"]
    assert {"name": "j"} in [event["content"] for event in rooms[joined]["state"]]
    assert rooms[joined]["account_data"] == [{"type": "test.room", "content": {"room": True}}]
    assert rooms[invited]["invite"]["state_key"] == bob.user_id
    assert {"type": "test.own", "content": {"own": True}} in answer["account_data"]
    archived = bob.get("/initialSync", archived="true")["rooms"]
    assert {room["room_id"]: room["membership"] for room in archived}[left] == "leave"
    alice.send(joined, "3")
    assert follow(bob, answer["end"])[0] == ["3"]


def test_without_a_token_nothing_is_told(server: Running) -> None:
    with server.anonymous() as http:
        for path in ("events", "initialSync", "events/$x"):
            refused(http.get(f"/_matrix/client/v3/{path}"), 401, "M_MISSING_TOKEN")
    assert answered(server.register().request("GET", "/initialSync"))["rooms"] == []
