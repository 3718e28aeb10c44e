// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { readBakedPolicy } from "../build/baked-policy.ts";
import type { CheckContext } from "../check/context.ts";
import { openRoots } from "../check/roots.ts";
import type { CourierChannel } from "../courier/client/channel.ts";
import type { SigningSecret } from "../courier/server/signing-secret.ts";
import type { Ledger } from "../ledger/answer.ts";
import { allowsPlainHttp, type EffectivePolicy, namedLogs, readPolicy } from "../policy/policy.ts";
import { openRegistry } from "../registry/client.ts";
import { dockerCredentials } from "../registry/credentials.ts";
import { openRegistryLedgers } from "../ledger/registry/ledgers.ts";
import { openTrust } from "../trust/build-trust.ts";
import { openCourier } from "./in-process-courier.ts";

/** What a program outside builds judges with. */
export interface StandaloneOptions {
  /** The directory with the organisation's own files; OWN_CONFIGURATION for a program in the image. */
  readonly own: string;
  /** A policy file instead of the one in there, relative to `directory`. It counts as a baked one: who runs the program wrote it. */
  readonly policyFile?: string | undefined;
  readonly directory: string;
  /** The directory of what ships with the program. */
  readonly shipped: string;
  /** `TLOG_LEDGERS`, and what `docker login` left, for ledgers that are not public. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  /** What signs; without it nothing is recorded. */
  readonly secret?: SigningSecret | undefined;
}

/** What a program outside builds judges tags with. */
export interface Standalone {
  readonly policy: EffectivePolicy;
  /**
   * Opens the policy's ledgers, which are then read once, until the signal ends it: open them anew to see what is new in them.
   */
  openLedgers(signal: AbortSignal): readonly Ledger[];
  /** What one check needs, with these ledgers. A check remembers, so what is to be seen anew takes another one. */
  openContext(ledgers: readonly Ledger[]): StandaloneContext;
  /** Closes the connections to registries of ledgers. */
  close(): void;
}

/** What one check needs, and its end. */
export interface StandaloneContext {
  readonly context: CheckContext;
  /** Ends what the check asks with. */
  close(): void;
}

/** How much longer a check waits than its courier, so that the courier's message is the one people see. */
const GRACE_MS = 6_000;
/** How long one request to the registry of a ledger may take, as in builds. */
const LEDGER_REQUEST_MS = 5_000;

/**
 * Reads what is judged with. Throws PolicyError, TrustError, SigningConfigError, BuildFileError, and what reading files throws.
 */
export async function openStandalone({
  own,
  policyFile,
  directory,
  shipped,
  environment,
  now,
  secret,
}: StandaloneOptions): Promise<Standalone> {
  const trust = await openTrust({ own, shipped, now });
  const baked =
    policyFile === undefined
      ? await readBakedPolicy(own)
      : { text: await readFile(resolve(directory, policyFile), "utf8"), name: policyFile };
  const policy = await readPolicy({
    services: trust.services,
    baked,
    buildArgs: {},
    ledgers: environment["TLOG_LEDGERS"],
  });
  const { timeoutMs } = policy;
  const deadline = (): AbortSignal => AbortSignal.timeout(timeoutMs + GRACE_MS);
  const roots = openRoots({
    policy,
    trust,
    deadline,
    async files(signal) {
      const courier = openCourier({ secret: undefined, deadlineMs: timeoutMs });
      signal.addEventListener("abort", () => courier.close(), { once: true });
      return (what) => courier.file(what, { signal });
    },
  });
  const registry = openRegistry({
    plainHttp: (host) => allowsPlainHttp(policy, host),
    credentials: dockerCredentials(environment),
    requestMs: LEDGER_REQUEST_MS,
    clock: () => now().getTime(),
  });
  return {
    policy,
    openLedgers: (signal) =>
      openRegistryLedgers(registry, policy.ledgers, { ...roots, logs: namedLogs(policy), now, signal }),
    openContext(ledgers) {
      const couriers = new Map<boolean, CourierChannel>();
      const courier = (signing: boolean): CourierChannel => {
        const opened =
          couriers.get(signing) ??
          openCourier({ secret: signing ? secret : undefined, deadlineMs: timeoutMs });
        couriers.set(signing, opened);
        return opened;
      };
      return {
        context: {
          policy,
          ledgers,
          ...roots,
          courier: async ({ signing }) => courier(signing),
          keepsRecords: false,
          recheck: false,
          now,
          deadline,
        },
        close() {
          for (const each of couriers.values()) each.close();
        },
      };
    },
    close: () => registry.close(),
  };
}
