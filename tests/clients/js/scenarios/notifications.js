// Somebody gets a pusher, changes push rules, is mentioned, and pages through what they were notified of, as Element does.

import { EventTimeline, EventTimelineSet, NotificationCountType, PushRuleKind } from "matrix-js-sdk";

import { ask, logIn, register, start, untilSynced } from "../harness.js";

export default async function notifications({ url, names, gateway, keyword, texts }) {
  const [one, other] = await Promise.all(names.map((each) => register(url, each)));
  const phone = await logIn(url, other.getUserId());
  const pusher = {
    kind: "http",
    app_id: "org.example.app",
    pushkey: `key of ${names[1]}`,
    app_display_name: "App",
    device_display_name: "Phone",
    lang: "fa",
    data: { url: gateway, format: "event_id_only" },
  };
  await phone.setPusher(pusher);
  const { pushers } = await phone.getPushers();

  // The panel of notifications, before syncing, as Element sets it up.
  const set = new EventTimelineSet(undefined, { timelineSupport: true, pendingEvents: false });
  set.getLiveTimeline().setPaginationToken("", EventTimeline.BACKWARDS);
  other.setNotifTimelineSet(set);
  await Promise.all([start(one), start(other)]);
  await other.addPushRule("global", PushRuleKind.ContentSpecific, "tea", {
    pattern: keyword,
    actions: ["notify", { set_tweak: "highlight" }],
  });
  await untilSynced(other, "the rule", () => other.pushRules?.global.content.some((rule) => rule.rule_id === "tea"));

  const { room_id: roomId } = await one.createRoom({ preset: "public_chat" });
  await other.joinRoom(roomId);
  const said = [];
  for (const body of texts) {
    said.push((await one.sendTextMessage(roomId, body)).event_id);
  }
  const mention = { msgtype: "m.text", body: "you", "m.mentions": { user_ids: [other.getUserId()] } };
  said.push((await one.sendMessage(roomId, mention)).event_id);
  const room = await untilSynced(other, "everything", () => {
    const found = other.getRoom(roomId);
    return found?.findEventById(said.at(-1)) && found;
  });
  const counts = [NotificationCountType.Total, NotificationCountType.Highlight].map((kind) =>
    room.getUnreadNotificationCount(kind),
  );

  const timeline = set.getLiveTimeline();
  while (await other.paginateEventTimeline(timeline, { backwards: true, limit: 1 })) {
    // until there are no more pages
  }
  await other.setPushRuleEnabled("global", PushRuleKind.Override, ".m.rule.is_user_mention", false);
  await other.deletePushRule("global", PushRuleKind.ContentSpecific, "tea");
  const rules = await other.getPushRules();
  await ask("pushed", { eventIds: said });
  await phone.removePusher(pusher.pushkey, pusher.app_id);
  return {
    said,
    counts,
    pushers,
    wanted: [{ ...pusher, "org.matrix.msc3881.enabled": true }], // which the library adds
    listed: timeline.getEvents().map((event) => event.getId()),
    content: rules.global.content.length,
    mentions: rules.global.override.find((rule) => rule.rule_id === ".m.rule.is_user_mention").enabled,
    left: (await phone.getPushers()).pushers.length,
  };
}
