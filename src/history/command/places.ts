// SPDX-License-Identifier: Apache-2.0
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { readBakedPolicy } from "../../build/baked-policy.ts";
import type { CheckContext } from "../../check/context.ts";
import { openRoots } from "../../check/roots.ts";
import type { Ledger } from "../../ledger/answer.ts";
import { LockError } from "../../lock/error.ts";
import { type LockFile, parseLockFile } from "../../lock/file.ts";
import { LOCK_FILE, MAX_LOCK_BYTES } from "../../lock/name.ts";
import type { CommandIo } from "../../program/command-line.ts";
import { MAX_POLICY_BYTES, POLICY_FILE } from "../../policy/name.ts";
import { allowsPlainHttp, namedLogs, type PolicyText, readPolicy } from "../../policy/policy.ts";
import { openRegistry } from "../../registry/client.ts";
import { dockerCredentials } from "../../registry/credentials.ts";
import { openRegistryLedgers } from "../../ledger/registry/ledgers.ts";
import { openCourier } from "../../standalone/in-process-courier.ts";
import { openTrust, OWN_CONFIGURATION } from "../../trust/build-trust.ts";
import type { FetchFile } from "../../trust/trusted-root-update.ts";
import { type UnreadLock, unreadLock } from "../asked.ts";

/** How much longer we wait than one request may take, in milliseconds, so that its own message is the one people see. */
const GRACE_MS = 6_000;

/** A file of the command line that cannot be read. The message says which, why, and what to do. */
export class PlaceFileError extends Error {
  override readonly name = "PlaceFileError";
}

/** Where the places are said, as on the command line. */
export interface PlaceOptions {
  /** The lock file; that of the policy, or `tlog.lock` in the working directory if it is there, when not given. */
  readonly lock: string | undefined;
  /** The policy file; `tlog.policy.yaml` in the working directory if it is there, when not given. */
  readonly policy: string | undefined;
}

/** What a tag is asked about with, outside builds. Close it in the end. */
export interface OpenedPlaces {
  readonly context: CheckContext;
  readonly lock: LockFile | UnreadLock | undefined;
  close(): void;
}

/**
 * Opens the places of a policy: by the same configuration as a build, with a courier in this process that has no secrets. Throws
 * PlaceFileError, PolicyError, TrustError, SigningConfigError and BuildFileError.
 */
export async function openPlaces(
  options: PlaceOptions,
  { directory, shipped, environment, now, signal }: CommandIo,
): Promise<OpenedPlaces> {
  const trust = await openTrust({ own: OWN_CONFIGURATION, shipped, now });
  const policy = await readPolicy({
    services: trust.services,
    baked: await readBakedPolicy(OWN_CONFIGURATION),
    repository: await readPolicyText(options.policy, directory),
    buildArgs: {},
    ledgers: environment["TLOG_LEDGERS"],
  });
  const lock = await readLock(options.lock, policy.lock ?? LOCK_FILE, directory);
  const courier = openCourier({ secret: undefined, deadlineMs: policy.timeoutMs });
  const deadline = (): AbortSignal =>
    AbortSignal.any([signal, AbortSignal.timeout(policy.timeoutMs + GRACE_MS)]);
  const files = async (until: AbortSignal): Promise<FetchFile> => {
    return (what) => courier.file(what, { signal: until });
  };
  const roots = openRoots({ trust, policy, files, deadline });
  const registry = openRegistry({
    credentials: dockerCredentials(environment),
    plainHttp: (host) => allowsPlainHttp(policy, host),
    clock: () => now().getTime(),
  });
  // As for a build, a ledger is not waited for longer than for a log.
  const ledgers: readonly Ledger[] = openRegistryLedgers(registry, policy.ledgers, {
    ...roots,
    logs: namedLogs(policy),
    now,
    signal: deadline(),
  });
  for (const ledger of ledgers) ledger.start();
  return {
    context: {
      policy,
      courier: async () => courier,
      ...roots,
      ledgers,
      recheck: true,
      keepsRecords: false,
      now,
      deadline,
    },
    lock,
    close() {
      courier.close();
      registry.close();
    },
  };
}

async function readPolicyText(given: string | undefined, directory: string): Promise<PolicyText | undefined> {
  const name = given ?? POLICY_FILE;
  const bytes = await readBounded(name, { what: "a policy", directory, maxBytes: MAX_POLICY_BYTES });
  if (bytes === undefined && given !== undefined)
    throw new PlaceFileError(`read the policy "${name}": there is no such file`);
  return bytes && { text: new TextDecoder().decode(bytes), name };
}

async function readLock(
  given: string | undefined,
  usual: string,
  directory: string,
): Promise<LockFile | UnreadLock | undefined> {
  const name = given ?? usual;
  const bytes = await readBounded(name, { what: "a lock file", directory, maxBytes: MAX_LOCK_BYTES });
  if (bytes === undefined) {
    if (given === undefined) return undefined;
    throw new PlaceFileError(`read the lock file "${name}": there is no such file`);
  }
  try {
    return parseLockFile(bytes, name);
  } catch (error) {
    if (!(error instanceof LockError)) throw error;
    return unreadLock(name, error);
  }
}

/** A file, or undefined when it is not there. Throws PlaceFileError for one that is no file, too large, or not to be read. */
async function readBounded(
  name: string,
  {
    what,
    directory,
    maxBytes,
  }: { readonly what: string; readonly directory: string; readonly maxBytes: number },
): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(resolve(directory, name), "r");
    const stat = await file.stat();
    if (!stat.isFile()) throw new PlaceFileError(`read ${what} from "${name}": it is no file`);
    if (stat.size > maxBytes)
      throw new PlaceFileError(`read ${what} from "${name}": it has more than ${maxBytes} bytes`);
    return await file.readFile();
  } catch (cause) {
    if (cause instanceof PlaceFileError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    if (code === "ENOENT") return undefined;
    throw new PlaceFileError(`read ${what} from "${name}": ${code}`, { cause });
  }
}
