// SPDX-License-Identifier: Apache-2.0
import { checkLogsAreTrusted, type EffectivePolicy } from "../policy/policy.ts";
import type { BuildTrust } from "../trust/build-trust.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { FetchFile } from "../trust/trusted-root-update.ts";
import type { CheckContext } from "./context.ts";

/** How long a check waits for a newer trusted root that a record seems to need, in milliseconds. */
const NEWER_ROOT_MS = 5_000;

/**
 * The trusted roots of a check: the first one has every log that the policy names, and the newer one is fetched once, when it is
 * needed. `files` opens the way to a TUF repository. The first throws TrustError and PolicyError ("unknown-log").
 */
export function openRoots({
  policy,
  trust,
  files,
  deadline,
}: {
  readonly policy: EffectivePolicy;
  readonly trust: BuildTrust;
  readonly files: (signal: AbortSignal) => Promise<FetchFile>;
  readonly deadline: () => AbortSignal;
}): Required<Pick<CheckContext, "trustedRoot" | "newerRoot">> {
  let root: Promise<TrustedRoot> | undefined;
  let renewed: Promise<TrustedRoot | undefined> | undefined;
  const newerRoot = async (signal: AbortSignal): Promise<TrustedRoot | undefined> => {
    const fetchFile = await inTime(signal, files(signal));
    return trust.refreshed({ fetchFile, signal, mirror: policy.tuf });
  };
  const openRoot = async (): Promise<TrustedRoot> => {
    const first = await trust.trustedRoot();
    try {
      checkLogsAreTrusted(policy, logUrls(first));
      return first;
    } catch (error) {
      // The policy may name a log that is newer than the trusted root.
      const newer = await newerRoot(deadline()).catch(() => undefined);
      if (newer === undefined) throw error;
      checkLogsAreTrusted(policy, logUrls(newer));
      return newer;
    }
  };
  return {
    trustedRoot: () => (root ??= openRoot()),
    newerRoot: () => (renewed ??= newerRoot(AbortSignal.timeout(NEWER_ROOT_MS))),
  };
}

/** What comes, unless the signal ends the wait for it. */
function inTime<T>(signal: AbortSignal, coming: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return Promise.race([coming, promise]);
}

function logUrls({ material }: TrustedRoot): readonly string[] {
  return material.tlogs.map(({ baseURL }) => baseURL);
}
