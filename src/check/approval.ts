// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import { latest } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";
import { type DecisionResult, type ImageCheck, isToBeApproved } from "./lookup.ts";
import { isLost, isProven, type NotWritten, whyUnproven, writeSighting } from "./recording.ts";
import { CheckError } from "./signers.ts";

/**
 * The record that an approval is to supersede: the standing one, when this check is to approve the image and another
 * one stands. A rule may follow another record than the standing one, and a digest in the Dockerfile may have one of its own.
 */
export function toBeSuperseded(one: ImageCheck, { lookup }: DecisionResult): TagRecord | undefined {
  const record = isToBeApproved(one) === true ? lookup.standing?.record : undefined;
  return record?.digest === one.image.reference.digest ? undefined : record;
}

/**
 * Writes that the standing record's digest is superseded by the image's, and reads the log again. The image is what the
 * registry shows under the tag now; or what the Dockerfile names by digest, and a trusted signer saw there before.
 * Throws CheckError when that fails, when this build's signer may not approve, and when another approval was first.
 */
export async function approve(
  one: ImageCheck,
  asked: DecisionResult,
  standing: TagRecord,
): Promise<DecisionResult> {
  const name = taggedName(one.image.reference);
  if (isLost(one)) {
    throw new CheckError(
      `approve "${name}": the log cannot be searched, and the approval would be lost; approve with --build-arg TLOG_LOCK=update -o . instead of --call tlog, so that the lock file keeps it`,
    );
  }
  const { reason } = one.context.approval ?? {};
  const approval = { supersedes: standing.digest, ...(reason !== undefined && { reason }) };
  const { claimed, reference } = one.image;
  const seen = claimed ? latest(asked.lookup.history, reference.digest) : undefined;
  const wrote = await writeSighting(one, asked.lookup.history, { approval, seen });
  if ("kind" in wrote) throw new CheckError(`approve "${name}": ${whyNotWritten(wrote)}`);
  if (!isProven(wrote)) throw new CheckError(`approve "${name}": logged, but ${whyUnproven(wrote)}`);
  const { digest } = reference;
  const stands = wrote.lookup.standing?.record;
  if (stands !== undefined && stands.digest === digest) {
    return { lookup: wrote.lookup, decision: { kind: "approved", record: stands, superseded: standing } };
  }
  if (stands !== undefined && stands.digest !== standing.digest) {
    throw new CheckError(
      `approve "${name}": somebody else approved "${stands.digest}" at the same time and was first; look at it, and approve again if "${digest}" is the one to be used`,
    );
  }
  const { trust } = one.context.policy.sources;
  throw new CheckError(
    `approve "${name}": logged, but who signs here may not approve by the policy (${trust}); give that signer "may: [record, approve]" there, or approve as somebody who has it`,
  );
}

function whyNotWritten({ kind, reason, detail }: NotWritten): string {
  if (kind === "unknown" || reason === "internal-name") return detail;
  return reason === "no-signer"
    ? "there is nothing to sign with; give --secret id=tlog-signing-key,src=FILE or --secret id=tlog-identity-token,src=FILE"
    : `the registry does not confirm the image (${detail})`;
}
