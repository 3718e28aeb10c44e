// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { excerpt } from "../../log/excerpt.ts";
import { ProtocolError, REMEMBERED, splitLines } from "../protocol.ts";
import { useProxies } from "./proxies.ts";
import { remember } from "./remember.ts";
import { serve } from "./service.ts";
import { readSigningSecret } from "./signing-secret.ts";

/**
 * The courier's process. Requests on standard input, answers on standard output (protocol.ts), nothing else on
 * either; one line on standard error when it dies. Ends with its input, or on SIGTERM or SIGINT, with 0.
 *
 * With the argument "remember" it asks what TLOG_QUESTIONS says, writes the answers to a file and ends with 0 (remember.ts).
 *
 * TLOG_DEADLINE_MS: the time one request has (default 30000). TLOG_SECRETS_DIR: where the build's secrets are.
 * HTTP_PROXY, HTTPS_PROXY, NO_PROXY (also in lower case): as usual.
 */
const { env } = process;
const isRemembered = process.argv[2] === REMEMBERED.argument;

function die(what: string): never {
  // A step of a build that fails is shown in red, and here nobody has to read why: the same is asked again.
  if (isRemembered) process.exit(0);
  process.stderr.write(`courier: ${what}\n`);
  process.exit(1);
}

function deadlineOf(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) die('TLOG_DEADLINE_MS is not milliseconds between "1" and "9999999"');
  return Number(text);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
process.on("uncaughtException", (error: unknown) => {
  // The text could hold anything; the name and place cannot.
  const place = error instanceof Error ? /\(?[^\s(]*?:\d+:\d+\)?/.exec(error.stack ?? "")?.[0] : undefined;
  die(
    `internal error ${error instanceof Error ? error.name : typeof error} at ${place ?? "an unknown place"}`,
  );
});
// The frontend is gone: there is nothing left to say or to do.
process.stdout.on("error", () => process.exit(1));

let draining: Promise<void> | undefined;
/** Resolves when standard output takes more. */
function drained(): Promise<void> {
  return (draining ??= once(process.stdout, "drain").then(() => {
    draining = undefined;
  }));
}

const deadlineMs = deadlineOf(env["TLOG_DEADLINE_MS"] || "30000");
const noProxy = useProxies(env);
if (noProxy !== undefined) die(noProxy);
if (isRemembered) {
  await remember(env, deadlineMs);
  process.exit(0);
}
const secret = readSigningSecret(env["TLOG_SECRETS_DIR"] || "/run/secrets/tlog-dockerfile", {
  now: () => new Date(),
  signal: AbortSignal.timeout(deadlineMs),
});
try {
  await serve({
    lines: splitLines(process.stdin),
    say: (line) => (process.stdout.write(line) ? undefined : drained()),
    secret,
    deadlineMs,
  });
} catch (error) {
  if (error instanceof ProtocolError) die(excerpt(error.message, 200));
  throw error;
}
// Requests may still be under way; their answers have no reader any more.
process.exit(0);
