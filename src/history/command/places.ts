// SPDX-License-Identifier: Apache-2.0
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { readBakedPolicy } from "../../build/baked-policy.ts";
import type { CheckContext } from "../../check/context.ts";
import { CourierChannel } from "../../courier/client/channel.ts";
import { serve } from "../../courier/server/service.ts";
import type { Ledger } from "../../ledger/answer.ts";
import { LockError } from "../../lock/error.ts";
import { type LockFile, parseLockFile } from "../../lock/file.ts";
import { LOCK_FILE, MAX_LOCK_BYTES } from "../../lock/name.ts";
import type { CommandIo } from "../../observer/command-line.ts";
import { MAX_POLICY_BYTES, POLICY_FILE } from "../../policy/name.ts";
import {
  allowsPlainHttp,
  checkLogsAreTrusted,
  type EffectivePolicy,
  namedLogs,
  type PolicyText,
  readPolicy,
} from "../../policy/policy.ts";
import { openRegistry } from "../../registry/client.ts";
import { dockerCredentials } from "../../registry/credentials.ts";
import { openRegistryLedgers } from "../../registry/ledgers.ts";
import { type BuildTrust, openTrust } from "../../trust/build-trust.ts";
import type { TrustedRoot } from "../../trust/trusted-root.ts";
import { type UnreadLock, unreadLock } from "../asked.ts";

/** Where an organisation's derived image puts its policy, its trusted root and its signing configuration, as for builds. */
const CONFIGURATION = "/etc/tlog-dockerfile";
/** How much longer we wait than one request may take, in milliseconds, so that its own message is the one people see. */
const GRACE_MS = 6_000;
/** How long a newer trusted root is waited for, in milliseconds. */
const NEWER_ROOT_MS = 5_000;

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
  const trust = await openTrust({ own: CONFIGURATION, shipped, now });
  const policy = await readPolicy({
    services: trust.services,
    baked: await readBakedPolicy(CONFIGURATION),
    repository: await readPolicyText(options.policy, directory),
    buildArgs: {},
    ledgers: environment["TLOG_LEDGERS"],
  });
  const lock = await readLock(options.lock, policy.lock ?? LOCK_FILE, directory);
  const courier = openCourier(policy.timeoutMs);
  const deadline = (): AbortSignal =>
    AbortSignal.any([signal, AbortSignal.timeout(policy.timeoutMs + GRACE_MS)]);
  const roots = openRoots({ trust, policy, courier, deadline });
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

/** A courier in this process, with all the bounds of one in a container, and without secrets. */
function openCourier(deadlineMs: number): CourierChannel {
  const toServer = new Lines();
  const toClient = new Lines();
  serve({
    lines: toServer,
    say: (line) => toClient.push(line.slice(0, -1)),
    secret: Promise.resolve({}),
    deadlineMs,
  }).then(
    () => toClient.end(),
    () => toClient.end(),
  );
  return new CourierChannel({
    write: (line) => toServer.push(line.slice(0, -1)),
    close: () => toServer.end(),
    lines: toClient,
  });
}

/** Lines that one side writes and the other reads. */
class Lines implements AsyncIterable<string> {
  readonly #waiting: string[] = [];
  #hasEnded = false;
  #wake = Promise.withResolvers<void>();

  push(line: string): void {
    this.#waiting.push(line);
    this.#wake.resolve();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for (;;) {
      for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) yield line;
      if (this.#hasEnded) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}

/** The trusted root, and a newer one where a record needs it or the policy names a log that is newer than the first. */
function openRoots({
  trust,
  policy,
  courier,
  deadline,
}: {
  readonly trust: BuildTrust;
  readonly policy: EffectivePolicy;
  readonly courier: CourierChannel;
  readonly deadline: () => AbortSignal;
}): Required<Pick<CheckContext, "trustedRoot" | "newerRoot">> {
  let root: Promise<TrustedRoot> | undefined;
  let renewed: Promise<TrustedRoot | undefined> | undefined;
  const newerRoot = (): Promise<TrustedRoot | undefined> => {
    const signal = AbortSignal.any([deadline(), AbortSignal.timeout(NEWER_ROOT_MS)]);
    return (renewed ??= trust.refreshed({
      fetchFile: (what) => courier.file(what, { signal }),
      signal,
      mirror: policy.tuf,
    }));
  };
  const urls = ({ material }: TrustedRoot) => material.tlogs.map(({ baseURL }) => baseURL);
  const openRoot = async (): Promise<TrustedRoot> => {
    const first = await trust.trustedRoot();
    try {
      checkLogsAreTrusted(policy, urls(first));
      return first;
    } catch (error) {
      const newer = await newerRoot().catch(() => undefined);
      if (newer === undefined) throw error;
      checkLogsAreTrusted(policy, urls(newer));
      return newer;
    }
  };
  return { trustedRoot: () => (root ??= openRoot()), newerRoot };
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
