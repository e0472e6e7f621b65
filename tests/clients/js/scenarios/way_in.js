// Element Web's way in: what it asks from the address that somebody types to the first room on the screen, noted request by
// request. What the library asks by itself when it logs in and starts, it asks here; what Element adds is asked as it does.

import { newDevice, setUp } from "../crypto.js";
import { logIn, meet, register, start, until } from "../harness.js";
import { ClientEvent, Method } from "matrix-js-sdk";

export default async function wayIn({ url, names }) {
  const [creator, friend] = await Promise.all(names.map((name) => register(url, name)));
  await Promise.all([creator, friend].map((client) => start(client)));
  const [room] = await meet([creator, friend], { name: "room" });
  const { room_id: spaceId } = await creator.createRoom({ creation_content: { type: "m.space" }, name: "space" });
  await creator.sendStateEvent(spaceId, "m.space.child", { via: ["hamrasan.test"] }, room.roomId);
  await setUp(await newDevice(url, creator.getUserId()));
  await friend.sendTextMessage(room.roomId, "hello");

  const asked = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (resource, options) => {
    const response = await real(resource, options);
    const { pathname } = new URL(resource);
    const error = response.ok ? "" : (await response.clone().json()).errcode;
    asked.push([options?.method ?? "GET", decodeURIComponent(pathname), response.status, error]);
    return response;
  };
  try {
    const client = await logIn(url, creator.getUserId());
    await Promise.allSettled([
      client.getVersions(),
      client.loginFlows(),
      client.getAuthMetadata(),
      client.whoami(),
      client.http.request(Method.Get, "/matrix/client", undefined, undefined, { prefix: "/.well-known" }),
    ]);
    await client.initRustCrypto({ useIndexedDB: false });
    const started = {
      initialSyncLimit: 20,
      lazyLoadMembers: true,
      threadSupport: true,
    };
    await start(client, started);
    const crypto = client.getCrypto();
    const me = client.getUserId();
    const { roomId } = room;
    const seen = await until("the room is there", () => client.getRoom(roomId), [client], [ClientEvent.Sync]);
    await until("the message is there", () => seen.getLiveTimeline().getEvents().at(-1), [client], [ClientEvent.Sync]);
    await Promise.all([
      client.checkTurnServers(),
      client.getThirdpartyProtocols(),
      client.getMediaConfig(true),
      client.getCapabilities(),
      client.getProfileInfo(me),
      client.getPushers(),
      client.getPushRules(),
      client.getDevices(),
      client.getThreePids(),
      client.getDevice(client.getDeviceId()),
      client._unstable_getRTCTransports(),
      client.getAccountDataFromServer("m.secret_storage.default_key"),
      crypto.getKeyBackupInfo(),
      crypto.getCrossSigningStatus(),
      crypto.userHasCrossSigningKeys(me, true),
      crypto.isDehydrationSupported(),
      client.setAccountData("im.vector.setting.breadcrumbs", { recent_rooms: [roomId] }),
      client.setAccountData("im.vector.web.settings", { theme: "dark" }),
      client.setAccountData("m.direct", {}),
      client.getRoomHierarchy(spaceId),
      client.publicRooms({ limit: 20 }),
    ]);
    const last = seen.getLiveTimeline().getEvents().at(-1);
    await seen.loadMembersIfNeeded();
    await client.setRoomReadMarkers(roomId, last.getId(), last);
    await client.sendTyping(roomId, true, 20_000);
    await client.scrollback(seen, 30);
    await seen.createThreadsTimelineSets();
    await seen.fetchRoomThreads();
    await client.relations(roomId, last.getId(), "m.annotation", "m.reaction");
    await client.getRoomDirectoryVisibility(roomId);
    await client.getRoomSummary(roomId);
    await client.logout(true);
  } finally {
    globalThis.fetch = real;
  }
  return { asked };
}
