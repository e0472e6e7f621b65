// A room with many members, of whom a client that loads lazily first knows those who speak.

import { Direction } from "matrix-js-sdk";

import { arrives, logIn, messages, register, start } from "../harness.js";

export default async function members({ url, name, roomId, speaker, left }) {
  const eager = await register(url, name);
  await eager.joinRoom(roomId);
  const { event_id: last } = await eager.sendTextMessage(roomId, "من هم آمدم");
  const lazy = await start(await logIn(url, eager.getUserId()), { lazyLoadMembers: true, initialSyncLimit: 5 });
  const room = lazy.getRoom(roomId);
  await arrives(lazy, room, last);
  const first = room.currentState.getMembers().map((member) => member.userId);
  const summary = [room.getJoinedMemberCount(), room.getInvitedMemberCount()];
  const roomName = room.name;

  // Going back brings the members who spoke then with it.
  const timeline = room.getLiveTimeline();
  while (await lazy.paginateEventTimeline(timeline, { backwards: true, limit: 10 }));
  const old = timeline.getState(Direction.Backward).getMember(speaker)?.name ?? null;
  const byOthers = timeline
    .getEvents()
    .filter((event) => event.getType() === "m.room.message" && event.getSender() !== lazy.getUserId());
  const authors = [...new Set(byOthers.map((event) => event.sender?.name))];

  await room.loadMembersIfNeeded();
  await start(eager);
  return {
    me: eager.getUserId(),
    first,
    summary,
    roomName,
    old,
    authors,
    said: messages(timeline.getEvents()).length,
    lazy: room.getJoinedMembers().map((member) => [member.userId, member.name]).sort(),
    eager: eager.getRoom(roomId).getJoinedMembers().map((member) => [member.userId, member.name]).sort(),
    gone: room.getMember(left)?.membership ?? null,
  };
}
