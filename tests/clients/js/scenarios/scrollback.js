// Somebody joins a room with a long past and goes back to its beginning; and comes back after missing a lot.

import { Direction, RoomEvent, TimelineWindow } from "matrix-js-sdk";

import { ask, messages, register, start, until, untilSynced } from "../harness.js";

async function toTheBeginning(client, room, limit) {
  const window = new TimelineWindow(client, room.getUnfilteredTimelineSet(), { windowLimit: 10_000 });
  await window.load(undefined, 10);
  while (window.canPaginate(Direction.Backward)) {
    await window.paginate(Direction.Backward, limit);
  }
  const events = window.getEvents();
  const distinct = new Set(events.map((event) => event.getId())).size;
  return { total: events.length, distinct, oldest: events[0].getType(), messages: messages(events) };
}

export default async function scrollback({ url, name, roomId, missed }) {
  const client = await register(url, name);
  await client.joinRoom(roomId);
  await start(client);
  const room = await untilSynced(client, "the room", () => client.getRoom(roomId));
  const first = await toTheBeginning(client, room, 100);

  if (!missed) {
    return { first };
  }

  // The client is away while more is said than one sync tells: its timeline then begins anew, with a gap before it.
  client.stopClient();
  const { eventIds } = await ask("say", { count: missed });
  const reset = new Promise((resolve) => room.once(RoomEvent.TimelineReset, resolve));
  await start(client);
  await reset;
  await until("the last message", () => room.findEventById(eventIds.at(-1)), [room], [RoomEvent.Timeline]);
  const inSync = messages(room.getLiveTimeline().getEvents()).map(({ id }) => id);
  const token = room.getLiveTimeline().getPaginationToken(Direction.Backward);
  const second = await toTheBeginning(client, room, 250);
  return { first, second, eventIds, inSync, gap: token !== null };
}
