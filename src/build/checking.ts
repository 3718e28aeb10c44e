// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CheckContext } from "../check/context.ts";
import { readBakedPolicy, refuseMisnamed } from "./baked-policy.ts";
import type { BuildFiles, FoundFile } from "./build-files.ts";
import type { CourierChannel } from "../courier/client/channel.ts";
import { courierCommand, couriersOf } from "../courier/client/container.ts";
import { ContainerError } from "../gateway/container.ts";
import { buildArgs } from "../gateway/options.ts";
import { TEXT_REQUESTS } from "../subrequests/request.ts";
import { KNOWN_ARGS } from "../policy/build-args.ts";
import type { Commands } from "../policy/commands.ts";
import { POLICY_FILE } from "../policy/name.ts";
import {
  type EffectivePolicy,
  isRecheckDue,
  namedLogs,
  type PolicyText,
  readPolicy,
} from "../policy/policy.ts";
import { parseLockFile } from "../lock/file.ts";
import { MAX_LOCK_BYTES } from "../lock/name.ts";
import { lockedRecords, proveAhead } from "../check/brought-records.ts";
import { openRoots } from "../check/roots.ts";
import { dayOf } from "./day.ts";
import { openLedgers } from "./ledgers.ts";
import { rememberedBy } from "./remembered.ts";
import type { BuildStart, OpenedCheck } from "./setup.ts";
import { type BuildTrust, openTrust, OWN_CONFIGURATION } from "../trust/build-trust.ts";
import type { FetchFile } from "../trust/trusted-root-update.ts";

/** Where BuildKit puts the LLB of the image that a frontend runs from. */
const OWN_IMAGE = "/run/config/buildkit/metadata/frontend.bin";
/** How much longer we wait than the courier itself, in milliseconds, so that its message is the one people see. */
const GRACE_MS = 6_000;

/** The check of one build, not opened yet. */
export interface Checking {
  /** Throws PolicyError, TrustError, LockError and BuildFileError. */
  open(files: SteeringFiles): Promise<OpenedCheck>;
  /** Ends the couriers, in a second at most. Never throws. */
  close(): Promise<void>;
}

/** The files of a build that say how it is judged, as they are read beside its Dockerfile. */
export interface SteeringFiles {
  readonly policy: Promise<FoundFile | undefined>;
  readonly lock: Promise<FoundFile | undefined>;
  /** Where there are policies by names that are not read. */
  readonly misnamed: Promise<readonly string[]>;
  /** For a lock file that the policy says is elsewhere. */
  readonly all: BuildFiles;
}

/**
 * What a build is judged with, once its own files are read: the organisation's and our own configuration, and couriers. One
 * without secrets is started as soon as it is clear that the log will be asked, the others when they are first asked for.
 * `shipped` is the directory with our own configuration and the courier.
 */
