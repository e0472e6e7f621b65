// What draws attention: unread counts and mentions, receipts, typing, presence; and what people set for themselves.

import {
  ClientEvent,
  NotificationCountType,
  RoomEvent,
  RoomMemberEvent,
  UserEvent,
} from "matrix-js-sdk";

import { arrives, meet, register, start, until } from "../harness.js";

const counts = (room) =>
  [NotificationCountType.Total, NotificationCountType.Highlight].map((type) => room.getUnreadNotificationCount(type));

const untilCounted = (client, room, expected) =>
  until(
    `unread ${expected}`,
    () => String(counts(room)) === String(expected) && expected,
    [client, room],
    [ClientEvent.Sync, RoomEvent.UnreadNotifications],
  );

export default async function attention({ url, names, displayName }) {
  const all = await Promise.all(names.map((name) => register(url, name)));
  const [one, other] = all;
  const [oneId, otherId] = all.map((client) => client.getUserId());
  await Promise.all(all.map((client) => start(client)));
  const [room, theirs] = await meet(all);
  const { roomId } = room;
  const report = { users: [oneId, otherId] };

  await one.sendTextMessage(roomId, "سلام");
  const { event_id: last } = await one.sendMessage(roomId, {
    msgtype: "m.text",
    body: "تو را می‌گویم",
    "m.mentions": { user_ids: [otherId] },
  });
  const heard = await arrives(other, theirs, last);
  report.unread = await untilCounted(other, theirs, [2, 1]);
  report.unreadOfSender = counts(room);
  await other.sendReadReceipt(heard);
  report.read = await untilCounted(other, theirs, [0, 0]);
  await until("the receipt", () => room.hasUserReadEvent(otherId, last), [one, room], [RoomEvent.Receipt]);
  report.receipt = room.getReadReceiptForUserId(otherId, true).eventId === last;
  await other.setRoomReadMarkers(roomId, last);
  await until("the marker", () => theirs.getAccountData("m.fully_read"), [theirs], [RoomEvent.AccountData]);
  report.marker = theirs.getAccountData("m.fully_read").getContent().event_id === last;

  const member = room.getMember(otherId);
  await other.sendTyping(roomId, true, 20_000);
  await until("typing", () => member.typing, [one], [RoomMemberEvent.Typing]);
  await other.sendTyping(roomId, false, 20_000);
  await until("no more typing", () => !member.typing, [one], [RoomMemberEvent.Typing]);

  await other.setPresence({ presence: "unavailable", status_msg: "چای" });
  const user = one.getUser(otherId);
  await until("presence", () => user.presence === "unavailable", [one, user], [UserEvent.Presence, ClientEvent.Sync]);
  report.status = user.presenceStatusMsg;

  await other.setDisplayName(displayName);
  await until("the new name", () => member.name === displayName, [one], [RoomMemberEvent.Name]);
  report.profile = await one.getProfileInfo(otherId);

  await one.setRoomTag(roomId, "m.favourite", { order: 0.5 });
  await until("the tag", () => room.tags["m.favourite"], [room], [RoomEvent.Tags]);
  report.tags = room.tags;
  await one.setAccountData("m.direct", { [otherId]: [roomId] });
  report.direct = one.getAccountData("m.direct").getContent();
  await one.setIgnoredUsers([otherId]);
  await until("ignored", () => one.isUserIgnored(otherId), [one], [ClientEvent.AccountData]);
  const { event_id: unheard } = await other.sendTextMessage(roomId, "does nobody hear me?");
  const { event_id: monologue } = await one.sendTextMessage(roomId, "how quiet it is");
  await arrives(one, room, monologue);
  report.ignoredWasUnheard = room.findEventById(unheard) === undefined;
  await one.setIgnoredUsers([]);
  await until("heard again", () => !one.isUserIgnored(otherId), [one], [ClientEvent.AccountData]);

  await other.setRoomMutePushRule("global", roomId, true);
  await until("muted", () => other.getRoomPushRule("global", roomId), [other], [ClientEvent.AccountData]);
  const { event_id: quiet } = await one.sendTextMessage(roomId, "quietly");
  await arrives(other, theirs, quiet);
  report.muted = counts(theirs);
  return report;
}
