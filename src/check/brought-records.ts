// SPDX-License-Identifier: Apache-2.0
import { EvidenceError } from "../attestation/error.ts";
import { type EvidenceImage, evidenceReference } from "../attestation/predicate.ts";
import { parseReference, type Reference, taggedName } from "../image/reference.ts";
import { LockError } from "../lock/error.ts";
import type { LockFile } from "../lock/file.ts";
import { lockedHistory } from "../lock/history.ts";
import { type EffectivePolicy, namedLogs } from "../policy/policy.ts";
import { ROOT_TOO_OLD } from "../record/error.ts";
import { type History, readKeptHistory } from "../record/history.ts";
import type { RecordContext } from "../record/record.ts";
import type { Trust } from "../record/signer.ts";
import type { CheckContext } from "./context.ts";
import { CheckError, openSigners } from "./signers.ts";

/** What records that a build brings along are read with. */
export interface BroughtRecordsContext extends Pick<CheckContext, "trustedRoot" | "newerRoot"> {
  readonly policy: Pick<EffectivePolicy, "logs" | "sources">;
}

/** What an image carries about the images that it was built from. */
export interface AttachedEvidence {
  readonly images: readonly EvidenceImage[];
  /** For messages: `the evidence of "registry.example/app:1" for linux/amd64`. */
  readonly place: string;
}

/** As many tags of a lock file are proven before anybody asks. A build has few, and a file may have thousands. */
const PROVEN_AHEAD = 16;

/**
 * Reads the records of a tag from the lock file: undefined when the file has no line of it. What has been proven once, by the
 * same trust, is not proven again. Throws LockError for a line of this tag that does not hold, and CheckError when the build
 * trusts nobody: whoever can write the file could have signed its records.
 */
export function lockedRecords(
  lock: LockFile,
  context: BroughtRecordsContext,
): NonNullable<CheckContext["locked"]> {
  const known = new Map<string, { readonly trust: readonly Trust[]; readonly history: Promise<History> }>();
  return async (subject, trust) => {
    const name = taggedName(subject);
    if (!lock.tags.has(name)) return undefined;
    const before = known.get(name);
    if (before !== undefined && areSame(before.trust, trust)) return before.history;
    if (trust.length === 0) {
      throw new CheckError(
        `"${lock.name}" has records of "${name}", and nothing says whose records count; name their signers under "trust" in the policy, or give the secret that signs`,
      );
    }
    const history = readBrought((by) => lockedHistory(lock, by), { subject, trust }, context);
    known.set(name, { trust, history });
    return history;
  };
}

function areSame(one: readonly Trust[], other: readonly Trust[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}

/**
 * Proves the first tags of a lock file while the build's images are not known yet, so that nobody waits for it then. What does
 * not hold is told to whoever asks for it.
 */
export async function proveAhead(
  { tags }: LockFile,
  locked: NonNullable<CheckContext["locked"]>,
  trust: readonly Trust[],
): Promise<void> {
  if (trust.length === 0) return;
  for (const name of [...tags.keys()].slice(0, PROVEN_AHEAD)) {
    // Meanwhile others are answered.
    await new Promise(setImmediate);
    await locked(parseReference(name), trust).catch(() => undefined);
  }
}

/**
 * The context of a check that knows what an image carries and nothing else: no log is asked, nothing is recorded or
 * approved, and a registry is asked only for what a digest names. Its checks throw EvidenceError for a bundle that
 * does not hold.
 *
 * Throws CheckError when nobody is trusted: whoever can push an image could have signed the records in it.
 */
export async function attachedContext(
  context: CheckContext,
  { images, place }: AttachedEvidence,
): Promise<CheckContext> {
  const trust = await openSigners(context).known();
  if (trust.length === 0) {
    throw new CheckError(
      `${place} cannot be verified: nothing says whose records count; name their signers under "trust" in the policy, or give the secret that signs`,
    );
  }
  const bundles = bundlesByTag(images, place);
  return {
    ...context,
    policy: { ...context.policy, trust },
    approval: undefined,
    onlyBrought: true,
    locked: async (subject) =>
      readBrought(
        (by) => attachedHistory(bundles.get(taggedName(subject)) ?? [], by, place),
        { subject, trust },
        context,
      ),
  };
}

/**
 * The history of a tag as the bundles that an image carries about it prove it. Bundles that the policy does not count are
 * among the rejected; any other that proves no record is an EvidenceError ("unproven", with the reason). A reason of
 * "unknown-log" or "bad-certificate" may be due to a trusted root that is older than the image. `place` is for messages.
 */
export function attachedHistory(bundles: readonly unknown[], context: RecordContext, place: string): History {
  const evidence = bundles.map((bundle, index) => ({
    kind: "bundle" as const,
    bundle,
    place: `${place}, bundle ${index + 1} of "${taggedName(context.subject)}"`,
  }));
  return readKeptHistory(evidence, context, {
    refuse(reason, each) {
      const why =
        reason === "wrong-subject" ? "it is about another tag" : `it does not prove a record (${reason})`;
      return new EvidenceError("unproven", `read ${each.place}: ${why}; the evidence was changed`, {
        reason,
      });
    },
  });
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

/**
 * Reads a history by the trusted root; by a newer one, which is asked for once, when what was brought is newer than the
 * first. Throws what `read` throws.
 */
async function readBrought(
  read: (context: RecordContext) => History,
  by: { readonly subject: Reference; readonly trust: readonly Trust[] },
  { policy, trustedRoot, newerRoot }: BroughtRecordsContext,
): Promise<History> {
  const context = { ...by, logs: namedLogs(policy) };
  const root = await trustedRoot();
  try {
    return read({ ...context, trustedRoot: root });
  } catch (error) {
    const reason = error instanceof LockError || error instanceof EvidenceError ? error.reason : undefined;
    const isTooOld = reason !== undefined && ROOT_TOO_OLD.has(reason);
    const newer = isTooOld ? await newerRoot?.().catch(() => undefined) : undefined;
    if (newer === undefined) throw error;
    return read({ ...context, trustedRoot: newer });
  }
}
