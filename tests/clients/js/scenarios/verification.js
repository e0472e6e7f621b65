// Somebody verifies a second device by emoji, and two people verify each other: by messages to devices, and in a room.

import { ENCRYPTION, newDevice, newPerson, roomOf, setUp, untilSo, verify } from "../crypto.js";
import { meet } from "../harness.js";

/** Resolve once a client trusts a device of somebody, since it is signed by the person's own keys. */
function trusts(client, userId, deviceId) {
  return untilSo(client, `${deviceId} is trusted`, async () => {
    const status = await client.getCrypto().getDeviceVerificationStatus(userId, deviceId);
    return status?.crossSigningVerified && status.signedByOwner;
  });
}

function knowsPerson(client, userId) {
  return untilSo(client, `${userId} is verified`, async () =>
    (await client.getCrypto().getUserVerificationStatus(userId)).isCrossSigningVerified(),
  );
}

export default async function verification({ url, names }) {
  const [aliceId, bobId] = await Promise.all(names.map((name) => newPerson(url, name)));
  const alice = await newDevice(url, aliceId);
  const bob = await newDevice(url, bobId);
  await setUp(alice);
  await setUp(bob);

  const tablet = await newDevice(url, aliceId);
  const laptop = await newDevice(url, bobId);
  const own = [];
  for (const [old, fresh] of [
    [alice, tablet],
    [bob, laptop],
  ]) {
    own.push(await verify(fresh, old, () => fresh.getCrypto().requestOwnUserVerification()));
    await trusts(old, old.getUserId(), fresh.getDeviceId());
    // The old device sends the private keys: the new one can sign now.
    await untilSo(fresh, "the new device has the keys", () => fresh.getCrypto().isCrossSigningReady());
    await untilSo(fresh, "the new device has the backup's key", () => fresh.getCrypto().getSessionBackupPrivateKey());
  }

  const [room] = await meet([alice, bob], { initial_state: [ENCRYPTION] });
  await roomOf(tablet, room.roomId);
  await roomOf(laptop, room.roomId);
  const crypto = alice.getCrypto();
  await untilSo(alice, "Bob's devices are known", async () => (await crypto.getUserDeviceInfo([bobId], true)).get(bobId)?.size === 2);
  const devices = await verify(alice, bob, () => crypto.requestDeviceVerification(bobId, bob.getDeviceId()));
  const people = await verify(laptop, tablet, () => laptop.getCrypto().requestVerificationDM(aliceId, room.roomId));

  // The signature that one device made is known to the other one, and trust reaches all of the other's devices.
  for (const client of [alice, tablet]) {
    await knowsPerson(client, bobId);
    for (const deviceId of [bob.getDeviceId(), laptop.getDeviceId()]) {
      await trusts(client, bobId, deviceId);
    }
  }
  for (const client of [bob, laptop]) {
    await knowsPerson(client, aliceId);
    await trusts(client, aliceId, tablet.getDeviceId());
  }
  return { own, devices, people };
}
