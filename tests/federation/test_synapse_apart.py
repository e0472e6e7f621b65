"""With Synapse: conversations that only their two ends can read, and servers that are away for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import nio
import pytest

from tests.clients.nio_person import NioPerson, events_in, log_in, members
from tests.federation.country import land
from tests.federation.synapse import SynapsePerson, needs_synapse, synapse
from tests.federation.test_with_synapse import Two, bodies, join, membership, server_of, until
from tests.processes import ServerProcess
from tests.running import Person

pytestmark = [needs_synapse, pytest.mark.timeout(300)]

MISSED = 1_000
"""Events that one side sends while the other one is away."""


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with land() as empty:
        ours = empty.found_by_address()
        with synapse(empty) as theirs:
            yield Two(ours, theirs)


async def converse(ours: NioPerson, theirs: NioPerson, host: NioPerson, guest: NioPerson) -> None:
    """Let the host make an encrypted room and invite the guest; let both say something that the other one reads."""
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    room_id = await host.create_room(
        preset=nio.RoomPreset.private_chat, invite=[guest.user_id], initial_state=[encryption]
    )
    await guest.sync_until(lambda answer: answer.rooms.invite.get(room_id))
    await guest.join(room_id)
    await host.sync_until(lambda _: guest.user_id in members(host, room_id) or None)
    await guest.sync_until(lambda _: host.user_id in members(guest, room_id) or None)
    for speaker, listener, text in ((host, guest, "only for you"), (guest, host, "and for you")):
        await speaker.send(room_id, text)

        def heard(answer: nio.SyncResponse, text: str = text) -> Any:
            return [
                event
                for event in events_in(answer, room_id)
                if isinstance(event, nio.RoomMessageText) and event.body == text and event.decrypted
            ] or None

        await listener.sync_until(heard)


@pytest.mark.parametrize("host", ["ours", "theirs"])
def test_an_encrypted_conversation(two: Two, host: str, tmp_path: Path) -> None:
    names = (two.ours.register("sealed"), two.theirs.register(f"sealed-{host}"))
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    for folder in folders:
        folder.mkdir()

    async def live() -> None:
        at_ours = log_in(cast(ServerProcess, two.ours), names[0].user_id, folders[0])
        at_theirs = log_in(cast(ServerProcess, two.theirs), names[1].user_id, folders[1])
        async with at_ours as ours, at_theirs as theirs:
            pair = (ours, theirs) if host == "ours" else (theirs, ours)
            await converse(ours, theirs, *pair)

    asyncio.run(live())


def all_bodies(who: Person, room_id: str) -> list[str]:
    """Return the texts of all messages of a room, oldest first."""
    texts: list[str] = []
    query: dict[str, str] = {}
    while True:
        page = who.get(f"/rooms/{quote(room_id)}/messages", dir="b", limit=500, **query)
        texts += [event["content"]["body"] for event in page["chunk"] if event["type"] == "m.room.message"]
        if "end" not in page:
            return texts[::-1]
        query = {"from": page["end"]}


@pytest.mark.parametrize("absent", ["ours", "theirs"])
def test_one_side_is_away_for_a_thousand_events(two: Two, absent: str) -> None:
    ours, theirs = two.ours.register("away"), two.theirs.register(f"away-{absent}")
    host, guest = (theirs, ours) if absent == "ours" else (ours, theirs)
    room_id = host.create_room(preset="public_chat")
    join(guest, room_id, server_of(host))
    host.send(room_id, "before")
    until(lambda: "before" in bodies(guest, room_id))
    stopped = two.ours if absent == "ours" else two.theirs
    stopped.stop()
    said = [f"number {number}" for number in range(MISSED)]
    for text in said:
        host.send(room_id, text)
    stopped.start()
    guest = returned(two, guest)
    if absent == "theirs":
        forgive(two)
    else:
        # Whoever was away says something, and so the other side knows that it is there again.
        guest.send(room_id, "here again")
    try:
        until(lambda: said[-1] in bodies(guest, room_id), within_s=90)
        heard = [text for text in all_bodies(guest, room_id) if text.startswith("number")]
    finally:
        guest.http.close()
    assert len(heard) == len(set(heard))
    assert heard == sorted(heard, key=said.index)
    if absent == "ours":
        assert (
            heard == said
        )  # Synapse drops events that come faster than it works, and asks for some of them only


def forgive(two: Two) -> None:
    """Forget that Synapse could not be reached."""

    async def forget() -> None:
        two.ours.services.federation.back_off.note_success(two.theirs.name)

    two.ours.run(forget())


def returned(two: Two, person: Person) -> Person:
    """Return somebody who talks to their server again, which may be at another port now."""
    if isinstance(person, SynapsePerson):
        return SynapsePerson(two.theirs.url, person.user_id, person.device_id, person.token)
    return Person(two.ours.url, person.user_id, person.device_id, person.token)


def test_five_hundred_events_are_read_back(two: Two) -> None:
    for host, guest in (
        (two.theirs.register(f"long-{time.time_ns()}"), two.ours.register("long")),
        (two.ours.register("long"), two.theirs.register(f"long-{time.time_ns()}")),
    ):
        room_id = host.create_room(preset="public_chat")
        said = [f"number {number}" for number in range(500)]
        for text in said:
            host.send(room_id, text)
        join(guest, room_id, server_of(host))
        assert until(lambda g=guest, r=room_id, s=said: all_bodies(g, r) == s, within_s=60)  # type: ignore[misc]  # bound now


def test_presence_and_changes_of_devices_are_told(two: Two) -> None:
    ours, theirs = two.ours.register("seen"), two.theirs.register(f"seen-{time.time_ns()}")
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    room_id = ours.create_room(preset="public_chat", initial_state=[encryption])
    join(theirs, room_id, server_of(ours))
    until(lambda: membership(ours, room_id, theirs) == "join")
    tokens = {who: who.sync()["next_batch"] for who in (ours, theirs)}
    for one, other in ((ours, theirs), (theirs, ours)):
        one.put(f"/presence/{quote(one.user_id)}/status", {"presence": "online", "status_msg": "at the lake"})

        def seen(one: Person = one, other: Person = other) -> Any:
            events = other.sync(tokens[other]).get("presence", {}).get("events", [])
            return [event for event in events if event["sender"] == one.user_id
                    and event["content"].get("status_msg") == "at the lake"]  # fmt: skip

        until(seen)
        keys = {
            "user_id": one.user_id,
            "device_id": one.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
            "keys": {f"curve25519:{one.device_id}": "A" * 43, f"ed25519:{one.device_id}": "B" * 43},
            "signatures": {one.user_id: {f"ed25519:{one.device_id}": "C" * 86}},
        }
        one.post("/keys/upload", {"device_keys": keys})

        def changed(one: Person = one, other: Person = other) -> bool:
            lists = other.sync(tokens[other]).get("device_lists", {})
            return one.user_id in lists.get("changed", [])

        until(changed)
        found = other.post("/keys/query", {"device_keys": {one.user_id: []}})
        assert found["device_keys"][one.user_id][one.device_id]["keys"] == keys["keys"]
