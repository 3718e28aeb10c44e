// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "./build.ts";
import type { CheckContext } from "./check/check.ts";
import { type Courier, startCourier } from "./courier-container.ts";
import { failureStatus } from "./failure.ts";
import { Bridge } from "./gateway/bridge.ts";
import { ContainerError } from "./gateway/container.ts";
import { joinStdio, NotABuildError, stdioSockets } from "./gateway/connection.ts";
import { buildArgs, type BuildOptions, readBuildOptions } from "./gateway/options.ts";
import { readPolicy } from "./policy/policy.ts";
import { parseTrustedRoot } from "./record/trusted-root.ts";

/** Where an organisation's derived image puts its policy and its trusted root. */
const CONFIGURATION = "/etc/tlog-dockerfile";
/** Where BuildKit puts the LLB of the image that a frontend runs from. */
const OWN_IMAGE = "/run/config/buildkit/metadata/frontend.bin";
/** How much longer we wait than the courier itself, in milliseconds, so that its message is the one people see. */
const GRACE_MS = 3_000;

const { input, output } = openStdio();
// When BuildKit hangs up, the build was cancelled: there is nobody left to answer.
const connection = await joinStdio(input, output, () => process.exit(1));
const bridge = new Bridge(connection.target);
const couriers = new Map<boolean, Promise<Courier>>();
try {
  const result = await run(readBuildOptions(process.env));
  await closeCouriers();
  await bridge.returnResult(result);
} catch (error) {
  await closeCouriers();
  await bridge.returnError(failureStatus(error));
}
process.exit(0);

function openStdio(): ReturnType<typeof stdioSockets> {
  try {
    return stdioSockets();
  } catch (error) {
    if (!(error instanceof NotABuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** BuildKit does not end a build while a container of its frontend runs. */
async function closeCouriers(): Promise<void> {
  await Promise.allSettled([...couriers.values()].map(async (courier) => (await courier).close()));
}

async function run(options: BuildOptions): Promise<Uint8Array> {
  const policyFile = join(CONFIGURATION, "policy.yaml");
  const args = buildArgs(options.options);
  const policy = await readPolicy({ file: await readOptional(policyFile), buildArgs: args });
  let trustedRoot: ReturnType<CheckContext["trustedRoot"]> | undefined;
  return build(bridge, options, {
    policy,
    now: () => new Date(),
    deadline: () => AbortSignal.timeout(policy.timeoutMs + GRACE_MS),
    trustedRoot: () => (trustedRoot ??= readTrustedRoot()),
    async courier({ signing }) {
      let courier = couriers.get(signing);
      if (!courier) {
        courier = readOwnImage().then((image) =>
          startCourier(bridge, {
            signing,
            deadlineMs: policy.timeoutMs,
            image,
            command: [process.execPath, join(import.meta.dirname, "courier.js")],
            buildArgs: args,
            environment: process.env,
          }),
        );
        couriers.set(signing, courier);
      }
      return (await courier).channel;
    },
  });
}

/** The organisation's trusted root, or the one of the public Sigstore instance that we ship. */
async function readTrustedRoot(): ReturnType<CheckContext["trustedRoot"]> {
  const own = join(CONFIGURATION, "trusted_root.json");
  const shipped = join(import.meta.dirname, "trusted_root.json");
  const text = await readOptional(own);
  return text === undefined
    ? parseTrustedRoot(await readFile(shipped, "utf8"), shipped)
    : parseTrustedRoot(text, own);
}

async function readOwnImage(): Promise<Uint8Array> {
  try {
    return await readFile(OWN_IMAGE);
  } catch (cause) {
    throw new ContainerError(
      "BuildKit does not tell this frontend which image it runs from, so nothing can ask the log; Docker Engine 23 or newer is needed",
      { cause },
    );
  }
}

/** A file's text, or `undefined` when there is no such file. Other failures throw: a policy must not get lost. */
async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
