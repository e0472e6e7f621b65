// What scenarios of encryption are made of: people with keys, and verification by emoji.

import { ClientEvent } from "matrix-js-sdk";
import { CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

import { PASSWORD, arrives, logIn, register, start, until, untilSynced } from "./harness.js";

export const ENCRYPTION = {
  type: "m.room.encryption",
  state_key: "",
  content: { algorithm: "m.megolm.v1.aes-sha2" },
};
const SAS = "m.sas.v1";

/** Return what a device does with keys of secret storage: it keeps those that it was given or made itself. */
function keyring(keys = new Map()) {
  return {
    keys,
    getSecretStorageKey: async ({ keys: wanted }) => {
      const id = Object.keys(wanted).find((each) => keys.has(each));
      return id === undefined ? null : [id, keys.get(id)];
    },
    cacheSecretStorageKey: (id, _info, key) => keys.set(id, key),
  };
}

/** Log somebody in on a new device with encryption; `keys` are the keys of secret storage that they type in. */
export async function newDevice(url, userId, keys) {
  const cryptoCallbacks = keyring(keys);
  const client = await logIn(url, userId, { cryptoCallbacks });
  await client.initRustCrypto({ useIndexedDB: false });
  await start(client);
  return client;
}

/** Register somebody and return their id. */
export async function newPerson(url, name) {
  return (await register(url, name)).getUserId();
}

/** Make cross-signing keys, a secret storage with its recovery key, and a backup; return the keys of secret storage. */
export async function setUp(client) {
  const crypto = client.getCrypto();
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (request) => request(null) });
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: () => crypto.createRecoveryKeyFromPassphrase(),
    setupNewKeyBackup: true,
  });
  await untilSo(client, "the keys are ready", () => crypto.isCrossSigningReady());
  return client.cryptoCallbacks.keys;
}

/** Confirm with the password what needs it. */
export function withPassword(userId) {
  return async (request) => {
    try {
      return await request(null);
    } catch (error) {
      if (error.httpStatus !== 401 || !error.data?.session) {
        throw error;
      }
      const identifier = { type: "m.id.user", user: userId };
      return request({ type: "m.login.password", identifier, password: PASSWORD, session: error.data.session });
    }
  };
}

/** Resolve once a promise of the client turns out truthy; it is asked after every sync. */
export async function untilSo(client, what, ask) {
  let answer = false;
  let asking = false;
  const look = () => {
    if (!asking) {
      asking = true;
      Promise.resolve(ask()).then(
        (result) => {
          answer = result;
          asking = false;
        },
        (error) => {
          answer = Promise.reject(error);
        },
      );
    }
    return answer;
  };
  return until(what, look, [client], [ClientEvent.Sync, CryptoEvent.KeysChanged, CryptoEvent.UserTrustStatusChanged]);
}

/** Return the next request for verification that reaches a client. */
export function nextRequest(client) {
  let received = null;
  client.once(CryptoEvent.VerificationRequestReceived, (request) => (received = request));
  return () =>
    until("a request for verification arrives", () => received, [client], [CryptoEvent.VerificationRequestReceived]);
}

/** Let two clients verify each other by emoji; return what both saw. `ask` has the first one ask the second. */
export async function verify(asking, asked, ask) {
  const arrival = nextRequest(asked);
  const mine = await ask();
  const theirs = await arrival();
  await theirs.accept();
  await inPhase(mine, VerificationPhase.Ready);
  const verifier = await mine.startVerification(SAS);
  const other = await until("the other side has begun", () => theirs.verifier, [theirs], [VerificationRequestEvent.Change]);
  const seen = [verifier, other].map((each) => shown(each));
  const verified = [verifier, other].map((each) => each.verify());
  const [one, two] = await Promise.all(seen);
  const emoji = [one, two].map((each) => each.sas.emoji.map(([picture]) => picture).join(" "));
  if (emoji[0] !== emoji[1] || emoji[0].split(" ").length !== 7) {
    throw new Error(`they see different emoji: ${emoji}`);
  }
  await Promise.all([one.confirm(), two.confirm()]);
  await Promise.all([mine, theirs].map((each) => inPhase(each, VerificationPhase.Done)));
  await Promise.all(verified);
  return emoji[0];
}

function inPhase(request, phase) {
  return until(`verification is in phase ${phase}`, () => request.phase === phase, [request], [VerificationRequestEvent.Change]);
}

function shown(verifier) {
  return until("emoji are shown", () => verifier.getShowSasCallbacks(), [verifier], [VerifierEvent.ShowSas]);
}

/** Return an event of an encrypted room once the client can read it. */
export async function read(client, room, eventId) {
  const event = await arrives(client, room, eventId);
  await untilSynced(client, `${eventId} is decrypted`, () => event.getType() === "m.room.message");
  return { body: event.getContent().body, sent: event.getWireType(), sender: event.getSender() };
}

/** Return the room once a client has it. */
export function roomOf(client, roomId) {
  return untilSynced(client, "the room", () => client.getRoom(roomId));
}
