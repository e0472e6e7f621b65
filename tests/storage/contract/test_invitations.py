"""What every store must do with memberships from outside, and with the devices of other servers' users."""

from __future__ import annotations

from collections.abc import Callable

from hamrasan.storage.ports.devices import ChangeDeviceList
from hamrasan.storage.ports.invitations import NO_ROOM, DropInvitation, PutInvitation
from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.remote_keys import OutdateRemoteDevices, PutRemoteDevices
from hamrasan.storage.ports.rooms import NewRoom, PutMembership
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario

Run = Callable[[Scenario], None]
ALICE, FAR = "@alice:example.org", "@far:away.test"


def invitation(room_id: str, position: Position, membership: str = "invite") -> PutInvitation:
    return PutInvitation(
        room_id, ALICE, membership, position, "12", f"${position}", FAR, b"{}", b"[]", "away.test"
    )


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def test_an_invitation_is_found_by_user_and_by_room_and_replaced(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, invitation("!one", 1), invitation("!two", 2))
        await put(store, invitation("!one", 3, "leave"))
        found = await store.invitations.invitations(ALICE)
        assert [(row.room_id, row.membership) for row in found] == [("!two", "invite"), ("!one", "leave")]
        one = await store.invitations.invitation("!one", ALICE)
        assert one is not None
        assert one == tuple(invitation("!one", 3, "leave"))
        assert await store.invitations.invited("!one") == [one]
        assert await store.invitations.invitation("!one", FAR) is None
        await put(store, DropInvitation("!one", ALICE, 2))
        assert await store.invitations.invitation("!one", ALICE) == one, "it is later than that"
        await put(store, DropInvitation("!one", ALICE, 3))
        assert await store.invitations.invited("!one") == []

    run(scenario)


def test_of_a_membership_inside_and_one_from_outside_the_later_counts(run: Run) -> None:
    async def memberships(store: Store) -> dict[str, tuple[int, str]]:
        rows = await store.rooms.memberships(ALICE)
        return {row.room_id: (row.room, row.membership) for row in rows}

    async def scenario(store: Store) -> None:
        await put(store, NewRoom(1, "!one", "12", FAR, 1), PutMembership(1, ALICE, "leave", 2, "$m", ALICE))
        await put(store, invitation("!one", 3), invitation("!two", 4))
        assert await memberships(store) == {"!one": (NO_ROOM, "invite"), "!two": (NO_ROOM, "invite")}
        await put(store, PutMembership(1, ALICE, "join", 5, "$n", ALICE))
        assert await memberships(store) == {"!one": (1, "join"), "!two": (NO_ROOM, "invite")}

    run(scenario)


def test_devices_of_other_servers_are_outdated_by_every_change(run: Run) -> None:
    async def outdated(store: Store) -> bool:
        [row] = await store.remote_keys.devices([FAR, "@other:away.test"])
        return row.outdated

    async def scenario(store: Store) -> None:
        assert await store.remote_keys.devices([FAR]) == []
        await put(store, NewRoom(1, "!one", "12", FAR, 1), PutMembership(1, FAR, "join", 2, "$m", FAR))
        await put(store, PutRemoteDevices(FAR, b"{}", 2))
        assert not await outdated(store)
        await put(store, ChangeDeviceList(FAR, 3))
        assert await outdated(store)
        await put(store, PutRemoteDevices(FAR, b'{"X":1}', 3))
        assert not await outdated(store)
        await put(store, PutMembership(1, FAR, "leave", 4, "$n", FAR))
        assert await outdated(store), "its server tells no more of changes"
        await put(store, PutRemoteDevices(FAR, b"{}", 4), OutdateRemoteDevices(FAR))
        assert await outdated(store)

    run(scenario)


def test_who_is_in_a_room_with_anybody_of_this_server(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, NewRoom(1, "!one", "12", FAR, 1), PutMembership(1, FAR, "join", 2, "$m", FAR))
        assert await store.remote_keys.shared_with([FAR], "example.org") == set()
        await put(store, PutMembership(1, ALICE, "join", 3, "$a", ALICE))
        assert await store.remote_keys.shared_with([FAR, "@x:away.test"], "example.org") == {FAR}
        assert await store.remote_keys.shared_with([FAR], "ample.org") == set()
        await put(store, PutMembership(1, ALICE, "leave", 4, "$b", ALICE))
        assert await store.remote_keys.shared_with([FAR], "example.org") == set()

    run(scenario)
