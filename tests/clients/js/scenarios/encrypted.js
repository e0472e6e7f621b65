// Two people, one of them on two devices, converse in an encrypted room; every device reads every message.

import { ENCRYPTION, newDevice, newPerson, read, roomOf } from "../crypto.js";
import { meet } from "../harness.js";

export default async function encrypted({ url, names, texts }) {
  const [first, second] = await Promise.all(names.map((each) => newPerson(url, each)));
  const one = await newDevice(url, first);
  const other = await newDevice(url, second);
  const tablet = await newDevice(url, second);
  const [room, otherRoom] = await meet([one, other], { initial_state: [ENCRYPTION] });
  const tabletRoom = await roomOf(tablet, room.roomId);
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
