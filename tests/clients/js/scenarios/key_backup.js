// Somebody loses every device: a new one gets the keys from the backup by the recovery key, and reads what was written.

import { ClientPrefix, Method } from "matrix-js-sdk";
import { RustBackupManager } from "matrix-js-sdk/lib/rust-crypto/backup.js";

import { ENCRYPTION, newDevice, newPerson, read, roomOf, setUp, untilSo } from "../crypto.js";
import { meet } from "../harness.js";

RustBackupManager.maxBackupLoopStartDelayMillis = 0; // it is there to spread the load of many clients

export default async function keyBackup({ url, names, texts }) {
  const [aliceId, bobId] = await Promise.all(names.map((name) => newPerson(url, name)));
  const alice = await newDevice(url, aliceId);
  const bob = await newDevice(url, bobId);
  const recoveryKeys = await setUp(alice);
  const [room, other] = await meet([alice, bob], { initial_state: [ENCRYPTION] });
  const sent = [];
  for (const [number, body] of texts.entries()) {
    const writer = number % 2 ? bob : alice;
    sent.push((await writer.sendTextMessage(room.roomId, body)).event_id);
    await read(alice, room, sent.at(-1));
    await read(bob, other, sent.at(-1));
  }
  // Not getKeyBackupInfo(): it remembers what it was told at the beginning.
  const kept = () => alice.http.authedRequest(Method.Get, "/room_keys/version", undefined, undefined, { prefix: ClientPrefix.V3 });
  await untilSo(alice, "the keys of both are in the backup", async () => (await kept()).count === 2);
  alice.stopClient();
  await alice.logout();

  const phone = await newDevice(url, aliceId, new Map(recoveryKeys));
  const crypto = phone.getCrypto();
  await untilSo(phone, "the own keys are known", () => crypto.userHasCrossSigningKeys(aliceId, true));
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: () => Promise.reject(new Error("new keys")) });
  await untilSo(phone, "the new device is signed", async () =>
    (await crypto.getDeviceVerificationStatus(aliceId, phone.getDeviceId())).crossSigningVerified,
  );
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  const restored = await crypto.restoreKeyBackup();
  const again = await roomOf(phone, room.roomId);
  const history = [];
  for (const eventId of sent) {
    history.push((await read(phone, again, eventId)).body);
  }
  // Whoever has changed devices is still the same person for others, and they go on writing.
  const { event_id: last } = await phone.sendTextMessage(room.roomId, texts[0]);
  return { restored, history, last: await read(bob, other, last) };
}
