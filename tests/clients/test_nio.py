"""matrix-nio, a client library in Python, against a server process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import nio
import pytest
from nio.api import RelationshipType

from tests.clients.conftest import LongRoom
from tests.clients.nio_person import (
    NioPerson,
    between_two,
    events_in,
    log_in,
    meet,
    members,
    registered,
    succeeded,
    texts_in,
)
from tests.clients.texts import CONVERSATION, NAMES, TOPIC
from tests.processes import ServerProcess, server_process
from tests.running import PASSWORD


def test_somebody_registers_with_the_library_logs_in_twice_and_logs_out(client_server: ServerProcess) -> None:
    async def live() -> None:
        async with AsyncExitStack() as stack:
            client = nio.AsyncClient(client_server.url, "nio-registers")
            stack.push_async_callback(client.close)
            session = succeeded(
                await client.register("nio-registers", PASSWORD, "first"), nio.RegisterResponse
            )
            second = await stack.enter_async_context(log_in(client_server, session.user_id))
            third = await stack.enter_async_context(log_in(client_server, session.user_id))
            devices = succeeded(await second.client.devices(), nio.DevicesResponse).devices
            assert {device.id for device in devices} == {
                session.device_id,
                second.client.device_id,
                third.client.device_id,
            }
            succeeded(await third.client.logout(), nio.LogoutResponse)
            assert (await second.client.whoami()).user_id == session.user_id
            refused = nio.AsyncClient(client_server.url, session.user_id)
            stack.push_async_callback(refused.close)
            wrong = succeeded(await refused.login("not the password"), nio.LoginError)
            assert wrong.status_code == "M_FORBIDDEN"

    asyncio.run(live())


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_two_people_converse_and_every_byte_arrives(client_server: ServerProcess, version: str) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        wish = {"name": NAMES[0], "topic": TOPIC, "room_version": version}
        room_id = await one.create_room(invite=[other.user_id], **wish)
        await other.sync_until(lambda answer: answer.rooms.invite.get(room_id))
        assert other.client.invited_rooms[room_id].name == NAMES[0]
        await other.join(room_id)
        await one.sync()
        heard: dict[NioPerson, list[bytes]] = {one: [], other: []}
        for number, text in enumerate(CONVERSATION):
            speaker = (one, other)[number % 2]
            event_id = await speaker.send(room_id, text)
            for listener, texts in heard.items():
                body = await listener.sync_until(
                    lambda answer: dict(texts_in(events_in(answer, room_id))).get(event_id)  # noqa: B023 - called now
                )
                texts.append(body.encode("utf-8", "surrogatepass"))
        expected = [text.encode() for text in CONVERSATION]
        assert heard == {one: expected, other: expected}
        for person in (one, other):
            room = person.client.rooms[room_id]
            assert (room.name, room.topic, room.room_version) == (NAMES[0], TOPIC, version)
            assert members(person, room_id) == {one.user_id, other.user_id}

    between_two(client_server, story)


def test_a_long_past_is_paged_through_completely_in_order_without_repeats(
    client_server: ServerProcess, long_room: LongRoom
) -> None:
    async def live() -> None:
        async with registered(client_server, "nio-reader") as reader:
            await reader.join(long_room.room_id)
            answer = await reader.sync_until(
                lambda answer: answer if events_in(answer, long_room.room_id) else None
            )
            timeline = answer.rooms.join[long_room.room_id].timeline
            backwards = list(texts_in(timeline.events))[::-1]
            everything = [event.event_id for event in timeline.events][::-1]
            start = timeline.prev_batch
            while start is not None:
                page = succeeded(
                    await reader.client.room_messages(long_room.room_id, start, limit=37),
                    nio.RoomMessagesResponse,
                )
                everything += [event.event_id for event in page.chunk]
                backwards += texts_in(page.chunk)
                start = page.end
            assert len(everything) == len(set(everything))
            assert backwards[::-1] == list(zip(long_room.event_ids, long_room.bodies, strict=True))

    asyncio.run(live())


def test_reactions_edits_and_redactions_reach_the_other(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        room_id = await meet(one, other)
        message = await one.send(room_id, "سلام")
        relation = {"rel_type": "m.annotation", "event_id": message, "key": "👍🏽"}
        reaction = await other.send_event(room_id, "m.reaction", {"m.relates_to": relation})
        edited = {"msgtype": "m.text", "body": "سلام به همه"}
        relation = {"rel_type": "m.replace", "event_id": message}
        edit = await one.send(room_id, "* سلام به همه", **{"m.new_content": edited, "m.relates_to": relation})
        secret = await one.send(room_id, "a word too many")
        answer = await one.client.room_redact(room_id, secret, reason="پشیمان شدم")
        redaction = succeeded(answer, nio.RoomRedactResponse).event_id

        seen: dict[str, Any] = {}

        def gather(answer: nio.SyncResponse) -> bool | None:
            seen.update((event.event_id, event) for event in events_in(answer, room_id))
            return True if redaction in seen else None

        await other.sync_until(gather)
        assert (seen[reaction].reacts_to, seen[reaction].key) == (message, "👍🏽")
        assert seen[edit].source["content"]["m.new_content"] == edited
        assert (seen[redaction].redacts, seen[redaction].reason) == (secret, "پشیمان شدم")
        gone = succeeded(await other.client.room_get_event(room_id, secret), nio.RoomGetEventResponse).event
        assert isinstance(gone, nio.RedactedEvent)
        assert (gone.redacter, gone.reason) == (one.user_id, "پشیمان شدم")
        assert "body" not in gone.source["content"]
        related = [event async for event in other.client.room_get_event_relations(room_id, message)]
        assert {event.event_id for event in related} == {reaction, edit}

    between_two(client_server, story)


def test_threads_are_listed_and_read(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        room_id = await meet(one, other)
        roots = [await one.send(room_id, f"رشتهٔ {number}") for number in range(3)]
        replies: dict[str, list[str]] = {root: [] for root in roots}
        for root in (roots[0], roots[2], roots[0]):
            relation = {"rel_type": "m.thread", "event_id": root}
            replies[root].append(await other.send(room_id, "پاسخ", **{"m.relates_to": relation}))
        listed = [event.event_id async for event in one.client.room_get_threads(room_id, limit=1)]
        assert listed == [roots[0], roots[2]], "the thread with the latest reply comes first"
        for root in listed:
            relations = one.client.room_get_event_relations(room_id, root, RelationshipType.thread, limit=1)
            assert [event.event_id async for event in relations] == replies[root][::-1]

    between_two(client_server, story)


def test_typing_and_receipts_are_seen_by_the_other(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        room_id = await meet(one, other)
        message = await one.send(room_id, "خواندی؟")
        await other.sync_until(lambda answer: dict(texts_in(events_in(answer, room_id))).get(message))
        assert other.client.rooms[room_id].unread_notifications == 1

        for typing in (True, False):
            succeeded(await other.client.room_typing(room_id, typing), nio.RoomTypingResponse)
            expected = [other.user_id] if typing else []
            await one.sync_until(lambda _: one.client.rooms[room_id].typing_users == expected or None)  # noqa: B023 - called now

        answer = await other.client.room_read_markers(room_id, message, message)
        succeeded(answer, nio.RoomReadMarkersResponse)
        await one.sync_until(lambda _: other.user_id in one.client.rooms[room_id].read_receipts or None)
        assert one.client.rooms[room_id].read_receipts[other.user_id].event_id == message
        await other.sync_until(lambda _: other.client.rooms[room_id].fully_read_marker == message or None)
        assert other.client.rooms[room_id].unread_notifications == 0

    between_two(client_server, story)


def test_profiles_tags_and_account_data_arrive(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        room_id = await meet(one, other)
        client = one.client
        succeeded(await client.set_displayname(NAMES[1]), nio.ProfileSetDisplayNameResponse)
        succeeded(await client.set_avatar("mxc://hamrasan.test/rose"), nio.ProfileSetAvatarResponse)
        profile = succeeded(await other.client.get_profile(one.user_id), nio.ProfileGetResponse)
        assert (profile.displayname, profile.avatar_url) == (NAMES[1], "mxc://hamrasan.test/rose")
        shown = other.client.rooms[room_id].users[one.user_id]
        await other.sync_until(lambda _: shown.avatar_url or None)
        assert (shown.display_name, shown.avatar_url) == (NAMES[1], "mxc://hamrasan.test/rose")

        # The library reads tags and direct rooms, and has no method to set them.
        own = f"/_matrix/client/v3/user/{one.user_id}"
        headers = {"Authorization": f"Bearer {client.access_token}"}
        tag = f"{own}/rooms/{room_id}/tags/m.favourite"
        for path, body in (
            (tag, '{"order":0.25}'),
            (f"{own}/account_data/m.direct", f'{{"{other.user_id}":["{room_id}"]}}'),
        ):
            answer = await client.send("PUT", path, body, headers)
            assert answer.status == 200
        await one.sync_until(lambda _: client.rooms[room_id].tags or None)
        assert client.rooms[room_id].tags == {"m.favourite": {"order": 0.25}}
        direct = succeeded(await client.list_direct_rooms(), nio.DirectRoomsResponse)
        assert direct.rooms == {other.user_id: [room_id]}

    between_two(client_server, story)


def test_a_sync_goes_on_after_the_server_was_killed_and_misses_nothing(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:

        async def story(one: NioPerson, other: NioPerson) -> None:
            room_id = await meet(one, other)
            heard: dict[NioPerson, list[str]] = {one: [], other: []}
            sent: list[str] = []

            async def listen(person: NioPerson) -> None:
                def gather(answer: nio.SyncResponse) -> bool | None:
                    heard[person] += [body for _, body in texts_in(events_in(answer, room_id))]
                    return True if len(heard[person]) >= len(sent) else None

                await person.sync_until(gather)

            for run in range(3):
                for number in range(5):
                    sent.append(f"{run}.{number}")
                    await one.send(room_id, sent[-1])
                    if number == 2:  # nobody has heard of these three, and two more come after the death
                        await asyncio.to_thread(server.kill)
                        await asyncio.to_thread(server.start)
                await asyncio.gather(listen(one), listen(other))
            assert heard == {one: sent, other: sent}

        between_two(server, story)
        assert server.complaints == []
