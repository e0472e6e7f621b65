"""matrix-nio beside conversations: at the door of rooms, in the directory, with devices, filters and rules."""

from __future__ import annotations

import nio
from nio.api import PushRuleKind
from nio.events.account_data import PushEventMatch, PushNotify
from nio.responses import PublicRoomsResponse, RoomUpgradeResponse

from tests.clients.nio_person import NioPerson, between_two, log_in, meet, members, succeeded
from tests.processes import ServerProcess
from tests.running import PASSWORD


def test_people_knock_are_let_in_and_thrown_out(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        host, guest = one.client, other.client
        room_id = await one.create_room(name="خانه", room_version="11")
        succeeded(await host.room_enable_knocking(room_id), nio.RoomPutStateResponse)
        succeeded(await guest.room_knock(room_id, reason="در بزنم؟"), nio.RoomKnockResponse)
        state = succeeded(
            await host.room_get_state_event(room_id, "m.room.member", other.user_id),
            nio.RoomGetStateEventResponse,
        )
        assert state.content["membership"] == "knock"
        succeeded(await host.room_invite(room_id, other.user_id), nio.RoomInviteResponse)
        await other.join(room_id)
        for person in (one, other):
            await person.sync_until(lambda _: other.user_id in members(person, room_id) or None)  # noqa: B023 - called now
        succeeded(await host.room_kick(room_id, other.user_id, "شوخی"), nio.RoomKickResponse)
        gone = await other.sync_until(lambda answer: answer.rooms.leave.get(room_id))
        assert gone.timeline.events[-1].content == {"membership": "leave", "reason": "شوخی"}
        succeeded(await host.room_ban(room_id, other.user_id), nio.RoomBanResponse)
        banned = await other.sync_until(lambda answer: answer.rooms.leave.get(room_id))
        assert banned.timeline.events[-1].membership == "ban"
        assert succeeded(await guest.join(room_id), nio.JoinError).status_code == "M_FORBIDDEN"
        succeeded(await host.room_unban(room_id, other.user_id), nio.RoomUnbanResponse)
        succeeded(await guest.room_forget(room_id), nio.RoomForgetResponse)
        joined = succeeded(await host.joined_members(room_id), nio.JoinedMembersResponse)
        assert [member.user_id for member in joined.members] == [one.user_id]

    between_two(client_server, story)


def test_an_invite_that_was_turned_down_is_gone_from_every_device(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        async with log_in(client_server, other.user_id) as second:
            room_id = await one.create_room(invite=[other.user_id])
            for device in (other, second):
                await device.sync_until(lambda answer: answer.rooms.invite.get(room_id))
            succeeded(await other.client.room_leave(room_id), nio.RoomLeaveResponse)
            left = await second.sync_until(lambda answer: answer.rooms.leave.get(room_id))
            assert [event.membership for event in left.timeline.events] == ["leave"]

    between_two(client_server, story)


def test_rooms_are_found_by_address_and_in_the_directory_and_upgraded(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        visibility, preset = nio.RoomVisibility.public, nio.RoomPreset.public_chat
        room_id = await one.create_room(
            alias="بازار", name="بازار بزرگ", visibility=visibility, preset=preset, room_version="10"
        )
        found = succeeded(
            await other.client.room_resolve_alias("#بازار:hamrasan.test"), nio.RoomResolveAliasResponse
        )
        assert found.room_id == room_id
        answer = await other.client.list_public_rooms(filter_generic_search_term="بازار")
        listed = succeeded(answer, PublicRoomsResponse).public_rooms
        assert [(room.room_id, room.name, room.num_joined_members) for room in listed] == [
            (room_id, "بازار بزرگ", 1)
        ]
        await one.sync()
        upgraded = succeeded(await one.client.room_upgrade(room_id, "11"), RoomUpgradeResponse)
        await other.join(upgraded.room_id)
        await other.sync_until(lambda _: other.client.rooms.get(upgraded.room_id))
        assert other.client.rooms[upgraded.room_id].name == "بازار بزرگ"

    between_two(client_server, story)


def test_the_surroundings_of_a_message_are_shown(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        room_id = await meet(one, other)
        sent = [await one.send(room_id, str(number)) for number in range(9)]
        answer = succeeded(
            await other.client.room_context(room_id, sent[4], limit=4), nio.RoomContextResponse
        )
        assert answer.event.event_id == sent[4]
        assert [event.event_id for event in answer.events_before] == [sent[3], sent[2]]
        assert [event.event_id for event in answer.events_after] == [sent[5], sent[6]]
        older = await other.client.room_messages(room_id, answer.start, limit=2)
        assert [event.event_id for event in succeeded(older, nio.RoomMessagesResponse).chunk] == [
            sent[1],
            sent[0],
        ]
        newer = await other.client.room_messages(
            room_id, answer.end, direction=nio.MessageDirection.front, limit=5
        )
        assert [event.event_id for event in succeeded(newer, nio.RoomMessagesResponse).chunk] == sent[7:]

    between_two(client_server, story)


def test_devices_filters_presence_and_push_rules(client_server: ServerProcess) -> None:
    async def story(one: NioPerson, other: NioPerson) -> None:
        client, room_id = one.client, await meet(one, other)
        async with log_in(client_server, one.user_id) as second:
            device_id = str(second.client.device_id)
            succeeded(
                await client.update_device(device_id, {"display_name": "گوشی"}), nio.UpdateDeviceResponse
            )
            devices = succeeded(await client.devices(), nio.DevicesResponse).devices
            assert "گوشی" in [device.display_name for device in devices]
            asked = succeeded(await client.delete_devices([device_id]), nio.DeleteDevicesAuthResponse)
            auth = {
                "type": "m.login.password",
                "user": one.user_id,
                "password": PASSWORD,
                "session": asked.session,
            }
            succeeded(await client.delete_devices([device_id], auth), nio.DeleteDevicesResponse)
            assert succeeded(await second.client.whoami(), nio.WhoamiError).status_code == "M_UNKNOWN_TOKEN"

        wanted = {"timeline": {"types": ["m.room.message"], "limit": 2}, "state": {"types": ["m.room.name"]}}
        filter_id = succeeded(await client.upload_filter(room=wanted), nio.UploadFilterResponse).filter_id
        for number in range(3):
            await other.send(room_id, str(number))
        await other.send_event(room_id, "org.example.quiet", {})
        answer = succeeded(await client.sync(sync_filter=filter_id), nio.SyncResponse)
        timeline = answer.rooms.join[room_id].timeline
        assert ([event.body for event in timeline.events], timeline.limited) == (["1", "2"], True)

        succeeded(await other.client.set_presence("unavailable", "چای"), nio.PresenceSetResponse)
        presence = succeeded(await client.get_presence(other.user_id), nio.PresenceGetResponse)
        assert (presence.presence, presence.status_msg) == ("unavailable", "چای")

        rule = ("global", PushRuleKind.underride, "org.example.tea")
        match = PushEventMatch("content.body", "*چای*")
        added = await client.set_pushrule(*rule, actions=[PushNotify()], conditions=[match])
        succeeded(added, nio.SetPushRuleResponse)
        succeeded(await client.enable_pushrule(*rule, enable=False), nio.EnablePushRuleResponse)
        succeeded(await client.delete_pushrule(*rule), nio.DeletePushRuleResponse)
        missing = succeeded(await client.delete_pushrule(*rule), nio.DeletePushRuleError)
        assert missing.status_code == "M_NOT_FOUND"

    between_two(client_server, story)
