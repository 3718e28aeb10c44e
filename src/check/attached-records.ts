// SPDX-License-Identifier: Apache-2.0
import type { CheckContext } from "./context.ts";
import { CheckError, openSigners } from "./signers.ts";
import { taggedName } from "../image/reference.ts";
import { withNewerRoot } from "./newer-root.ts";
import { namedLogs } from "../policy/policy.ts";
import { carriedHistory } from "../attestation/history.ts";
import { type EvidenceImage, evidenceReference } from "../attestation/predicate.ts";
import type { History } from "../record/history.ts";
import { subjectHash } from "../record/statement.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** What an image carries about the images that it was built from. */
export interface CarriedEvidence {
  readonly images: readonly EvidenceImage[];
  /** For messages: `the evidence of "registry.example/app:1" for linux/amd64`. */
  readonly place: string;
}

/**
 * The context of a check that knows what an image carries and nothing else: no log is asked, nothing is recorded or
 * approved, and a registry is only asked for what a digest names. Its checks throw EvidenceError for a bundle that
 * does not hold.
 *
 * Throws CheckError when nobody is trusted: whoever can push an image could have signed the records in it.
 */
export async function carriedContext(
  context: CheckContext,
  { images, place }: CarriedEvidence,
): Promise<CheckContext> {
  const { policy } = context;
  const trust = await openSigners(context).known();
  if (trust.length === 0) {
    throw new CheckError(
      `${place} cannot be verified: nothing says whose records count; name their signers under "trust" in the policy, or give the secret that signs`,
    );
  }
  const logs = namedLogs(policy);
  const counted = logs === undefined ? {} : { logs };
  const bundles = bundlesByTag(images, place);
  const why = new Map<string, string>();
  return {
    ...context,
    // A log that cannot be searched is asked as well, and answers as the others do.
    policy: { ...policy, trust, recheck: "never", logs: policy.logs.map(({ url }) => ({ url, api: 1 })) },
    keepsRecords: false,
    recheck: false,
    approval: undefined,
    async locked(subject) {
      const read = (root: TrustedRoot): History =>
        carriedHistory(
          bundles.get(taggedName(subject)) ?? [],
          { subject, trust, trustedRoot: root, ...counted },
          place,
        );
      const history = await withNewerRoot(read, context);
      why.set(subjectHash(subject), missing(history));
      return history.records.length > 0 ? history : undefined;
    },
    courier: async () => ({
      ready: async () => ({}),
      find: async ({ hash }) => refuse(why.get(hash) ?? "a log is not asked"),
      async manifest(what, deadline) {
        if (!what.tag.includes(":")) refuse("a tag is not asked for");
        return (await context.courier({ signing: false })).manifest(what, deadline);
      },
      blob: async () => refuse("a blob is not asked for"),
      record: async () => refuse("nothing is recorded"),
    }),
  };
}

/** A build that uses a tag with several digests has its records beside each of them. */
function bundlesByTag(
  images: readonly EvidenceImage[],
  place: string,
): ReadonlyMap<string, readonly unknown[]> {
  const bundles = new Map<string, unknown[]>();
  for (const image of images) {
    const reference = evidenceReference(image, place);
    if (reference?.tag === undefined) continue;
    const name = taggedName(reference);
    bundles.set(name, [...(bundles.get(name) ?? []), ...image.bundles]);
  }
  return bundles;
}

function missing({ rejected }: History): string {
  const counts = [...rejected].map(([reason, count]) => `${count} ${reason}`).join(", ");
  return counts === ""
    ? "the image carries no record of it, and a log is not asked"
    : `the image carries no record of it that counts (${counts}), and a log is not asked`;
}

function refuse(why: string): never {
  throw new Error(why);
}