export function startChecking(
  {
    bridge,
    buildOptions: { options },
    environment,
    own = OWN_CONFIGURATION,
  }: Pick<BuildStart, "bridge" | "buildOptions" | "environment" | "own">,
  { commands, shipped }: { readonly commands: Commands; readonly shipped: string },
): Checking {
  const args = buildArgs(options);
  const isLockRequest = options["requestid"] === TEXT_REQUESTS.lock.id;
  const now = (): Date => new Date();
  const trusting = openTrust({ own, shipped, now });
  const baking = readBakedPolicy(own);
  // Whoever opens the check hears of their failures.
  for (const early of [trusting, baking]) early.catch(() => undefined);
  const courierOptions = {
    image: readOwnImage,
    command: courierCommand(join(shipped, "courier.js")),
    buildArgs: args,
    environment,
  };
  const couriers = couriersOf(bridge, courierOptions);

  return {
    async open(files) {
      const [trust, baked, beside, misnamed] = await Promise.all([
        trusting,
        baking,
        files.policy,
        files.misnamed,
      ]);
      refuseMisnamed(misnamed, POLICY_FILE);
      const repository = asText(beside);
      const policy = await readPolicy({
        services: trust.services,
        baked,
        repository,
        buildArgs: args,
        declaredArgs: await declaredIn(files.all.dockerfile, args),
        ledgers: environment["TLOG_LEDGERS"],
      });
      const file = await (policy.lock === undefined
        ? files.lock
        : files.all.inContext(policy.lock, MAX_LOCK_BYTES));
      const lock = file && parseLockFile(file.bytes, file.place);
      const courier = (signing: boolean) => couriers.open({ signing, deadlineMs: policy.timeoutMs });
      const context = contextOf({ policy, commands, isLockRequest, trust, courier, now });
      const isLive = context.recheck || policy.recheck === "always" || options["no-cache"] === "";
      const { timeoutMs } = policy;
      const remembered = isLive ? undefined : rememberedBy(bridge, { ...courierOptions, now, timeoutMs });
      // Nearly every build has a tag to ask about, and a container takes longer to start than the Dockerfile to
      // convert. One with secrets is never started ahead; and where there are ledgers, or the builder may remember, mostly
      // none is needed.
      const isAsked = policy.trust.length > 0 && policy.ledgers.length === 0 && lock === undefined;
      if (isAsked && isLive && !("requestid" in options)) void courier(false);
      const locked = lock && lockedRecords(lock, context);
      if (lock && locked) void proveAhead(lock, locked, policy.trust);
      const recheck =
        context.recheck || isRecheckDue(policy.recheck, { checked: lock?.checked, today: dayOf(now()) });
      const { trustedRoot, newerRoot } = context;
      const logs = namedLogs(policy);
      const ledgers = openLedgers(bridge, policy.ledgers, { trustedRoot, newerRoot, logs, now });
      if (lock === undefined) for (const ledger of ledgers) ledger.start();
      const hidden = beside !== undefined && (await files.all.isHidden(POLICY_FILE, beside));
      return {
        policy,
        lock,
        context: {
          ...context,
          recheck,
          ledgers,
          ...(locked && { locked }),
          ...(remembered && { remembered }),
        },
        notes: hidden ? [HIDDEN_POLICY] : [],
      };
    },
    close: () => couriers.close(),
  };
}

function contextOf({
  policy,
  commands,
  isLockRequest,
  trust,
  courier,
  now,
}: {
  readonly policy: EffectivePolicy;
  readonly commands: Commands;
  readonly isLockRequest: boolean;
  readonly trust: BuildTrust;
  readonly courier: (signing: boolean) => Promise<CourierChannel>;
  readonly now: () => Date;
}): CheckContext {
  const deadline = (): AbortSignal => AbortSignal.timeout(policy.timeoutMs + GRACE_MS);
  const wantsLock = commands.lock === "update" || (isLockRequest && commands.lock !== "check");
  const files = async (signal: AbortSignal): Promise<FetchFile> => {
    const channel = await courier(false);
    return (what) => channel.file(what, { signal });
  };
  return {
    policy,
    now,
    deadline,
    // Who asks for a lock file wants what is new in it, and what the log has learnt since; who asks whether it is as it
    // should be, the latter.
    keepsRecords: wantsLock,
    recheck: wantsLock || isLockRequest,
    ...openRoots({ policy, trust, files, deadline }),
    courier: ({ signing }) => courier(signing),
    ...(commands.approve && { approval: { image: commands.approve, reason: commands.reason } }),
  };
}

/** The arguments that begin like ours, are none of ours, and that the Dockerfile declares: these are its own. */
async function declaredIn(
  dockerfile: BuildFiles["dockerfile"],
  args: Readonly<Record<string, string>>,
): Promise<ReadonlySet<string>> {
  if (!Object.keys(args).some((name) => name.startsWith("TLOG_") && !KNOWN_ARGS.includes(name)))
    return new Set();
  // Without a Dockerfile there is no build, and whoever converts it says why.
  const read = await dockerfile.catch(() => undefined);
  if (read === undefined) return new Set();
  const { declaredArgs } = await import("./dockerfile-lines.ts");
  return declaredArgs(new TextDecoder().decode(read.data));
}

const HIDDEN_POLICY = `the "${POLICY_FILE}" beside the Dockerfile counts for this build, and the other one in the root of its context does not`;

function asText(file: FoundFile | undefined): PolicyText | undefined {
  return file && { text: new TextDecoder().decode(file.bytes), name: file.place };
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
