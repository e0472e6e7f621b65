// What scenarios are made of: people with clients of the library, and waiting until something is so.

import {
  ClientEvent,
  MatrixError,
  PendingEventOrdering,
  RoomEvent,
  SyncState,
  createClient,
} from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";

export const WAIT_MS = 20_000;
export const PASSWORD = "correct horse battery staple";

const lines = inputLines();
export const clients = [];

// Not readline: for that, U+2028 in the middle of a message ends a line.
async function* inputLines() {
  let rest = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

/** Return what the test says next. */
export async function read() {
  const { value, done } = await lines.next();
  if (done) {
    process.exit(3); // the test is gone: nothing may be left behind
  }
  return JSON.parse(value);
}

/** Say something to the test. */
export function write(message) {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(message)}\n`, resolve));
}

/** Ask the test to do something and return what it answers. */
export async function ask(name, details = {}) {
  await write({ ask: name, ...details });
  return read();
}

// The library does not announce everything that it changes.
const LOOK_MS = 100;

/** Resolve once `found` returns something truthy; it is called now, whenever one of `emitters` emits one of `events`,
 * and now and then. */
export function until(what, found, emitters, events) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      clearInterval(looking);
      emitters.forEach((emitter) => events.forEach((event) => emitter.off(event, look)));
    };
    const look = () => {
      try {
        const result = found();
        if (result) {
          stop();
          resolve(result);
        }
      } catch (error) {
        stop();
        reject(error);
      }
    };
    const looking = setInterval(look, LOOK_MS);
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`waited in vain: ${what}`));
    }, WAIT_MS);
    emitters.forEach((emitter) => events.forEach((event) => emitter.on(event, look)));
    look();
  });
}

/** Resolve once `found` is truthy for a client that syncs: it is looked at after every sync and every event. */
export function untilSynced(client, what, found) {
  return until(what, found, [client], [ClientEvent.Sync, ClientEvent.Event, RoomEvent.Timeline]);
}

function newClient(url, session = {}, options = {}) {
  const client = createClient({
    baseUrl: url,
    accessToken: session.access_token,
    userId: session.user_id,
    deviceId: session.device_id,
    timelineSupport: true,
    localTimeoutMs: WAIT_MS,
    logger,
    ...options,
  });
  client.setMaxListeners?.(100);
  clients.push(client); // to be stopped at the end
  return client;
}

/** Register somebody with the library and return their client. */
export async function register(url, name) {
  const body = { username: name, password: PASSWORD, auth: { type: "m.login.dummy" } };
  return newClient(url, await newClient(url).registerRequest(body));
}

/** Log somebody in on a new device and return the client. */
export async function logIn(url, userId, options = {}) {
  const identifier = { type: "m.id.user", user: userId };
  const body = { type: "m.login.password", identifier, password: PASSWORD };
  return newClient(url, await newClient(url).loginRequest(body), options);
}

/** Start syncing and resolve once the first answer is taken in. */
export async function start(client, options = {}) {
  const detached = PendingEventOrdering.Detached; // as Element does: what is not sent yet is in no timeline
  await client.startClient({ initialSyncLimit: 20, pendingEventOrdering: detached, ...options });
  await until(
    `${client.getUserId()} has synced`,
    () => [SyncState.Prepared, SyncState.Syncing].includes(client.getSyncState()),
    [client],
    [ClientEvent.Sync],
  );
  return client;
}

/** Return the room in which all of these clients are, as each sees it; the first one creates it. */
export async function meet(all, wish = {}) {
  const [creator, ...others] = all;
  const invite = others.map((client) => client.getUserId());
  const { room_id: roomId } = await creator.createRoom({ preset: "private_chat", invite, ...wish });
  for (const client of others) {
    await client.joinRoom(roomId);
  }
  return Promise.all(
    all.map((client) =>
      untilSynced(client, "everybody has joined", () => {
        const room = client.getRoom(roomId);
        return room?.getJoinedMemberCount() === all.length && room.currentState.getMember(creator.getUserId()) && room;
      }),
    ),
  );
}

/** Resolve with the event once the client has it in the room, from the server. */
export function arrives(client, room, eventId) {
  return untilSynced(client, `${eventId} arrives`, () => {
    const event = room.findEventById(eventId);
    return event && event.status === null && event;
  });
}

/** Return the messages of a list of events as the library shows them. */
export function messages(events) {
  return events
    .filter((event) => event.getType() === "m.room.message")
    .map((event) => ({ id: event.getId(), sender: event.getSender(), body: event.getContent().body }));
}

/** Return status and code of the refusal with which a request ends. */
export async function refusal(request) {
  try {
    await request;
  } catch (error) {
    if (error instanceof MatrixError) {
      return { status: error.httpStatus, errcode: error.errcode };
    }
    throw error;
  }
  throw new Error("the request was not refused");
}
