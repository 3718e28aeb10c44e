// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CheckContext } from "./check/check.ts";
import { type Courier, startCourier } from "./courier-container.ts";
import type { Bridge } from "./gateway/bridge.ts";
import { ContainerError } from "./gateway/container.ts";
import { buildArgs, type BuildOptions } from "./gateway/options.ts";
import { readPolicy } from "./policy/policy.ts";
import { openTrust } from "./trust.ts";

/** Where an organisation's derived image puts its policy and its trusted root. */
const CONFIGURATION = "/etc/tlog-dockerfile";
/** Where BuildKit puts the LLB of the image that a frontend runs from. */
const OWN_IMAGE = "/run/config/buildkit/metadata/frontend.bin";
/** How much longer we wait than the courier itself, in milliseconds, so that its message is the one people see. */
const GRACE_MS = 6_000;

/** Where our own files are: beside this one, or in dist/ when it has not been bundled. */
const SHIPPED = import.meta.filename.endsWith(".ts")
  ? join(import.meta.dirname, "../dist")
  : import.meta.dirname;

/** The context of a check, and what ends it. */
export interface OpenedContext extends CheckContext {
  /** Ends the couriers, once started: BuildKit does not end a build while a container of its frontend runs. Never throws. */
  close(): Promise<void>;
}

/**
 * What a build is judged with: the policy and the trusted root of this image, and couriers. One without secrets is
 * started at once when the policy trusts somebody, the others when they are first asked for. Throws PolicyError for a
 * policy that does not hold, and SigningConfigError.
 */
export async function openContext(bridge: Bridge, { options }: BuildOptions): Promise<OpenedContext> {
  const args = buildArgs(options);
  const [text, trust] = await Promise.all([
    readOptional(join(CONFIGURATION, "policy.yaml")),
    openTrust({ own: CONFIGURATION, shipped: SHIPPED, now: () => new Date() }),
  ]);
  const baked = text === undefined ? undefined : { text, name: "policy.yaml" };
  const policy = await readPolicy({ services: trust.services, baked, buildArgs: args });
  const couriers = new Map<boolean, Promise<Courier>>();
  const start = async (signing: boolean): Promise<Courier> =>
    startCourier(bridge, {
      signing,
      deadlineMs: policy.timeoutMs,
      image: await readOwnImage(),
      command: [process.execPath, join(import.meta.dirname, "courier.js")],
      buildArgs: args,
      environment: process.env,
    });
  const courier = (signing: boolean): Promise<Courier> => {
    const started = couriers.get(signing) ?? start(signing);
    // Whoever asks for it hears of its failure; who started it ahead does not have to.
    started.catch(() => undefined);
    couriers.set(signing, started);
    return started;
  };
  // Nearly every build has a tag to ask about, and a container takes longer to start than the Dockerfile to
  // convert. One with secrets is never started ahead.
  if (policy.trust.length > 0 && !("requestid" in options)) void courier(false);

  return {
    policy,
    now: () => new Date(),
    deadline: () => AbortSignal.timeout(policy.timeoutMs + GRACE_MS),
    trustedRoot: () => trust.trustedRoot(),
    courier: async ({ signing }) => (await courier(signing)).channel,
    async close() {
      await Promise.allSettled([...couriers.values()].map(async (opened) => (await opened).close()));
    },
  };
}

async function readOwnImage(): Promise<Uint8Array> {
  try {
    return await readFile(OWN_IMAGE);
  } catch (cause) {
    throw new ContainerError(
      "BuildKit does not tell this frontend which image it runs from, so nothing can ask the log; Docker Engine 24 or newer is needed",
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
