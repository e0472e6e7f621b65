// Somebody with this library and somebody with matrix-nio, whom the test plays, send each other encrypted files.

import { Attachment, EncryptedAttachment } from "@matrix-org/matrix-sdk-crypto-wasm";

import { ENCRYPTION, newDevice, newPerson, roomOf } from "../crypto.js";
import { arrives, ask, untilSynced } from "../harness.js";

async function fetched(client, file) {
  const address = client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true);
  const answer = await fetch(address, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
  if (!answer.ok) {
    throw new Error(`the file is not given: ${answer.status}`);
  }
  const sealed = new Uint8Array(await answer.arrayBuffer());
  return { sealed, bytes: Attachment.decrypt(new EncryptedAttachment(sealed, JSON.stringify(file))) };
}

export default async function attachments({ url, name, other, content }) {
  const client = await newDevice(url, await newPerson(url, name));
  const { room_id: roomId } = await client.createRoom({ invite: [other], initial_state: [ENCRYPTION] });
  await ask("join", { roomId });
  const room = await roomOf(client, roomId);
  await untilSynced(client, "the other joins", () => room.getMember(other)?.membership === "join");

  const mine = Attachment.encrypt(Buffer.from(content, "base64"));
  const { content_uri: uri } = await client.uploadContent(new Blob([mine.encryptedData]), {
    type: "application/octet-stream",
    includeFilename: false,
  });
  const file = { ...JSON.parse(mine.mediaEncryptionInfo), url: uri };
  const message = { msgtype: "m.file", body: "گزارش.pdf", file, info: { mimetype: "application/pdf" } };
  const { event_id: eventId } = await client.sendMessage(roomId, message);
  await ask("open", { eventId });

  const event = await arrives(client, room, (await ask("attach")).eventId);
  await untilSynced(client, "the file's message is decrypted", () => event.getType() === "m.room.message");
  const theirs = await fetched(client, event.getContent().file);
  return {
    received: Buffer.from(theirs.bytes).toString("base64"),
    stored: Buffer.from(theirs.sealed).toString("base64"),
    body: event.getContent().body,
  };
}
