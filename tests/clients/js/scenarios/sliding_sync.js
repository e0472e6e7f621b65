// One person syncs by sliding sync, the other one by /sync: they meet, write to each other, in the clear and encrypted,
// and see each other read and type.

import { ClientEvent, NotificationCountType, RoomMemberEvent } from "matrix-js-sdk";
import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

import { ENCRYPTION, newDevice, newPerson, read } from "../crypto.js";
import { arrives, logIn, messages, start, until, untilSynced } from "../harness.js";

const EVERYTHING = [
  ["*", "*"],
  ["m.room.member", "$ME"],
  ["m.room.member", "$LAZY"],
];

function slidingSyncOf(client, last) {
  const list = { ranges: [[0, last]], timeline_limit: 3, required_state: EVERYTHING };
  const subscription = { timeline_limit: 20, required_state: EVERYTHING };
  return new SlidingSync(client.baseUrl, new Map([["all", list]]), subscription, client, 10_000);
}

export default async function slidingSync({ url, names, past, texts }) {
  const [first, second] = await Promise.all(names.map((each) => newPerson(url, each)));
  const one = await newDevice(url, first);
  const other = await logIn(url, second);
  await other.initRustCrypto({ useIndexedDB: false });
  const rooms = [];
  for (const name of ["old", "new"]) {
    const wish = { name, preset: "public_chat", initial_state: name === "new" ? [ENCRYPTION] : [] };
    rooms.push((await one.createRoom(wish)).room_id);
  }
  const [old, secret] = rooms;
  await other.joinRoom(old);
  for (const body of past) {
    await one.sendTextMessage(old, body);
  }
  const sliding = slidingSyncOf(other, 0);
  await start(other, { slidingSync: sliding });
  const room = await untilSynced(other, "the first room", () => other.getRoom(old));
  const seen = { name: room.name, past: messages(room.getLiveTimeline().getEvents()).map((each) => each.body) };

  await one.invite(secret, other.getUserId());
  const invited = await untilSynced(other, "the invite", () => other.getRoom(secret));
  seen.invited = { name: invited.name, membership: invited.getMyMembership() };
  await other.joinRoom(secret);
  await untilSynced(other, "having joined", () => invited.getMyMembership() === "join");
  sliding.setListRanges("all", [[0, 9]]);
  await untilSynced(other, "the count", () => sliding.getListData("all").joinedCount === 2);

  sliding.modifyRoomSubscriptions(new Set([old]));
  await untilSynced(other, "the past", () =>
    messages(room.getLiveTimeline().getEvents()).length >= past.length,
  );
  seen.whole = messages(room.getLiveTimeline().getEvents()).map((each) => each.body);

  const heard = [];
  const theirs = await untilSynced(one, "both are there", () => {
    const known = one.getRoom(secret);
    return known?.getJoinedMemberCount() === 2 && known;
  });
  await untilSynced(other, "encryption", () => invited.hasEncryptionStateEvent());
  for (const [number, body] of texts.entries()) {
    const { event_id: eventId } = await [one, other][number % 2].sendTextMessage(secret, body);
    heard.push([await read(one, theirs, eventId), await read(other, invited, eventId)]);
  }

  const { event_id: last } = await one.sendTextMessage(old, "unread");
  const event = await arrives(other, room, last);
  seen.unread = room.getUnreadNotificationCount(NotificationCountType.Total);
  await other.sendReadReceipt(event);
  await untilSynced(one, "the receipt", () => one.getRoom(old).hasUserReadEvent(other.getUserId(), last));
  await untilSynced(other, "nothing unread", () => room.getUnreadNotificationCount(NotificationCountType.Total) === 0);

  const typing = until("typing", () => room.getMember(one.getUserId())?.typing, [other], [RoomMemberEvent.Typing]);
  await one.sendTyping(old, true, 20_000);
  await typing;

  const data = until("account data", () => other.getAccountData("org.example.test"), [other], [ClientEvent.AccountData]);
  await other.setAccountDataRaw("org.example.test", { here: true });
  await data;

  await other.leave(old);
  await untilSynced(other, "having left", () => room.getMyMembership() === "leave");
  return { users: [one.getUserId(), other.getUserId()], seen, heard };
}
