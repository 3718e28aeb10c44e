// SPDX-License-Identifier: Apache-2.0
import { globalAgent } from "node:https";
import { onTestFinished } from "vitest";
import { certificate } from "./local-server.ts";

/** Lets the running test's requests trust the servers that `localServer` starts with `tls`. */
export function trustTestServers(): void {
  const before = globalAgent.options.ca;
  globalAgent.options.ca = certificate;
  onTestFinished(() => {
    globalAgent.options.ca = before;
  });
}
