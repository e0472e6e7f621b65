// A bot of matrix-bot-sdk: it comes where it is invited, and answers a command.

import { complaintsOfSdk, sdk } from "../bot_sdk.js";
import { ask } from "../harness.js";

export default async function ({ url, token }) {
  const problems = complaintsOfSdk();
  const bot = new sdk.MatrixClient(url, token, new sdk.MemoryStorageProvider());
  sdk.AutojoinRoomsMixin.setupOnClient(bot);
  const joined = [];
  bot.on("room.join", (roomId) => joined.push(roomId));
  bot.on("room.message", async (roomId, event) => {
    if (event.sender !== (await bot.getUserId()) && event.content.body?.startsWith("!echo ")) {
      await bot.replyNotice(roomId, event, event.content.body.slice("!echo ".length));
    }
  });
  await bot.setDisplayName("ربات");
  await bot.start({ room: { timeline: { limit: 10 } } });
  const { roomId } = await ask("talk");
  const profile = await bot.getUserProfile(await bot.getUserId());
  const members = await bot.getJoinedRoomMembers(roomId);
  bot.stop();
  return { problems, joined, profile, members };
}
