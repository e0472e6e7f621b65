from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts.presence import Presence
from hamrasan.accounts.profiles import Profiles
from hamrasan.flows import change_profile as module
from hamrasan.flows.change_profile import ChangeProfile
from hamrasan.flows.see_presence import SeePresence
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.accounts import NewAccount
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import RoomRow
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store
from tests.worlds import ManualClock

ALICE, BOB = "@alice:example.org", "@bob:example.org"


class World:
    """Alice and Bob, rooms, and the flow under test."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.tasks = TaskSupervisor()
        self.registry = RoomRegistry(
            store.journal, ManualClock(), store.events, store.state, store.rooms, store.federated_rooms
        )
        self.profiles = Profiles(store.journal, store.profiles, store.accounts, KeyedLocks())
        self.change = ChangeProfile(self.profiles, self.registry, store.rooms, self.tasks)

    async def room(self, *members: str, join_rule: str = "public") -> Room:
        """Return a new room of Bob's with these members beside him."""
        number = await self.registry.next_number()
        room = Room(RoomRow(number, f"!room{number}:example.org", "11", BOB))
        decision = self.registry.begin(room)
        decision.add(NewEvent("m.room.create", BOB, {"room_version": "11"}, ""))
        decision.add(NewEvent("m.room.member", BOB, {"membership": "join"}, BOB))
        decision.add(NewEvent("m.room.join_rules", BOB, {"join_rule": "public"}, ""))
        for member in members:
            decision.add(NewEvent("m.room.member", member, {"membership": "join", "reason": "hello"}, member))
        if join_rule != "public":
            decision.add(NewEvent("m.room.join_rules", BOB, {"join_rule": join_rule}, ""))
        await self.registry.create(room, decision)
        return room

    async def finish(self) -> None:
        """Wait until nothing is done in the background any more."""
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "profile"))

    async def member(self, room: Room, user_id: str) -> Any:
        """Return the content of a user's current membership event."""
        stored = await self.store.events.by_id(room.members[user_id].event_id)
        assert stored is not None
        return parse_json(stored.content)


def in_world(data_dir: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    """Run a scenario in a world of its own."""

    async def on(store: Store) -> None:
        accounts = [NewAccount(user_id, None, False, 1_700_000_000_000, None) for user_id in (ALICE, BOB)]
        await store.journal.submit(Batch([*accounts]))
        await scenario(World(store))

    on_store(data_dir, on)


def test_names_stand_in_the_rooms_that_the_user_is_in(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        closed, other = await world.room(ALICE, join_rule="invite"), await world.room()
        left = await world.room(ALICE)
        await world.registry.send(left, NewEvent("m.room.member", ALICE, {"membership": "leave"}, ALICE))

        await world.change.set_field(ALICE, "displayname", "Alice")
        await world.change.set_field(ALICE, "avatar_url", "mxc://example.org/a")
        assert await world.member(closed, ALICE) == {
            "membership": "join",
            "displayname": "Alice",
            "avatar_url": "mxc://example.org/a",
        }
        assert await world.member(left, ALICE) == {"membership": "leave"}
        assert await world.member(other, BOB) == {"membership": "join"}

        await world.change.delete_field(ALICE, "displayname")
        assert await world.member(closed, ALICE) == {
            "membership": "join",
            "avatar_url": "mxc://example.org/a",
        }

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(("field", "value"), [("m.tz", "UTC"), ("com.example.x", 1)])
def test_other_fields_do_not_touch_the_rooms(tmp_path: Path, field: str, value: Any) -> None:
    async def scenario(world: World) -> None:
        room = await world.room(ALICE)
        head = room.head
        await world.change.set_field(ALICE, field, value)
        await world.change.delete_field(ALICE, field)
        assert room.head == head

    in_world(tmp_path, scenario)


def test_a_refused_field_changes_nothing_anywhere(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        room = await world.room(ALICE)
        head = room.head
        with pytest.raises(MatrixError):
            await world.change.set_field(ALICE, "displayname", "x" * 1_000)
        assert room.head == head

    in_world(tmp_path, scenario)


def test_rooms_beyond_the_prompt_ones_follow_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROMPT_ROOMS", 2)

    async def scenario(world: World) -> None:
        rooms = [await world.room(ALICE) for _ in range(5)]
        await world.change.set_field(ALICE, "displayname", "Alice")
        done = [(await world.member(room, ALICE)).get("displayname") for room in rooms]
        assert done.count("Alice") == 2
        await world.finish()
        assert {(await world.member(room, ALICE)).get("displayname") for room in rooms} == {"Alice"}

    in_world(tmp_path, scenario)


def test_of_two_changes_in_a_row_the_later_prevails_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROMPT_ROOMS", 1)

    async def scenario(world: World) -> None:
        rooms = [await world.room(ALICE) for _ in range(6)]
        await world.change.set_field(ALICE, "displayname", "first")
        await world.change.set_field(ALICE, "displayname", "second")
        await world.finish()
        assert {(await world.member(room, ALICE)).get("displayname") for room in rooms} == {"second"}

    in_world(tmp_path, scenario)


def test_many_changes_go_through_the_rooms_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROMPT_ROOMS", 1)

    async def scenario(world: World) -> None:
        rooms = [await world.room(ALICE) for _ in range(20)]
        for number in range(30):
            await world.change.set_field(ALICE, "displayname", f"name {number}")
            passes = [task for task in asyncio.all_tasks() if task.get_name() == "profile"]
            assert len(passes) <= 1
        await world.finish()
        assert {(await world.member(room, ALICE)).get("displayname") for room in rooms} == {"name 29"}
        await world.change.set_field(ALICE, "displayname", "again")
        await world.finish()
        assert {(await world.member(room, ALICE)).get("displayname") for room in rooms} == {"again"}

    in_world(tmp_path, scenario)


def test_presence_is_seen_by_oneself_and_those_who_share_a_room(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        presence = Presence(ManualClock())
        presence.set(ALICE, "PHONE", "unavailable", None)
        see = SeePresence(presence, world.store.rooms)
        assert (await see.of(ALICE, ALICE)).state == "unavailable"
        for reader in (BOB, "@nobody:example.org"):
            with pytest.raises(MatrixError) as caught:
                await see.of(reader, ALICE)
            assert (caught.value.status, caught.value.errcode) == (403, "M_FORBIDDEN")

        room = await world.room(ALICE)
        assert (await see.of(BOB, ALICE)).state == "unavailable"
        await world.registry.send(room, NewEvent("m.room.member", BOB, {"membership": "leave"}, BOB))
        with pytest.raises(MatrixError):
            await see.of(BOB, ALICE)

    in_world(tmp_path, scenario)
