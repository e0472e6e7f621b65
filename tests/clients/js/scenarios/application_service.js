// An application service of matrix-bot-sdk: its bot is invited, its users speak, are made when they are asked for, and
// it hears of typing.

import { complaintsOfSdk, sdk } from "../bot_sdk.js";
import { ask } from "../harness.js";

export default async function ({ url, name, port, registration }) {
  const problems = complaintsOfSdk();
  const service = new sdk.Appservice({
    port,
    bindAddress: "127.0.0.1",
    homeserverName: name,
    homeserverUrl: url,
    registration,
    joinStrategy: new sdk.SimpleRetryJoinStrategy(),
  });
  const heard = [];
  const typing = [];
  const asked = [];
  service.on("room.invite", (roomId, event) => service.getIntentForUserId(event.state_key).joinRoom(roomId));
  service.on("room.message", async (roomId, event) => {
    heard.push({ id: event.event_id, sender: event.sender, body: event.content.body });
    const command = /^!mirror (?<who>\w+) (?<text>.*)$/.exec(event.content.body ?? "");
    if (command && !service.isNamespacedUser(event.sender)) {
      const ghost = service.getIntentForSuffix(command.groups.who);
      await ghost.ensureRegisteredAndJoined(roomId);
      await ghost.underlyingClient.setDisplayName(`Mirror of ${command.groups.who}`);
      await ghost.sendText(roomId, command.groups.text);
    }
  });
  service.on("ephemeral.event", (event) => event.type === "m.typing" && typing.push(event));
  service.on("query.user", (userId, answer) => {
    asked.push(userId);
    answer(userId.includes("unknown") ? false : { display_name: "Made when asked for" });
  });
  service.on("query.room", (alias, answer) => {
    asked.push(alias);
    answer({ preset: "public_chat", name: "Made when asked for" });
  });
  await service.begin();
  const report = await ask("talk");
  service.stop();
  return { problems, heard, typing, asked, ...report };
}
