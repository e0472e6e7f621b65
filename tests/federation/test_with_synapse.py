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
