// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { openCollector } from "../courier/server/collector.ts";
import { isLoopbackRegistry, isPublicRegistry } from "../image/registry.ts";
import { mayUsePlainHttp } from "../policy/address.ts";
import { openRegistry, type Registry, type RegistryOptions } from "../registry/client.ts";
import { dockerCredentials } from "../registry/credentials.ts";
import { openTrust, OWN_CONFIGURATION } from "../trust/build-trust.ts";
import { parseTrustedRoot, type TrustedRoot } from "../trust/trusted-root.ts";
import { logOf, type ObserverConfiguration } from "./configuration.ts";
import { NotRecordedError, openRecorder, type Recorder } from "./recorder.ts";
import { readSigning } from "./signing.ts";

/** What an observer takes from the machine, and how it waits for registries. */
export interface ObserverHost extends Pick<RegistryOptions, "onRequest" | "pause" | "requestMs"> {
  /** The directory with the trusted root and the signing configuration that we ship. */
  readonly shipped: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How many tags' lines are put into the ledger together. Default: 2000. */
  readonly batch?: number;
}

const DEFAULT_CONCURRENCY = 8;
/** After so much is memory given back; and what a request leaves behind besides its body. */
const COLLECT_BYTES = 8 * 1024 * 1024;
const REQUEST_BYTES = 16 * 1024;

/** How an observer waits; rejects when the signal ends it. */
export function pauseOf({ pause }: ObserverHost): NonNullable<ObserverHost["pause"]> {
  return pause ?? (async (ms, signal) => void (await sleep(ms, undefined, { signal })));
}

/** What signs, logs and proves by the configuration. Throws NotRecordedError, TrustError, and what reading files throws. */
export async function openConfiguredRecorder(
  configuration: Omit<ObserverConfiguration, "watch">,
  {
    shipped,
    environment,
    now,
    signal,
    pause,
  }: Pick<ObserverHost, "shipped" | "environment"> & {
    readonly now: () => Date;
    readonly signal: AbortSignal;
    readonly pause: NonNullable<ObserverHost["pause"]>;
  },
): Promise<{ readonly recorder: Recorder; readonly trustedRoot: TrustedRoot }> {
  const trust = await openTrust({ own: OWN_CONFIGURATION, shipped, now });
  const log = logOf(configuration, trust.services);
  if (log === undefined)
    throw new NotRecordedError('no log is known to write to; name one with "log" in the configuration');
  const { trustedRoot: path } = configuration;
  const trustedRoot =
    path === undefined ? await trust.trustedRoot() : parseTrustedRoot(await readFile(path, "utf8"), path);
  const secret = await readSigning(configuration.signing, { environment, now, signal });
  const recorder = openRecorder({
    log,
    fulcio: configuration.fulcio ?? trust.services.fulcio,
    timestamps: configuration.timestamps ?? trust.services.timestamps,
    secret,
    trustedRoot,
    now,
    pause,
  });
  return { recorder, trustedRoot };
}

/** Registries as the configuration says they are asked. Close both in the end. */
export interface ConfiguredRegistries {
  /** With the credentials of `docker login`. */
  readonly own: Registry & { close(): void };
  /** Without any: what everybody can see is all that is told in public. */
  readonly everybody: Registry & { close(): void };
}

/** Opens registries. */
export function openRegistries(
  { registries }: Pick<ObserverConfiguration, "registries">,
  { environment, onRequest, pause, requestMs, now }: ObserverHost & { readonly now: () => Date },
): ConfiguredRegistries {
  const concurrency = new Map(registries.map((each) => [each.host, each.concurrency]));
  const haveMoved = openCollector(COLLECT_BYTES);
  const options = {
    plainHttp: (of: string) => mayUsePlainHttp(of, registries),
    concurrency: (of: string) => concurrency.get(of) ?? DEFAULT_CONCURRENCY,
    onRequest(counted: Parameters<NonNullable<typeof onRequest>>[0]) {
      haveMoved(REQUEST_BYTES + counted.sent + counted.received);
      onRequest?.(counted);
    },
    ...(pause && { pause }),
    clock: () => now().getTime(),
    ...(requestMs !== undefined && { requestMs }),
  };
  return {
    own: openRegistry({ ...options, credentials: dockerCredentials(environment) }),
    everybody: openRegistry({ ...options, credentials: { of: async () => undefined } }),
  };
}

/** Why a log does not hear of images of this registry; `wayOut` says how it may. Undefined for a public one. */
export function whyNotNamed(registry: string, wayOut: string): string | undefined {
  if (isPublicRegistry(registry)) return undefined;
  const why = isLoopbackRegistry(registry)
    ? `the registry "${registry}" is another one on each machine`
    : `the registry "${registry}" is not of the public internet, and logs are public`;
  return `${why}; ${wayOut} says that the log may have its names all the same`;
}
