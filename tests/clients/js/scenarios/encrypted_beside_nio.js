// Somebody with this library on two devices, and somebody with matrix-nio on two devices, whom the test plays: what one
// of the four writes, all others read.

import { ENCRYPTION, newDevice, newPerson, read, roomOf, setUp } from "../crypto.js";
import { ask, untilSynced } from "../harness.js";

export default async function encryptedBesideNio({ url, name, other, texts }) {
  const userId = await newPerson(url, name);
  const phone = await newDevice(url, userId);
  await setUp(phone);
  const tablet = await newDevice(url, userId);
  const { room_id: roomId } = await phone.createRoom({ invite: [other], initial_state: [ENCRYPTION] });
  await ask("join", { roomId });
  const places = [];
  for (const client of [phone, tablet]) {
    const room = await roomOf(client, roomId);
    await untilSynced(client, "the other joins", () => room.getMember(other)?.membership === "join");
    places.push([client, room]);
  }
  const heard = [];
  for (const [number, body] of texts.entries()) {
    let eventId;
    if (number % 2) {
      ({ eventId } = await ask("say", { body, device: (number >> 1) % 2 }));
    } else {
      ({ event_id: eventId } = await places[(number >> 1) % 2][0].sendTextMessage(roomId, body));
    }
    await ask("hear", { eventId });
    heard.push(await Promise.all(places.map(([client, room]) => read(client, room, eventId))));
  }
  return { me: userId, heard };
}
