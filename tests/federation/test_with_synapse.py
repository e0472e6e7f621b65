"""With a server that nobody here wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.federation.country import Member, land
from tests.federation.synapse import Synapse, needs_synapse, synapse
from tests.running import Person

pytestmark = [needs_synapse, pytest.mark.timeout(300)]


class Two(NamedTuple):
    """One server of each kind."""

    ours: Member
    theirs: Synapse


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with land() as empty:
        ours = empty.found_by_address()
        with synapse(empty) as theirs:
            yield Two(ours, theirs)


def join(who: Person, room: str, via: str) -> None:
    who.post(f"/join/{quote(room)}?via={quote(via)}")


def bodies(who: Person, room_id: str) -> list[str]:
    """Return the texts of a room's latest messages, oldest first."""
    chunk = who.get(f"/rooms/{quote(room_id)}/messages", dir="b", limit=50)["chunk"]
    return [event["content"]["body"] for event in reversed(chunk) if event["type"] == "m.room.message"
            and "body" in event["content"]]  # fmt: skip


def until(holds: Callable[[], Any], within_s: float = 20) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def test_each_finds_the_other_and_believes_its_keys(two: Two) -> None:
    version = two.ours.ask(two.theirs.name, "GET", "/_matrix/federation/v1/version")
    assert version["server"]["name"] == "Synapse"
    theirs = two.theirs.register("profile")
    theirs.put(f"/profile/{quote(theirs.user_id)}/displayname", {"displayname": "Theirs"})
    profile = two.ours.ask(
        two.theirs.name, "GET", "/_matrix/federation/v1/query/profile", user_id=theirs.user_id
    )
    assert profile["displayname"] == "Theirs"


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_our_user_joins_their_room_and_both_talk(two: Two, version: str) -> None:
    ours, theirs = two.ours.register("guest"), two.theirs.register(f"host{version}")
    room_id = theirs.create_room(preset="public_chat", room_version=version)
    theirs.send(room_id, "before")
    join(ours, room_id, two.theirs.name)
    ours.send(room_id, "from ours")
    theirs.send(room_id, "from theirs")
    expected = {"from ours", "from theirs"}
    until(lambda: expected <= set(bodies(theirs, room_id)))
    until(lambda: expected <= set(bodies(ours, room_id)))


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_their_user_joins_our_room_and_both_talk(two: Two, version: str) -> None:
    ours, theirs = two.ours.register("host"), two.theirs.register(f"guest{version}")
    room_id = ours.create_room(preset="public_chat", room_version=version)
    ours.send(room_id, "before")
    join(theirs, room_id, two.ours.name)
    ours.send(room_id, "from ours")
    theirs.send(room_id, "from theirs")
    expected = {"from ours", "from theirs"}
    until(lambda: expected <= set(bodies(theirs, room_id)))
    until(lambda: expected <= set(bodies(ours, room_id)))


def shared(two: Two, host: Person, guest: Person, **options: Any) -> str:
    """Let one create a public room and the other one join it."""
    room_id = host.create_room(preset="public_chat", **options)
    join(guest, room_id, server_of(host))
    return room_id


def server_of(who: Person) -> str:
    return who.user_id.partition(":")[2]


@pytest.fixture(params=["at ours", "at theirs"])
def pair(two: Two, request: pytest.FixtureRequest) -> tuple[Person, Person]:
    """A host and a guest, one on each server, both ways round."""
    ours, theirs = two.ours.register("anna"), two.theirs.register(f"ben-{time.time_ns()}")
    return (ours, theirs) if request.param == "at ours" else (theirs, ours)


def state(who: Person, room_id: str, kind: str, key: str = "") -> Any:
    answer = who.request("GET", f"/rooms/{quote(room_id)}/state/{kind}/{quote(key)}")
    return answer.json() if answer.status_code == 200 else None


def membership(who: Person, room_id: str, of: Person) -> str | None:
    found = state(who, room_id, "m.room.member", of.user_id)
    return found and str(found["membership"])


def act(who: Person, room_id: str, what: str, on: Person) -> None:
    who.post(f"/rooms/{quote(room_id)}/{what}", {"user_id": on.user_id})


