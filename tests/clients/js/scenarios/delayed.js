// Delayed events (MSC4140), as calls use them: handed in, put off, sent, cancelled; and state that is set when nobody puts it off.

import { ClientEvent } from "matrix-js-sdk";

import { meet, messages, register, start, until } from "../harness.js";

const TYPE = "org.matrix.msc3401.call.member";
const FAR = { delay: 3_600_000 };

export default async function delayed({ url, names }) {
  const all = await Promise.all(names.map((name) => register(url, name)));
  const [one, other] = all;
  await Promise.all(all.map((client) => start(client)));
  const rooms = await meet(all);
  const { roomId } = rooms[0];
  const text = (body) => ({ msgtype: "m.text", body });
  const hand = (body, options = FAR) => one._unstable_sendDelayedEvent(roomId, options, null, "m.room.message", text(body));

  const sent = await hand("sent at once");
  const cancelled = await hand("cancelled");
  const left = await one._unstable_sendDelayedStateEvent(roomId, { delay: 200 }, TYPE, { left: true }, one.getUserId());
  await one._unstable_restartScheduledDelayedEvent(sent.delay_id);
  const scheduled = (await one._unstable_getDelayedEvents("scheduled")).scheduled.map((event) => event.delay_id);
  await one._unstable_sendScheduledDelayedEvent(sent.delay_id);
  await one._unstable_cancelScheduledDelayedEvent(cancelled.delay_id);
  await until(
    "the state is set and the message is there",
    () => rooms[1].currentState.getStateEvents(TYPE, one.getUserId()) && messages(rooms[1].getLiveTimeline().getEvents()).length,
    [other],
    [ClientEvent.Sync],
  );
  let refusal;
  try {
    await one._unstable_restartScheduledDelayedEvent(cancelled.delay_id);
  } catch (error) {
    refusal = { status: error.httpStatus, errcode: error.errcode };
  }
  let tooLong;
  try {
    await hand("never", { delay: 10 ** 12 });
  } catch (error) {
    tooLong = error.data["org.matrix.msc4140.errcode"];
  }
  const { finalised } = await one._unstable_getDelayedEvents("finalised");
  return {
    scheduled: scheduled.includes(sent.delay_id) && scheduled.includes(cancelled.delay_id),
    heard: messages(rooms[1].getLiveTimeline().getEvents()).map(({ body }) => body),
    state: rooms[1].currentState.getStateEvents(TYPE, one.getUserId()).getContent(),
    outcomes: [sent, cancelled].map(
      ({ delay_id }) => finalised.find((entry) => entry.delayed_event.delay_id === delay_id).outcome,
    ),
    left: left.delay_id !== undefined,
    refusal,
    tooLong,
  };
}
