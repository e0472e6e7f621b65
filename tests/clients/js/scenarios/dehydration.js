// Somebody has a dehydrated device and no other one; on logging in they read what was written meanwhile.

import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

import { ENCRYPTION, newDevice, newPerson, read, roomOf, setUp, untilSo } from "../crypto.js";
import { meet } from "../harness.js";

export default async function dehydration({ url, names, texts }) {
  const [aliceId, bobId] = await Promise.all(names.map((name) => newPerson(url, name)));
  const alice = await newDevice(url, aliceId);
  const bob = await newDevice(url, bobId);
  const recoveryKeys = await setUp(alice);
  const supported = await alice.getCrypto().isDehydrationSupported();
  await alice.getCrypto().startDehydration();
  const [room, other] = await meet([alice, bob], { initial_state: [ENCRYPTION] });
  alice.stopClient();
  await alice.logout();

  const crypto = bob.getCrypto();
  await untilSo(bob, "Alice has one device left", async () => {
    const devices = await crypto.getUserDeviceInfo([aliceId], true);
    const [only, ...more] = devices.get(aliceId)?.values() ?? [];
    return only?.dehydrated && more.length === 0;
  });
  const sent = [];
  for (const body of texts) {
    sent.push((await bob.sendTextMessage(room.roomId, body)).event_id);
  }
  await read(bob, other, sent.at(-1));

  const phone = await newDevice(url, aliceId, new Map(recoveryKeys));
  const own = phone.getCrypto();
  await untilSo(phone, "the own keys are known", () => own.userHasCrossSigningKeys(aliceId, true));
  await own.bootstrapCrossSigning({ authUploadDeviceSigningKeys: () => Promise.reject(new Error("new keys")) });
  let keys = 0;
  phone.on(CryptoEvent.RehydrationProgress, (roomKeys) => (keys = roomKeys));
  await own.startDehydration();
  const again = await roomOf(phone, room.roomId);
  const history = [];
  for (const eventId of sent) {
    history.push((await read(phone, again, eventId)).body);
  }
  const devices = (await own.getUserDeviceInfo([aliceId], true)).get(aliceId);
  return { supported, keys, history, dehydrated: [...devices.values()].filter((each) => each.dehydrated).length };
}
