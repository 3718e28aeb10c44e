// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import type { Record } from "../record/verification.ts";
import { type Case, type Decided, decideOn, isLost, unproven, writeSighting } from "./case.ts";
import { CheckError } from "./signers.ts";

/** Whether this check is to approve what the image's tag names now. */
export function isToBeApproved({ image, context }: Case): boolean {
  const { approval } = context;
  return approval !== undefined && taggedName(approval.tag) === taggedName(image.reference);
}

/**
 * Writes that the standing record's digest is superseded by the one that the tag names now, and reads the log again.
 * Throws CheckError when that cannot be done, when who signs here may not approve, and when another approval was first.
 */
export async function approve(one: Case, asked: Decided, standing: Record): Promise<Decided> {
  const name = taggedName(one.image.reference);
  if (isLost(one)) {
    throw new CheckError(
      `approve "${name}": the log cannot be searched, and the approval would be lost; approve with --build-arg TLOG_LOCK=update -o . instead of --call tlog, so that the lock file keeps it`,
    );
  }
  const reason = one.context.approval?.reason;
  const wrote = await writeSighting(one, asked, { supersedes: standing.digest, reason });
  if (wrote === undefined) {
    throw new CheckError(
      `approve "${name}": there is nothing to sign with; give --secret id=tlog-signing-key,src=FILE or --secret id=tlog-identity-token,src=FILE`,
    );
  }
  if ("kind" in wrote) {
    const why =
      wrote.kind === "unknown" ? wrote.detail : `the registry does not confirm the image (${wrote.detail})`;
    throw new CheckError(`approve "${name}": ${why}`);
  }
  const decision = decideOn(one, wrote.lookup);
  if (decision.kind === "unchanged" && decision.note === undefined) {
    return { ...wrote, decision: { kind: "approved", record: decision.record, superseded: standing } };
  }
  if (decision.kind === "moved" && decision.record.digest !== standing.digest) {
    throw new CheckError(
      `approve "${name}": somebody else approved "${decision.record.digest}" at the same time and was first; look at it, and approve again if "${one.image.reference.digest ?? ""}" is the one to be used`,
    );
  }
  const why =
    wrote.rejected.size > 0
      ? unproven("logged", wrote.rejected)
      : `logged, but who signs here may not approve by the policy (${one.context.policy.sources.trust}); give that signer "may: [record, approve]" there, or approve as somebody who has it`;
  throw new CheckError(`approve "${name}": ${why}`);
}
