"""What every store must know when other servers ask."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import NewRoom, PutMembership, RoomRow
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

HERE, THERE = "here.example", "there.example:8448"


def test_users_of_a_server_are_found_by_the_whole_of_its_name(tmp_path: Path) -> None:
    members = {
        f"@late:{HERE}": ("join", 9),
        f"@early:{HERE}": ("leave", 2),
        f"@a:{THERE}": ("invite", 3),
        "@b:there.example": ("ban", 4),
        f"@c:not{HERE}": ("join", 5),
    }

    async def scenario(store: Store) -> None:
        rows = [
            PutMembership(1, user, membership, first, f"${first}", user, first)
            for user, (membership, first) in members.items()
        ]
        elsewhere = PutMembership(2, f"@other:{HERE}", "knock", 1, "$x", f"@other:{HERE}", 1)
        await store.journal.submit(
            Batch([*(NewRoom(number, f"!{number}", "12", "@a:b", 0) for number in (1, 2)), *rows, elsewhere])
        )
        assert await store.serving.users_of(1, HERE) == [f"@early:{HERE}", f"@late:{HERE}"]
        assert await store.serving.memberships_of(1, HERE) == {"join", "leave"}
        assert await store.serving.memberships_of(1, THERE) == {"invite"}
        assert await store.serving.memberships_of(1, "there.example") == {"ban"}
        assert await store.serving.memberships_of(1, "nowhere.example") == set()
        joined = [
            server for server in (HERE, THERE, "there.example") if await store.serving.is_joined(1, server)
        ]
        assert joined == [HERE]

    on_store(tmp_path, scenario)


def test_rooms_are_found_by_number(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.journal.submit(Batch([NewRoom(7, "!seven", "11", "@a:b", 0)]))
        assert await store.serving.room(7) == RoomRow(7, "!seven", "11", "@a:b")
        assert await store.serving.room(8) is None

    on_store(tmp_path, scenario)
