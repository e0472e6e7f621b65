// The server dies while two people talk, and comes back: their clients go on by themselves and have missed nothing.

import { ClientEvent, EventStatus, SyncState } from "matrix-js-sdk";

import { arrives, ask, meet, messages, register, start, until } from "../harness.js";

const untilState = (client, ...states) =>
  until(`sync is ${states}`, () => states.includes(client.getSyncState()), [client], [ClientEvent.Sync]);

export default async function restart({ url, names, deaths }) {
  const all = await Promise.all(names.map((name) => register(url, name)));
  const [one, other] = all;
  await Promise.all(all.map((client) => start(client)));
  const rooms = await meet(all);
  const { roomId } = rooms[0];
  const sent = [];
  for (let death = 0; death < deaths; death += 1) {
    sent.push((await one.sendTextMessage(roomId, `before ${death}`)).event_id);
    await ask("kill");
    await Promise.all(all.map((client) => untilState(client, SyncState.Reconnecting, SyncState.Error)));
    const failed = await other.sendTextMessage(roomId, `while dead ${death}`).then(
      () => null,
      (error) => error,
    );
    const unsent = rooms[1].getPendingEvents().at(-1);
    if (!failed || unsent.status !== EventStatus.NOT_SENT) {
      throw new Error("a message was sent to nobody");
    }
    await ask("start");
    all.forEach((client) => client.retryImmediately());
    sent.push((await other.resendEvent(unsent, rooms[1])).event_id);
    await Promise.all(all.map((client) => untilState(client, SyncState.Syncing)));
    await Promise.all(rooms.map((room, index) => arrives(all[index], room, sent.at(-1))));
    sent.push((await one.sendTextMessage(roomId, `after ${death}`)).event_id);
    await Promise.all(rooms.map((room, index) => arrives(all[index], room, sent.at(-1))));
  }
  return {
    sent,
    heard: rooms.map((room) => messages(room.getLiveTimeline().getEvents())),
  };
}
