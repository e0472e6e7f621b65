// What clients do with rooms beside talking: names, levels, addresses, the directory, guests at the door, jumps, upgrades.

import { RoomEvent, RoomStateEvent } from "matrix-js-sdk";

import { arrives, meet, refusal, register, start, until, untilSynced } from "../harness.js";

const untilState = (client, room, what, found) =>
  until(what, found, [client, room.currentState], [RoomStateEvent.Events, RoomStateEvent.Members, RoomEvent.MyMembership]);

const membership = (room, client) => room.getMember(client.getUserId())?.membership;

async function settings(one, other, room, report) {
  const { roomId } = room;
  await one.setPowerLevel(roomId, other.getUserId(), 50);
  await untilState(one, room, "the level", () => room.getMember(other.getUserId()).powerLevel === 50);
  await other.setRoomTopic(roomId, "گفتگو");
  await untilState(one, room, "the topic", () => room.currentState.getStateEvents("m.room.topic", ""));
  report.topic = (await one.getStateEvent(roomId, "m.room.topic", "")).topic;
  const state = await one.roomState(roomId);
  report.stateTypes = [...new Set(state.map((event) => event.type))].sort();
  report.members = Object.keys((await one.getJoinedRoomMembers(roomId)).joined).sort();
  report.refusedLevel = await refusal(other.setPowerLevel(roomId, one.getUserId(), 0));
}

async function addresses(one, other, room, { alias }, report) {
  const { roomId } = room;
  await one.createAlias(alias, roomId);
  await one.sendStateEvent(roomId, "m.room.canonical_alias", { alias }, "");
  await untilState(one, room, "the address", () => room.getCanonicalAlias() === alias);
  report.resolved = (await other.getRoomIdForAlias(alias)).room_id === roomId;
  report.aliases = (await one.getLocalAliases(roomId)).aliases;
  await one.setRoomName(roomId, "میدان شهر");
  await one.setRoomDirectoryVisibility(roomId, "public");
  const found = await other.publicRooms({ filter: { generic_search_term: "میدان" } });
  report.listed = found.chunk.map((entry) => [entry.room_id === roomId, entry.name, entry.num_joined_members]);
  await one.setRoomDirectoryVisibility(roomId, "private");
  await one.deleteAlias(alias);
  report.unresolved = await refusal(other.getRoomIdForAlias(alias));
}

async function door(one, other, guest, room, report) {
  const { roomId } = room;
  const guestIs = (wanted) =>
    untilSynced(guest, `the guest knows: ${wanted}`, () => guest.getRoom(roomId)?.getMyMembership() === wanted);
  await one.invite(roomId, guest.getUserId());
  await guestIs("invite");
  await guest.leave(roomId);
  await guestIs("leave");
  await one.sendStateEvent(roomId, "m.room.join_rules", { join_rule: "knock" }, "");
  await guest.knockRoom(roomId, { reason: "در بزنم؟" });
  await untilState(one, room, "the knock", () => membership(room, guest) === "knock");
  await one.invite(roomId, guest.getUserId());
  await guest.joinRoom(roomId);
  await untilState(one, room, "the guest is in", () => membership(room, guest) === "join");
  await other.kick(roomId, guest.getUserId(), "شوخی");
  await untilState(one, room, "the guest is out", () => membership(room, guest) === "leave");
  await one.ban(roomId, guest.getUserId(), "جدی");
  await untilState(one, room, "the ban", () => membership(room, guest) === "ban");
  report.banned = await refusal(guest.joinRoom(roomId));
  await guestIs("ban");
  await one.unban(roomId, guest.getUserId());
  await guest.forget(roomId);
}

async function jump(one, room, report) {
  const { roomId } = room;
  const sent = [];
  for (let number = 0; number < 30; number += 1) {
    sent.push((await one.sendTextMessage(roomId, String(number))).event_id);
  }
  await arrives(one, room, sent.at(-1));
  const elsewhere = await start(await register(one.getHomeserverUrl(), `${one.getUserIdLocalpart()}-2`), { initialSyncLimit: 3 });
  await one.invite(roomId, elsewhere.getUserId());
  await elsewhere.joinRoom(roomId);
  const theirs = await untilSynced(elsewhere, "the room", () => {
    const found = elsewhere.getRoom(roomId);
    return found?.getMyMembership() === "join" && !found.findEventById(sent[5]) && found;
  });
  const timeline = await elsewhere.getEventTimeline(theirs.getUnfilteredTimelineSet(), sent[5]);
  await elsewhere.paginateEventTimeline(timeline, { backwards: true, limit: 3 });
  await elsewhere.paginateEventTimeline(timeline, { backwards: false, limit: 4 });
  report.around = timeline.getEvents().map((event) => event.getContent().body);
  const first = await one.fetchRoomEvent(roomId, sent[0]);
  const { event_id: at } = await elsewhere.timestampToEvent(roomId, first.origin_server_ts, "f");
  report.byTime = (await one.fetchRoomEvent(roomId, at)).origin_server_ts === first.origin_server_ts;
}

async function upgrade(one, other, room, version, report) {
  const { replacement_room: replacement } = await one.upgradeRoom(room.roomId, version);
  const fresh = await untilSynced(one, "the new room", () => one.getRoom(replacement));
  await untilState(one, room, "the tombstone", () => room.currentState.getStateEvents("m.room.tombstone", ""));
  report.upgraded = {
    version: fresh.getVersion(),
    before: fresh.findPredecessor()?.roomId === room.roomId,
    after: room.currentState.getStateEvents("m.room.tombstone", "").getContent().replacement_room === replacement,
    name: fresh.name,
    history: one.getRoomUpgradeHistory(replacement, true).length,
  };
}

export default async function rooms({ url, names, alias, oldVersion, newVersion }) {
  const all = await Promise.all(names.map((name) => register(url, name)));
  const [one, other, guest] = all;
  await Promise.all(all.map((client) => start(client)));
  const [room] = await meet([one, other], { room_version: oldVersion });
  const report = { users: all.map((client) => client.getUserId()) };
  await settings(one, other, room, report);
  await addresses(one, other, room, { alias }, report);
  await door(one, other, guest, room, report);
  await jump(one, room, report);
  await upgrade(one, other, room, newVersion, report);
  return report;
}
