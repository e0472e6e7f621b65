// Runs one scenario for tests/clients/node.py: `node run.js NAME`.
//
// The two speak in lines of JSON. The test first sends the scenario's input, and later whatever the scenario asks for;
// the scenario sends {"ask": name} when it needs the test to do something, and {"report": ...} at its end.

import { logger } from "matrix-js-sdk/lib/logger.js";

import { clients, read, write } from "./harness.js";

console.log = console.info = console.debug = console.error; // the standard output is for the test

async function run(name) {
  const complaints = [];
  logger.methodFactory = (level) => (...words) => level === "error" && complaints.push(words.map(String).join(" "));
  logger.rebuild();
  const scenario = await import(`./scenarios/${name}.js`);
  const report = await scenario.default(await read());
  clients.forEach((client) => client.stopClient());
  await write({ report: { ...report, complaints } });
}

try {
  await run(process.argv[2]);
  process.exit(0);
} catch (error) {
  await write({ failed: error?.stack ?? String(error) });
  process.exit(1);
}
