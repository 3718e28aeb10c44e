// SPDX-License-Identifier: Apache-2.0
import type { CheckContext } from "./context.ts";
import { ROOT_TOO_OLD } from "../record/error.ts";
import { EvidenceError } from "../attestation/error.ts";
import type { History } from "../record/history.ts";
import { LockError } from "../lock/error.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/**
 * A history that was brought along, by the trusted root; by a newer one, which is looked for once, when what was brought
 * is newer than the first. Throws what `read` throws.
 */
export async function withNewerRoot(
  read: (root: TrustedRoot) => History,
  { trustedRoot, newerRoot }: Pick<CheckContext, "trustedRoot" | "newerRoot">,
): Promise<History> {
  const root = await trustedRoot();
  try {
    return read(root);
  } catch (error) {
    const reason = error instanceof LockError || error instanceof EvidenceError ? error.reason : undefined;
    const isTooOld = reason !== undefined && ROOT_TOO_OLD.has(reason);
    const newer = isTooOld ? await newerRoot?.().catch(() => undefined) : undefined;
    if (newer === undefined) throw error;
    return read(newer);
  }
}
