// Reactions, edits and redactions: as they arrive one by one, and as somebody finds them who comes later.

import { MatrixEventEvent, RoomEvent, RelationsEvent } from "matrix-js-sdk";

import { arrives, logIn, meet, refusal, register, start, until } from "../harness.js";

const reactionsTo = (room, id) =>
  (room.relations.getChildEventsForEvent(id, "m.annotation", "m.reaction")?.getSortedAnnotationsByKey() ?? [])
    .map(([key, events]) => [key, [...events].map((event) => event.getSender()).sort()])
    .filter(([, senders]) => senders.length);

function seen(room, ids) {
  const [message, secret] = [ids.message, ids.secret].map((id) => room.findEventById(id));
  return {
    body: message.getContent().body,
    edited: message.replacingEventId() ?? null,
    reactions: reactionsTo(room, ids.message),
    redacted: secret.isRedacted(),
    content: secret.getContent(),
    because: secret.getUnsigned().redacted_because?.content.reason ?? null,
  };
}

const react = (client, roomId, eventId, key) =>
  client.sendEvent(roomId, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key } });

export default async function relations({ url, names, edit, reason }) {
  const all = await Promise.all(names.map((name) => register(url, name)));
  const [one, other] = all;
  await Promise.all(all.map((client) => start(client)));
  const rooms = await meet(all);
  const { roomId } = rooms[0];
  const ids = {};
  ids.message = (await one.sendTextMessage(roomId, "سلم")).event_id;
  await Promise.all(all.map((client, index) => arrives(client, rooms[index], ids.message)));

  await react(one, roomId, ids.message, "👍🏽");
  await react(other, roomId, ids.message, "👍🏽");
  const regretted = (await react(other, roomId, ids.message, "👎")).event_id;
  await Promise.all(rooms.map((room, index) => arrives(all[index], room, regretted)));
  const before = rooms.map((room) => reactionsTo(room, ids.message));
  await other.redactEvent(roomId, regretted);

  ids.edit = (
    await one.sendMessage(roomId, {
      msgtype: "m.text",
      body: `* ${edit}`,
      "m.new_content": { msgtype: "m.text", body: edit },
      "m.relates_to": { rel_type: "m.replace", event_id: ids.message },
    })
  ).event_id;
  ids.secret = (await one.sendTextMessage(roomId, "a word too many")).event_id;
  await Promise.all(rooms.map((room, index) => arrives(all[index], room, ids.secret)));
  await one.redactEvent(roomId, ids.secret, undefined, { reason });
  const settled = (client, room) =>
    until(
      "edit, redaction and reactions",
      () =>
        room.findEventById(ids.message)?.replacingEventId() &&
        room.findEventById(ids.secret)?.isRedacted() &&
        reactionsTo(room, ids.message).length === 1,
      [client, room, room.findEventById(ids.message), room.findEventById(ids.secret)].filter(Boolean),
      [RoomEvent.Timeline, RoomEvent.Redaction, MatrixEventEvent.Replaced, RelationsEvent.Redaction],
    );
  await Promise.all(rooms.map((room, index) => settled(all[index], room)));

  const late = await start(await logIn(url, other.getUserId()));
  await arrives(late, late.getRoom(roomId), ids.message);
  await settled(late, late.getRoom(roomId));
  const seenLate = seen(late.getRoom(roomId), ids);
  const twice = await refusal(react(late, roomId, ids.message, "👍🏽"));
  const related = await late.relations(roomId, ids.message, "m.annotation", "m.reaction");
  return {
    ids,
    users: all.map((client) => client.getUserId()),
    twice,
    before,
    after: rooms.map((room) => seen(room, ids)),
    late: seenLate,
    related: related.events.map((event) => [event.getSender(), event.getRelation().key]),
  };
}
