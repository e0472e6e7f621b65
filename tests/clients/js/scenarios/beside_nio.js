// Somebody with this library and somebody with matrix-nio, whom the test plays, in one room.

import { MatrixEventEvent, RelationsEvent, RoomEvent, RoomMemberEvent } from "matrix-js-sdk";

import { arrives, ask, register, start, until, untilSynced } from "../harness.js";

export default async function besideNio({ url, name, other, version, texts }) {
  const client = await start(await register(url, name));
  const { room_id: roomId } = await client.createRoom({ invite: [other], room_version: version });
  await ask("join", { roomId });
  const room = await untilSynced(client, "the other", () => {
    const found = client.getRoom(roomId);
    return found?.getMember(other)?.membership === "join" && found;
  });
  const report = { me: client.getUserId(), heard: [] };

  let last;
  for (const [number, body] of texts.entries()) {
    if (number % 2) {
      last = await arrives(client, room, (await ask("say", { body })).eventId);
      report.heard.push(last.getContent().body);
    } else {
      const { event_id: eventId } = await client.sendTextMessage(roomId, body);
      await ask("hear", { eventId, body });
      await untilSynced(client, "the other's receipt", () => room.hasUserReadEvent(other, eventId));
    }
  }

  const member = room.getMember(other);
  for (const typing of [true, false]) {
    await ask("type", { typing });
    await until("typing", () => member.typing === typing, [client], [RoomMemberEvent.Typing]);
  }

  const relation = { rel_type: "m.annotation", event_id: last.getId(), key: "❤️" };
  const { event_id: reaction } = await client.sendEvent(roomId, "m.reaction", { "m.relates_to": relation });
  await ask("see reaction", { eventId: reaction, to: last.getId() });
  await client.sendReadReceipt(last);
  await ask("see receipt", { eventId: last.getId() });

  await ask("edit", { eventId: last.getId() });
  await until("the edit", () => last.replacingEventId(), [last, client], [MatrixEventEvent.Replaced, RelationsEvent.Add]);
  report.edited = last.getContent().body;
  await ask("redact", { eventId: last.getId() });
  await until("the redaction", () => last.isRedacted(), [client], [RoomEvent.Redaction]);
  await ask("leave");
  await until("the other's leaving", () => member.membership === "leave", [client], [RoomMemberEvent.Membership]);
  return report;
}
