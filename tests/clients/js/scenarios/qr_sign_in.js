// A new device is signed in with the help of one that is signed in already, as Element does it: one shows a QR code, the
// other scans it, somebody says yes at a browser, and the keys of encryption come along.

import { QrCodeData } from "@matrix-org/matrix-sdk-crypto-wasm";
import { ClientPrefix, Method, createClient } from "matrix-js-sdk";
import { OAuth2 } from "matrix-js-sdk/lib/oauth/index.js";
import {
  MSC4108RendezvousSession,
  MSC4108SecureChannel,
  MSC4108SignInWithQR,
  isSignInWithQRAvailable,
  linkNewDeviceByGeneratingQR,
  signInByGeneratingQR,
} from "matrix-js-sdk/lib/rendezvous/index.js";
import { RustBackupManager } from "matrix-js-sdk/lib/rust-crypto/backup.js";

import { ENCRYPTION, newDevice, newPerson, read, roomOf, setUp, untilSo } from "../crypto.js";
import { ask, clients, meet, start } from "../harness.js";

RustBackupManager.maxBackupLoopStartDelayMillis = 0; // it is there to spread the load of many clients
const never = new AbortController().signal;

/** Return the flow of a device that has scanned a code; without a client it is the new one. */
function scanned(code, client) {
  const { rendezvousUrl: url, publicKey, serverName } = QrCodeData.fromBytes(code);
  const failures = [];
  const noted = (reason) => failures.push(reason);
  const session = new MSC4108RendezvousSession({ url, onFailure: noted });
  const flow = new MSC4108SignInWithQR(new MSC4108SecureChannel(session, publicKey, noted), true, client, noted);
  return { flow, serverName, failures };
}

/** Let the two devices meet; return the flow of each and the server that the new one was told. */
async function meetOverCode(url, existing, shows) {
  const failures = [];
  const noted = (reason) => failures.push(reason);
  if (shows === "existing") {
    const one = await linkNewDeviceByGeneratingQR(existing, noted, never);
    const { flow, serverName } = scanned(one.code);
    await Promise.all([one.negotiateProtocols(), flow.negotiateProtocols()]);
    return { existing: one, added: flow, serverName };
  }
  const added = await signInByGeneratingQR(createClient({ baseUrl: url }), noted, never);
  const { flow } = scanned(added.code, existing);
  const [{ serverName }] = await Promise.all([added.negotiateProtocols(), flow.negotiateProtocols()]);
  return { existing: flow, added, serverName };
}

/** Begin what the user has to allow; return the new device's part, and the address to open on the existing one. */
async function begin(url, flows, metadata, deviceId) {
  const found = await createClient({ baseUrl: url }).getAuthMetadata();
  const clientId = await OAuth2.registerClient(found, metadata);
  const [asked, heard] = await Promise.all([
    flows.added.deviceAuthorizationGrant({ metadata: found, clientId, deviceId }),
    flows.existing.deviceAuthorizationGrant(),
  ]);
  return { clientId, userCode: asked.userCode, address: heard.verificationUri };
}

async function failure(work) {
  return work.then(
    () => null,
    (error) => error.code ?? String(error),
  );
}

/** Go through all of it with a person who says yes. */
async function signedIn(url, existing, shows, metadata, deviceId) {
  const flows = await meetOverCode(url, existing, shows);
  const codes = [flows.existing.checkCode, flows.added.checkCode];
  const { clientId, userCode, address } = await begin(url, flows, metadata, deviceId);
  const shared = flows.existing.shareSecrets();
  const complete = flows.added.completeLoginOnNewDevice({ clientId });
  await ask("allow", { address, userCode });
  const tokens = await complete;
  const session = { accessToken: tokens.access_token, userId: existing.getUserId(), deviceId };
  const client = createClient({ baseUrl: url, ...session });
  clients.push(client);
  const me = await client.whoami();
  const [{ secrets }] = await Promise.all([flows.added.shareSecrets(), shared]);
  await client.initRustCrypto({ useIndexedDB: false });
  await client.getCrypto().importSecretsBundle(secrets);
  await flows.added.close();
  await start(client);
  return { client, me, codes, serverName: flows.serverName };
}

/** What the new device can do with what it was given. */
async function provesItself(client, existing, roomId, sent) {
  const crypto = client.getCrypto();
  const [userId, deviceId] = [client.getUserId(), client.getDeviceId()];
  await untilSo(client, "the own keys are known", () => crypto.userHasCrossSigningKeys(userId, true));
  await crypto.crossSignDevice(deviceId);
  const trusted = async () =>
    (await existing.getCrypto().getDeviceVerificationStatus(userId, deviceId))?.crossSigningVerified;
  await untilSo(existing, "the new device is trusted", trusted);
  await crypto.checkKeyBackupAndEnable();
  await crypto.restoreKeyBackup();
  const room = await roomOf(client, roomId);
  return (await read(client, room, sent)).body;
}

/** Go through it until somebody or something says no; return what each side is told. */
async function refused(url, existing, metadata) {
  const denied = await meetOverCode(url, existing, "new");
  const asked = await begin(url, denied, metadata, "DENIED");
  const outcomes = [
    failure(denied.existing.shareSecrets()),
    failure(denied.added.completeLoginOnNewDevice({ clientId: asked.clientId })),
  ];
  await ask("deny", asked);

  const cancelled = await meetOverCode(url, existing, "existing");
  const { clientId } = await begin(url, cancelled, metadata, "CANCELLED");
  await cancelled.existing.declineLoginOnExistingDevice();
  outcomes.push(failure(cancelled.added.completeLoginOnNewDevice({ clientId })));

  const taken = await meetOverCode(url, existing, "existing");
  await taken.added.deviceAuthorizationGrant(await grant(url, metadata, existing.getDeviceId()));
  outcomes.push(failure(taken.existing.deviceAuthorizationGrant()));
  return Promise.all(outcomes);
}

export default async function qrSignIn({ url, name, metadata, body, shows }) {
  const userId = await newPerson(url, name);
  const existing = await newDevice(url, userId);
  const available = await isSignInWithQRAvailable(existing);
  if (shows === "nobody") {
    return { available, refused: await refused(url, existing, metadata) };
  }
  await setUp(existing);
  const [room] = await meet([existing], { initial_state: [ENCRYPTION] });
  const { event_id: sent } = await existing.sendTextMessage(room.roomId, body);
  const kept = () =>
    existing.http.authedRequest(Method.Get, "/room_keys/version", undefined, undefined, { prefix: ClientPrefix.V3 });
  await untilSo(existing, "the key is in the backup", async () => (await kept()).count >= 1);
  const { client, me, codes, serverName } = await signedIn(url, existing, shows, metadata, "ADDED");
  const history = await provesItself(client, existing, room.roomId, sent);
  return { available, me, codes, serverName, history };
}

async function grant(url, metadata, deviceId) {
  const found = await createClient({ baseUrl: url }).getAuthMetadata();
  return { metadata: found, clientId: await OAuth2.registerClient(found, metadata), deviceId };
}
