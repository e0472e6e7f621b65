// Somebody makes new cross-signing keys, confirmed with the password; who had verified them notices.

import { ENCRYPTION, newDevice, newPerson, setUp, untilSo, verify, withPassword } from "../crypto.js";
import { meet } from "../harness.js";

export default async function resetKeys({ url, names }) {
  const [aliceId, bobId] = await Promise.all(names.map((name) => newPerson(url, name)));
  const alice = await newDevice(url, aliceId);
  const bob = await newDevice(url, bobId);
  await setUp(alice);
  await setUp(bob);
  const [room] = await meet([alice, bob], { initial_state: [ENCRYPTION] });
  const emoji = await verify(alice, bob, () => alice.getCrypto().requestVerificationDM(bobId, room.roomId));
  const status = () => bob.getCrypto().getUserVerificationStatus(aliceId);
  await untilSo(bob, "Alice is verified", async () => (await status()).isCrossSigningVerified());
  const before = await alice.getCrypto().getCrossSigningKeyId();

  let refused = 0;
  const confirm = withPassword(aliceId);
  await alice.getCrypto().bootstrapCrossSigning({
    setupNewCrossSigning: true,
    authUploadDeviceSigningKeys: (request) =>
      confirm(async (auth) => {
        refused += auth === null;
        return request(auth);
      }),
  });
  await untilSo(bob, "Alice is not who she was", async () => {
    const now = await status();
    return !now.isCrossSigningVerified() && now.wasCrossSigningVerified() && now.needsUserApproval !== undefined;
  });
  const after = await alice.getCrypto().getCrossSigningKeyId();
  return { emoji, refused, changed: before !== after };
}
