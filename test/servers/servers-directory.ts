// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from "node:path";

/** Where programs, logs and data of the real servers are: `$TLOG_SERVERS_DIR`, or `.servers` in the repository. */
export function serversDirectory(): string {
  return resolve(process.env["TLOG_SERVERS_DIR"] ?? join(import.meta.dirname, "../../.servers"));
}

/** Tells the person who waits what is being done. */
export function say(text: string): void {
  process.stderr.write(`servers: ${text}\n`);
}