def test_an_invitation_is_seen_and_accepted(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = host.create_room(preset="private_chat", name="Private")
    host.invite(room_id, guest)
    invited = until(lambda: guest.sync()["rooms"].get("invite", {}).get(room_id))
    kinds = {event["type"] for event in invited["invite_state"]["events"]}
    assert {"m.room.member", "m.room.name", "m.room.create"} <= kinds
    guest.post(f"/rooms/{quote(room_id)}/join")
    guest.send(room_id, "thank you")
    until(lambda: "thank you" in bodies(host, room_id))
    assert membership(host, room_id, guest) == "join"


def test_an_invitation_is_turned_down(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = host.create_room(preset="private_chat")
    host.invite(room_id, guest)
    until(lambda: guest.sync()["rooms"].get("invite", {}).get(room_id))
    guest.post(f"/rooms/{quote(room_id)}/leave")
    until(lambda: membership(host, room_id, guest) == "leave")


def test_state_and_redactions_reach_the_other_side(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = shared(two, host, guest)
    host.put(f"/rooms/{quote(room_id)}/state/m.room.topic", {"topic": "Weather"})
    until(lambda: (state(guest, room_id, "m.room.topic") or {}).get("topic") == "Weather")
    event_id = guest.send(room_id, "a slip of the tongue")
    until(lambda: "a slip of the tongue" in bodies(host, room_id))
    guest.put(f"/rooms/{quote(room_id)}/redact/{quote(event_id)}/r1", {"reason": "oops"})
    until(lambda: "a slip of the tongue" not in bodies(host, room_id))
    levels = state(host, room_id, "m.room.power_levels")
    levels.setdefault("users", {})[guest.user_id] = 50
    host.put(f"/rooms/{quote(room_id)}/state/m.room.power_levels", levels)
    until(lambda: state(guest, room_id, "m.room.power_levels")["users"].get(guest.user_id) == 50)
    guest.put(f"/rooms/{quote(room_id)}/state/m.room.name", {"name": "By the guest"})
    until(lambda: (state(host, room_id, "m.room.name") or {}).get("name") == "By the guest")


def test_people_leave_return_and_are_put_out(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = shared(two, host, guest)
    until(lambda: membership(host, room_id, guest) == "join")
    guest.post(f"/rooms/{quote(room_id)}/leave")
    until(lambda: membership(host, room_id, guest) == "leave")
    join(guest, room_id, server_of(host))
    act(host, room_id, "kick", guest)
    left = '{"room":{"include_leave":true}}'
    until(lambda: room_id in guest.sync(filter=left).get("rooms", {}).get("leave", {}))
    join(guest, room_id, server_of(host))
    act(host, room_id, "ban", guest)
    until(lambda: room_id not in guest.get("/joined_rooms")["joined_rooms"])
    answer = guest.request("POST", f"/join/{quote(room_id)}?via={quote(server_of(host))}", {})
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")
    act(host, room_id, "unban", guest)
    until(lambda: membership(host, room_id, guest) == "leave")
    join(guest, room_id, server_of(host))
    guest.send(room_id, "again")
    until(lambda: "again" in bodies(host, room_id))


def test_who_returns_reads_what_was_said_meanwhile(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = shared(two, host, guest)
    guest.post(f"/rooms/{quote(room_id)}/leave")
    until(lambda: membership(host, room_id, guest) == "leave")
    host.send(room_id, "while you were away")
    join(guest, room_id, server_of(host))
    until(lambda: "while you were away" in bodies(guest, room_id), within_s=10)


def test_typing_and_receipts_reach_the_other_side(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = shared(two, host, guest)
    event_id = host.send(room_id, "read me")
    until(lambda: "read me" in bodies(guest, room_id))

    def ephemeral(who: Person, kind: str) -> Any:
        section = who.sync()["rooms"].get("join", {}).get(room_id, {})
        return [
            event["content"]
            for event in section.get("ephemeral", {}).get("events", [])
            if event["type"] == kind
        ]

    guest.put(f"/rooms/{quote(room_id)}/typing/{quote(guest.user_id)}", {"typing": True, "timeout": 30_000})
    until(lambda: [guest.user_id] in [found["user_ids"] for found in ephemeral(host, "m.typing")])
    guest.post(f"/rooms/{quote(room_id)}/receipt/m.read/{quote(event_id)}")
    until(lambda: any(event_id in found and guest.user_id in found[event_id].get("m.read", {})
                      for found in ephemeral(host, "m.receipt")))  # fmt: skip


def test_knocking(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room_id = host.create_room(preset="private_chat", initial_state=[rules])
    guest.post(f"/knock/{quote(room_id)}?via={quote(server_of(host))}", {"reason": "please"})
    until(lambda: membership(host, room_id, guest) == "knock")
    host.invite(room_id, guest)
    until(lambda: room_id in guest.sync()["rooms"].get("invite", {}))
    join(guest, room_id, server_of(host))
    until(lambda: membership(host, room_id, guest) == "join")


def test_a_restricted_room_lets_in_whoever_is_in_the_other_room(
    two: Two, pair: tuple[Person, Person]
) -> None:
    host, guest = pair
    open_room = shared(two, host, guest)
    allow = [{"type": "m.room_membership", "room_id": open_room}]
    content = {"join_rule": "restricted", "allow": allow}
    rules = {"type": "m.room.join_rules", "state_key": "", "content": content}
    room_id = host.create_room(preset="private_chat", initial_state=[rules])
    join(guest, room_id, server_of(host))
    guest.send(room_id, "let in")
    until(lambda: "let in" in bodies(host, room_id))


def test_what_was_said_before_is_read_back(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = host.create_room(preset="public_chat")
    said = [f"number {number}" for number in range(150)]
    for text in said:
        host.send(room_id, text)
    join(guest, room_id, server_of(host))

    def read() -> list[str]:
        texts: list[str] = []
        token: str | None = None
        for _ in range(20):
            query = {} if token is None else {"from": token}
            page = guest.get(f"/rooms/{quote(room_id)}/messages", dir="b", limit=100, **query)
            texts += [
                event["content"]["body"] for event in page["chunk"] if event["type"] == "m.room.message"
            ]
            token = page.get("end")
            if token is None:
                break
        return texts[::-1]

    until(lambda: read() == said)


def test_devices_and_keys_are_known_across_servers(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    shared(two, host, guest)
    found = host.post("/keys/query", {"device_keys": {guest.user_id: []}})
    assert found["failures"] == {}
    content = {guest.user_id: {guest.device_id: {"hello": "device"}}}
    host.put(f"/sendToDevice/m.test/{time.time_ns()}", {"messages": content})
    until(lambda: [event["content"] for event in guest.sync()["to_device"]["events"]] == [{"hello": "device"}]
          if "to_device" in guest.sync() else False)  # fmt: skip


def test_a_file_is_fetched_from_the_other_side(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    path = "/_matrix/media/v3/upload?filename=note.txt"
    answer = host.http.post(path, content=b"a note", headers={"Content-Type": "text/plain"})
    server, _, media_id = answer.json()["content_uri"].removeprefix("mxc://").partition("/")
    found = guest.http.get(f"/_matrix/client/v1/media/download/{server}/{media_id}")
    assert (found.status_code, found.content) == (200, b"a note")


def test_names_of_rooms_and_people(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    host.put(f"/profile/{quote(host.user_id)}/displayname", {"displayname": "The host"})
    assert guest.get(f"/profile/{quote(host.user_id)}")["displayname"] == "The host"
    label = f"room{time.time_ns()}"
    room_id = host.create_room(
        preset="public_chat", room_alias_name=label, visibility="public", name="Public"
    )
    alias = f"#{label}:{server_of(host)}"
    found = guest.get(f"/directory/room/{quote(alias)}")
    assert found["room_id"] == room_id
    assert server_of(host) in found["servers"]
    listed = guest.get("/publicRooms", server=server_of(host))["chunk"]
    assert room_id in [entry["room_id"] for entry in listed]
    guest.post(f"/join/{quote(alias)}")
    until(lambda: membership(host, room_id, guest) == "join")


def test_a_room_is_upgraded_under_the_feet_of_both(two: Two, pair: tuple[Person, Person]) -> None:
    host, guest = pair
    room_id = shared(two, host, guest, room_version="10")
    new_id = host.post(f"/rooms/{quote(room_id)}/upgrade", {"new_version": "11"})["replacement_room"]
    until(lambda: (state(guest, room_id, "m.room.tombstone") or {}).get("replacement_room") == new_id)
    join(guest, new_id, server_of(host))
    guest.send(new_id, "in the new room")
    until(lambda: "in the new room" in bodies(host, new_id))
