"""Every room at a glance: after a start, and kept right by what is committed."""

from __future__ import annotations

import asyncio

from hamrasan.sync.room_index import RoomIndex
from tests.sync.test_sliding_lists import space
from tests.sync.world import World, in_world

ALICE = "@alice:example.org"


async def glance(world: World, index: RoomIndex, room_id: str) -> tuple[int, int, bool, str | None]:
    number = (await world.store.rooms.rooms([room_id]))[0].room
    return index.events(number), index.receipts(number), index.is_encrypted(number), index.type_of(number)


def test_the_index_is_the_same_from_the_feed_and_from_the_store() -> None:
    async def scenario(world: World) -> None:
        plain, secret = await world.room(ALICE), await world.room(ALICE)
        rooms = [plain, secret, await space(world, plain)]
        live = world.services.room_index
        await live.load()
        await world.send(secret, ALICE, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, "")
        event_id = await world.say(plain, ALICE)
        await world.services.receipts.mark(plain, ALICE, {"m.read": event_id})
        late = await world.room(ALICE)
        rooms.append(late)
        seen = [await glance(world, live, room_id) for room_id in rooms]
        assert [row[2:] for row in seen] == [
            (False, None),
            (True, None),
            (False, "m.space"),
            (False, None),
        ]
        assert seen[0][1] > seen[0][0] > 0
        await world.restart()
        again = world.services.room_index
        await asyncio.gather(again.load(), again.load())
        assert [await glance(world, again, room_id) for room_id in rooms] == seen

    in_world(scenario)
