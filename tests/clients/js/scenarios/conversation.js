// Two people register, log in, meet in a room of each version, and converse while both sync.

import { RoomEvent } from "matrix-js-sdk";

import { arrives, logIn, messages, refusal, register, start, untilSynced } from "../harness.js";

export default async function conversation({ url, names, version, texts, name, topic }) {
  const registered = await Promise.all(names.map((each) => register(url, each)));
  const [one, other] = await Promise.all(registered.map((client) => logIn(url, client.getUserId())));
  const devices = await one.getDevices();
  await Promise.all([start(one), start(other)]);

  const { room_id: roomId } = await one.createRoom({ name, topic, room_version: version, invite: [other.getUserId()] });
  const invitation = await untilSynced(other, "the invitation", () => {
    const room = other.getRoom(roomId);
    return room?.getMyMembership() === "invite" && room;
  });
  const invited = { name: invitation.name, inviter: invitation.getDMInviter() ?? invitation.getMember(other.getUserId())?.events.member?.getSender() };
  await other.joinRoom(roomId);
  const rooms = await Promise.all(
    [one, other].map((client) =>
      untilSynced(client, "both are in", () => {
        const room = client.getRoom(roomId);
        return room?.getMyMembership() === "join" && room.getJoinedMemberCount() === 2 && room;
      }),
    ),
  );

  const echoes = [];
  for (const [index, room] of rooms.entries()) {
    room.on(RoomEvent.LocalEchoUpdated, (event) => event.status === null && echoes.push([index, event.getId()]));
  }
  for (const [number, body] of texts.entries()) {
    const speaker = [one, other][number % 2];
    const { event_id: eventId } = await speaker.sendTextMessage(roomId, body);
    await Promise.all([arrives(one, rooms[0], eventId), arrives(other, rooms[1], eventId)]);
  }
  return {
    roomId,
    users: [one.getUserId(), other.getUserId()],
    devices: devices.devices.length,
    invited,
    echoes: echoes.length,
    heard: rooms.map((room) => messages(room.getLiveTimeline().getEvents())),
    states: rooms.map((room) => ({
      name: room.name,
      topic: room.currentState.getStateEvents("m.room.topic", "").getContent().topic,
      version: room.getVersion(),
      creator: room.getCreator(),
      joinRule: room.getJoinRule(),
      history: room.getHistoryVisibility(),
      members: room.getJoinedMembers().map((member) => member.userId).sort(),
      mayName: [one, other].map((client) => room.currentState.maySendStateEvent("m.room.name", client.getUserId())),
      mayTalk: [one, other].map((client) => room.currentState.maySendMessage(client.getUserId())),
    })),
    refused: await refusal(other.setRoomName(roomId, "mine")),
  };
}
