// Somebody logs in through OAuth 2.0, as Element does: with a browser, and on a device that has none. Then the devices
// of the one meet at a rendezvous.

import { createClient } from "matrix-js-sdk";
import { OAuth2 } from "matrix-js-sdk/lib/oauth/index.js";
import { MSC4108RendezvousSession } from "matrix-js-sdk/lib/rendezvous/transports/MSC4108RendezvousSession.js";

import { ask, clients } from "../harness.js";

function clientOf(url, accessToken) {
  const client = createClient({ baseUrl: url, accessToken });
  clients.push(client);
  return client;
}

async function meet(client) {
  const one = new MSC4108RendezvousSession({ client, onFailure: () => {} });
  await one.send("sealed by the first");
  const other = new MSC4108RendezvousSession({ url: one.url, onFailure: () => {} });
  const heard = [await other.receive()];
  await other.send("sealed by the second");
  heard.push(await one.receive());
  await one.close();
  return heard;
}

export default async function oauth({ url, metadata, redirectUri }) {
  const found = await createClient({ baseUrl: url }).getAuthMetadata();
  const clientId = await OAuth2.registerClient(found, metadata);

  const flow = new OAuth2(found, { clientId });
  const address = await flow.generateAuthorizationCodeGrantUrl("the-state", redirectUri, "fragment");
  const { code, state } = await ask("open", { address });
  const tokens = await flow.completeAuthorizationCodeGrant(code, redirectUri);
  const me = await clientOf(url, tokens.access_token).whoami();
  const refreshed = await flow.performRefreshTokenGrant(tokens.refresh_token);
  const client = clientOf(url, refreshed.access_token);
  const after = await client.whoami();
  const heard = await meet(client);

  const television = new OAuth2(found, { clientId });
  const session = await television.startDeviceAuthorizationGrant();
  await ask("link", { address: session.verification_uri_complete });
  const linked = await television.waitForDeviceAuthorizationGrant(session);
  const there = await clientOf(url, linked.access_token).whoami();

  await flow.revokeToken(refreshed.refresh_token, "refresh_token");
  const refusal = await client.whoami().then(
    () => null,
    (error) => error.errcode,
  );
  return { state, me, after, heard, deviceId: flow.context.deviceId, there, television: television.context.deviceId, refusal };
}
