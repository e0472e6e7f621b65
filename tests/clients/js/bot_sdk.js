// @vector-im/matrix-bot-sdk without its encryption, whose library for this machine no package of the registry holds.

import { createRequire } from "node:module";
import Module from "node:module";

const NATIVE = "@matrix-org/matrix-sdk-crypto-nodejs";

const load = Module._load;
Module._load = (request, ...rest) => (request === NATIVE ? { StoreType: {} } : load(request, ...rest));
export const sdk = createRequire(import.meta.url)("@vector-im/matrix-bot-sdk");
Module._load = load;

/** Let the library say only what goes wrong, and return the list in which that is kept. */
export function complaintsOfSdk() {
  const complaints = [];
  const quiet = () => {};
  const complain = (module, ...words) => complaints.push(`${module}: ${words.map((word) => (typeof word === "object" ? JSON.stringify(word) : String(word))).join(" ")}`);
  sdk.LogService.setLogger({ info: quiet, debug: quiet, trace: quiet, warn: quiet, error: complain });
  return complaints;
}
