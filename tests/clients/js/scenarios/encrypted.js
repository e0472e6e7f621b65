// Two people, one of them on two devices, converse in an encrypted room; every device reads every message.

import { arrives, logIn, meet, register, start, untilSynced } from "../harness.js";

const ENCRYPTION = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };

async function withCrypto(client) {
  await client.initRustCrypto({ useIndexedDB: false });
  return start(client);
}

/** Return an event of an encrypted room once the client can read it. */
async function read(client, room, eventId) {
  const event = await arrives(client, room, eventId);
  await untilSynced(client, `${eventId} is decrypted`, () => event.getType() === "m.room.message");
  return { body: event.getContent().body, sent: event.getWireType(), sender: event.getSender() };
}

export default async function encrypted({ url, names, texts }) {
  const [first, second] = await Promise.all(names.map((each) => register(url, each)));
  const one = await withCrypto(await logIn(url, first.getUserId()));
  const other = await withCrypto(await logIn(url, second.getUserId()));
  const tablet = await withCrypto(await logIn(url, second.getUserId()));
  const [room, otherRoom] = await meet([one, other], { initial_state: [ENCRYPTION] });
  const tabletRoom = await untilSynced(tablet, "the room on the other device", () => tablet.getRoom(room.roomId));
  const places = [
    [one, room],
    [other, otherRoom],
    [tablet, tabletRoom],
  ];
  const heard = [];
  for (const [number, body] of texts.entries()) {
    const { event_id: eventId } = await places[number % places.length][0].sendTextMessage(room.roomId, body);
    heard.push({ eventId, as: await Promise.all(places.map(([client, where]) => read(client, where, eventId))) });
  }
  return { roomId: room.roomId, users: [one.getUserId(), other.getUserId()], heard };
}
