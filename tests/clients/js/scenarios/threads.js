// Threads: answers go into them, unread counts are kept for each, and a list shows them to somebody who comes later.

import { ClientEvent, NotificationCountType, RoomEvent, ThreadEvent } from "matrix-js-sdk";

import { arrives, logIn, meet, messages, register, start, until } from "../harness.js";

const THREADS = { threadSupport: true };

const unread = (room, rootId) => [
  room.getRoomUnreadNotificationCount(NotificationCountType.Total),
  room.getThreadUnreadNotificationCount(rootId, NotificationCountType.Total),
];

const untilUnread = (client, room, rootId, expected) =>
  until(
    `unread ${expected}`,
    () => String(unread(room, rootId)) === String(expected) && expected,
    [client, room],
    [ClientEvent.Sync, RoomEvent.UnreadNotifications],
  );

// Not by `thread.length`: while replies of one's own are on their way, the library counts some of them twice.
const untilThread = (client, room, rootId, eventId) =>
  until(
    `${eventId} is in the thread`,
    () => {
      const thread = room.getThread(rootId);
      return thread?.initialEventsFetched && thread.findEventById(eventId)?.status === null;
    },
    [client, room],
    [ClientEvent.Sync, ThreadEvent.New, ThreadEvent.Update, ThreadEvent.NewReply, RoomEvent.Timeline],
  );

/** Open the thread of a message that has no replies yet, as a client does when somebody is about to write the first. */
const begin = (client, room, rootId) => {
  room.createThread(rootId, room.findEventById(rootId), [], true);
  return untilThread(client, room, rootId, rootId);
};

export default async function threads({ url, names, replies }) {
  const all = await Promise.all(names.map((name) => register(url, name)));
  const [one, other] = all;
  await Promise.all(all.map((client) => start(client, THREADS)));
  const rooms = await meet(all);
  const { roomId } = rooms[0];
  const roots = [];
  for (const [author, body] of [[one, "first root"], [one, "no thread"], [other, "second root"]]) {
    roots.push((await author.sendTextMessage(roomId, body)).event_id);
  }
  await Promise.all(rooms.map((room, index) => arrives(all[index], room, roots[2])));
  await one.sendReadReceipt(rooms[0].findEventById(roots[2]));

  const sent = [];
  await begin(other, rooms[1], roots[0]);
  for (const body of replies) {
    sent.push((await other.sendTextMessage(roomId, roots[0], body)).event_id);
    await Promise.all(all.map((client, index) => untilThread(client, rooms[index], roots[0], sent.at(-1))));
  }
  await begin(other, rooms[1], roots[2]);
  sent.push((await other.sendTextMessage(roomId, roots[2], "one reply")).event_id);
  await untilThread(one, rooms[0], roots[2], sent.at(-1));
  const thread = rooms[0].getThread(roots[0]);
  const counted = await untilUnread(one, rooms[0], roots[0], [0, replies.length]);
  await one.sendReadReceipt(thread.findEventById(sent[replies.length - 1]));
  const read = await untilUnread(one, rooms[0], roots[0], [0, 0]);

  const late = await start(await logIn(url, one.getUserId()), THREADS);
  const room = late.getRoom(roomId);
  await room.createThreadsTimelineSets();
  await room.fetchRoomThreads();
  const lists = room.threadsTimelineSets.map((set) => set.getLiveTimeline().getEvents().map((event) => event.getId()));
  const found = room.getThread(roots[0]);
  while (await late.paginateEventTimeline(found.liveTimeline, { backwards: true, limit: 2 }));
  return {
    roots,
    sent,
    counted,
    read,
    lists,
    main: messages(room.getLiveTimeline().getEvents()).map(({ id }) => id),
    length: found.length,
    events: messages(found.liveTimeline.getEvents()).map(({ id, body }) => [id, body]),
    participated: [found.hasCurrentUserParticipated, room.getThread(roots[2]).hasCurrentUserParticipated],
  };
}
