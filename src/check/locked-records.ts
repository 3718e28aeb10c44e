// SPDX-License-Identifier: Apache-2.0
import type { CheckContext } from "./context.ts";
import { CheckError } from "./signers.ts";
import { taggedName } from "../image/reference.ts";
import { withNewerRoot } from "./newer-root.ts";
import { type EffectivePolicy, namedLogs } from "../policy/policy.ts";
import type { LockFile } from "../lock/file.ts";
import { lockedHistory } from "../lock/history.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** What a lock file is read with. */
export interface LockedRecordsContext extends Pick<CheckContext, "trustedRoot" | "newerRoot"> {
  readonly policy: Pick<EffectivePolicy, "logs" | "sources">;
}

/**
 * Reads the records of a tag out of the lock file: undefined when the file has none that counts. Throws LockError for
 * a line of this tag that does not hold, and CheckError when the build says of nobody that they are trusted: whoever
 * can write the file could have signed its records.
 */
export function lockedRecords(
  lock: LockFile,
  { policy, ...roots }: LockedRecordsContext,
): NonNullable<CheckContext["locked"]> {
  const logs = namedLogs(policy);
  const counted = logs === undefined ? {} : { logs };
  return async (subject, trust) => {
    const name = taggedName(subject);
    if (!lock.tags.has(name)) return undefined;
    if (trust.length === 0) {
      throw new CheckError(
        `"${lock.name}" has records of "${name}", and nothing says whose records count; name their signers under "trust" in the policy, or give the secret that signs`,
      );
    }
    const read = (root: TrustedRoot) =>
      lockedHistory(lock, { subject, trust, trustedRoot: root, ...counted });
    const history = await withNewerRoot(read, roots);
    return history.records.length > 0 ? history : undefined;
  };
}
