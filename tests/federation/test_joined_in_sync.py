"""What a client is told of a room that its user joined at another server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.federation.country import Member, country
from tests.running import Person


def told(section: Any) -> dict[tuple[str, str], Any]:
    """Return the state that a client has after a room's first part of an answer."""
    events = [*section["state"]["events"], *section["timeline"]["events"]]
    return {(event["type"], event["state_key"]): event["content"] for event in events if "state_key" in event}


def joined(a: Member, b: Member, **options: Any) -> tuple[Person, Person, str, str]:
    """Let somebody of `b` join a room of `a`; return both, the token from before, and the room."""
    host, guest = a.register("host"), b.register("guest")
    room_id = host.create_room(preset="public_chat", name="Garden", **options)
    host.send(room_id, "before")
    since = guest.sync()["next_batch"]
    guest.post(f"/join/{quote(room_id)}?via={a.name}")
    return host, guest, since, room_id


@pytest.mark.parametrize("is_new", [True, False], ids=["at once", "on a new device"])
@pytest.mark.parametrize("lazy", [True, False], ids=["lazily", "with all members"])
def test_all_of_the_rooms_state_is_told(is_new: bool, lazy: bool) -> None:
    with country("a", "b") as (a, b):
        host, guest, since, room_id = joined(a, b)
        wanted = f'{{"room":{{"state":{{"lazy_load_members":{str(lazy).lower()}}}}}}}'
        section = guest.sync(since if is_new else None, filter=wanted)["rooms"]["join"][room_id]
        state = told(section)
        assert state["m.room.name", ""] == {"name": "Garden"}
        assert ("m.room.create", "") in state
        assert ("m.room.power_levels", "") in state
        assert state["m.room.member", guest.user_id]["membership"] == "join"
        if not lazy:
            assert state["m.room.member", host.user_id]["membership"] == "join"
        assert section["summary"]["m.joined_member_count"] == 2
        # There is something before it, which is had by paging back.
        assert section["timeline"]["limited"]
        page = guest.get(
            f"/rooms/{quote(room_id)}/messages",
            dir="b",
            limit=50,
            **{"from": section["timeline"]["prev_batch"]},
        )
        texts = [event["content"].get("body") for event in page["chunk"] if event["type"] == "m.room.message"]
        assert texts == ["before"]


def test_what_comes_later_is_told_as_in_any_room() -> None:
    with country("a", "b") as (a, b):
        host, guest, since, room_id = joined(a, b)
        since = guest.sync(since)["next_batch"]
        host.send(room_id, "after")
        section, _ = guest.next_of_room(since, room_id)
        assert [event["content"].get("body") for event in section["timeline"]["events"]] == ["after"]
        assert (section["state"]["events"], section["timeline"]["limited"]) == ([], False)


def test_who_returns_reads_what_was_said_meanwhile() -> None:
    with country("a", "b") as (a, b):
        host, guest, since, room_id = joined(a, b)
        guest.post(f"/rooms/{quote(room_id)}/leave")
        since = guest.sync(since)["next_batch"]
        said = [f"meanwhile {number}" for number in range(120)]
        for text in said:
            host.send(room_id, text)
        host.put(f"/rooms/{quote(room_id)}/state/m.room.topic", {"topic": "Weeds"})
        guest.post(f"/join/{quote(room_id)}?via={a.name}")
        page = guest.get(f"/rooms/{quote(room_id)}/messages", dir="b", limit=200)["chunk"]
        texts = [event["content"].get("body") for event in page if event["type"] == "m.room.message"]
        assert texts == ["before", *said][::-1]
        section = guest.sync(since)["rooms"]["join"][room_id]
        assert told(section)["m.room.topic", ""] == {"topic": "Weeds"}


def test_a_room_that_was_left_in_between_is_told_with_its_state() -> None:
    with country("a", "b") as (a, b):
        _, guest, since, room_id = joined(a, b)
        guest.post(f"/rooms/{quote(room_id)}/leave")
        section = guest.sync(since)["rooms"]["leave"][room_id]
        assert told(section)["m.room.member", guest.user_id]["membership"] == "leave"
        assert told(section)["m.room.name", ""] == {"name": "Garden"}
