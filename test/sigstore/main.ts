// SPDX-License-Identifier: Apache-2.0
// A development Sigstore in one process: node test/sigstore/main.ts --listen ADDRESS:PORT --out DIR
import { parseArgs } from "node:util";
import { startSigstore } from "./sigstore.ts";

const USAGE = `usage: main.ts --listen ADDRESS:PORT --out DIR

Serves a Rekor v1 and v2 log, a certificate authority with CT log, and a timestamp
authority for development, and writes DIR/trusted_root.json, DIR/signing_config.json and
DIR/rekor.pub.
Keys and log entries stay in DIR. Port 0 takes a free one, which is printed.`;

interface Arguments {
  readonly listen: string;
  readonly out: string;
}

/** The arguments; undefined when one is missing or unknown. */
function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: { listen: { type: "string" }, out: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help === true) {
      console.log(USAGE);
      process.exit(0);
    }
    const { listen, out } = values;
    return listen === undefined || out === undefined ? undefined : { listen, out };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}

const given = readArguments();
if (given === undefined) {
  console.error(USAGE);
  process.exit(2);
}
try {
  const sigstore = await startSigstore(given);
  console.log(`sigstore listens on ${sigstore.url}`);
  console.log(`trusted root: ${sigstore.trustedRootPath}`);
  console.log(`entries in the log: ${sigstore.log.size}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void sigstore.close());
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
