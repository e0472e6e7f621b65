"""Rooms that somebody is no longer in: they are told so by their own membership, whatever else they may see."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.rooms.tokens import parse_sync_token
from tests.sync.world import World, in_world

ALICE, BOB = "@alice:example.org", "@bob:example.org"
VISIBILITIES = ("world_readable", "shared", "invited", "joined")
STORIES = {
    "turned down": ["invite", "leave by bob"],
    "taken back": ["invite", "leave"],
    "banned while invited": ["invite", "ban"],
    "banned after leaving": ["join by bob", "leave by bob", "ban"],
    "banned from outside": ["ban"],
    "pardoned": ["ban", "leave"],
    "left": ["join by bob", "leave by bob"],
}


async def live(world: World, room_id: str, step: str) -> str:
    membership, _, who = step.partition(" by ")
    return await world.member(room_id, BOB if who else ALICE, membership, BOB)


def timeline(answer: dict[str, Any] | None, room_id: str) -> list[tuple[str, str]]:
    assert answer is not None
    events = answer["rooms"]["leave"][room_id]["timeline"]["events"]
    return [(event["type"], event["event_id"]) for event in events]


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("story", STORIES)
def test_the_last_event_of_a_left_room_is_the_users_own_membership(story: str, visibility: str) -> None:
    *before, last = STORIES[story]

    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE, visibility=visibility)
        for step in before:
            await live(world, room_id, step)
        first = await world.sync(BOB)
        assert first is not None
        event_id = await live(world, room_id, last)
        await world.say(room_id, ALICE)
        since = parse_sync_token(first["next_batch"])
        news = timeline(await world.sync(BOB, since), room_id)
        assert news[-1] == ("m.room.member", event_id)
        assert len(news) == len(set(news))
        everything = await world.sync(BOB, filter={"room": {"include_leave": True}})
        assert timeline(everything, room_id)[-1] == ("m.room.member", event_id)

    in_world(scenario)


def test_a_filter_keeps_the_users_own_membership_out() -> None:
    async def scenario(world: World) -> None:
        room_id = await world.room(ALICE)
        await live(world, room_id, "invite")
        first = await world.sync(BOB)
        assert first is not None
        await live(world, room_id, "leave by bob")
        since = parse_sync_token(first["next_batch"])
        wanted = {"room": {"timeline": {"not_types": ["m.room.member"]}}}
        assert timeline(await world.sync(BOB, since, filter=wanted), room_id) == []

    in_world(scenario)
