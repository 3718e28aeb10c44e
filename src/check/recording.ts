// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import { allowsPlainHttp } from "../policy/policy.ts";
import type { History } from "../record/history.ts";
import { type Manifest, readManifest } from "../record/manifest.ts";
import { writtenBy } from "../record/candidate.ts";
import { type Sighting, sightingStatement, subjectHash } from "../record/statement.ts";
import type { Evidence, TagRecord } from "../record/record.ts";
import type { CheckContext } from "./context.ts";
import type { Courier, Written } from "./courier.ts";
import { type DecisionResult, type ImageCheck, judgeEvidence, messageOf } from "./lookup.ts";
import type { Lookup, Verdict } from "./verdict.ts";

/** What is known about a tag after this build wrote. */
export interface WriteResult {
  readonly lookup: Lookup;
  /** Whether a record is the one that this build wrote. */
  readonly isOwn: (record: TagRecord) => boolean;
}

/** The verdict when nothing was written, or it is not known what became of it. */
export type NotWritten = Extract<Verdict, { kind: "unrecorded" | "unknown" }>;

/** Whether a record would be lost: the log's answer is the only copy, and it is not kept. */
export function isLost({ context }: ImageCheck): boolean {
  return context.policy.logs[0]?.api === 2 && !context.keepsRecords;
}

/**
 * Records what the tag names, as `writeSighting`. What was decided instead when nothing was written, or what was
 * written is not proven.
 */
export async function recordSighting(
  one: ImageCheck,
  asked: DecisionResult,
): Promise<WriteResult | DecisionResult> {
  const wrote = await writeSighting(one, asked.lookup.history);
  if ("kind" in wrote) return { ...asked, decision: wrote };
  if (isProven(wrote)) return wrote;
  return {
    lookup: wrote.lookup,
    decision: { kind: "unknown", reason: "unproven", detail: `recorded, but ${whyUnproven(wrote)}` },
  };
}

/**
 * Writes a sighting of the tag to the log, after the registry has confirmed it, and reads the log again: another build
 * may have been faster. `no-signer` when there is nothing to sign with, or it would be lost. Throws as signers do, and for
 * nothing else.
 */
export async function writeSighting(
  one: ImageCheck,
  known: History,
  approval: Pick<Sighting, "supersedes" | "reason"> = {},
): Promise<WriteResult | NotWritten> {
  const { image, signers, context } = one;
  const { reference } = image;
  const { policy, now, deadline } = context;
  const courier = isLost(one) ? undefined : await signers.signing();
  if (courier === undefined) return { kind: "unrecorded", reason: "no-signer", detail: "" };
  const served = await askRegistry(one, courier);
  if ("kind" in served) return served;
  const [log] = policy.logs;
  if (log === undefined)
    return { kind: "unknown", reason: "unwritten", detail: "not recorded: the policy names no log" };
  let statement: Uint8Array;
  let written: Written;
  try {
    statement = sightingStatement({
      ...served,
      reference: taggedName(reference),
      observedAt: now(),
      ...approval,
    });
    const { fulcio, timestamps } = policy.signing;
    written = await courier.record({ log, fulcio, timestamps, statement }, { signal: deadline() });
  } catch (error) {
    return notRecorded(error);
  }
  let evidence: readonly Evidence[];
  try {
    if ("bundle" in written) {
      evidence = [{ kind: "bundle", bundle: written.bundle, place: `the answer of ${log.url}` }];
    } else {
      const what = { log: log.url, hash: subjectHash(reference), including: written.uuid };
      const entries = await courier.find(what, { signal: deadline() });
      evidence = entries.map((entry) => ({ kind: "entry", ...entry }));
    }
  } catch (error) {
    return {
      kind: "unknown",
      reason: "unreachable",
      detail: `recorded, but not read back: ${messageOf(error)}`,
    };
  }
  // The identity that signed: the authority's word for it may differ from the token's.
  const own = writtenBy(evidence, statement);
  if (own !== undefined) signers.trustOwn(own);
  const lookup = await judgeEvidence(one, {
    evidence,
    known: known.records.length > 0 ? known : undefined,
    trust: signers.trusted(),
  });
  const payload = Buffer.from(statement).toString("base64");
  return { lookup, isOwn: ({ bundle }) => bundle?.dsseEnvelope.payload === payload };
}

/** The manifest that the registry shows to everybody under a tag or a digest. Throws as couriers do, and ManifestError. */
export async function servedManifest(
  courier: Courier,
  {
    registry,
    repository,
    tag,
  }: { readonly registry: string; readonly repository: string; readonly tag: string },
  { policy, deadline }: Pick<CheckContext, "policy" | "deadline">,
): Promise<Manifest> {
  const what = { registry, repository, tag, plainHttp: allowsPlainHttp(policy, registry) };
  const { bytes, mediaType } = await courier.manifest(what, { signal: deadline() });
  return readManifest(bytes, mediaType);
}

/** What the registry shows to everybody under the tag, if that is the image in question; or why nothing is written. */
async function askRegistry(
  { image: { reference }, rule, context }: ImageCheck,
  courier: Courier,
): Promise<Pick<Sighting, "digest" | "mediaType" | "platforms"> | NotWritten> {
  const { tag = "", digest } = reference;
  try {
    const served = await servedManifest(courier, { ...reference, tag }, context);
    if (served.digest === digest) return served;
    return { kind: "unrecorded", reason: "registry-differs", detail: served.digest };
  } catch (error) {
    const code = codeOf(error);
    if (code !== "not-found" && code !== "needs-credentials") return notRecorded(error);
    // The image is not public, so only its digest is recorded.
    if (rule.private && digest !== undefined) return { digest, platforms: [] };
    return { kind: "unrecorded", reason: "not-public", detail: messageOf(error) };
  }
}

/** Retrying may help when there was no answer, but not after a refusal or a wrong answer. */
function notRecorded(error: unknown): Extract<NotWritten, { kind: "unknown" }> {
  const code = codeOf(error);
  const reason = code === "unreachable" || code === "channel-broken" ? "unreachable" : "unwritten";
  return { kind: "unknown", reason, detail: `not recorded: ${messageOf(error)}` };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Whether what this build wrote is proven and signed by a trusted signer. */
export function isProven({ lookup, isOwn }: WriteResult): boolean {
  return lookup.history.records.some(isOwn);
}

/** Why an entry that this build wrote is no record. */
export function whyUnproven({ lookup }: WriteResult): string {
  const { rejected } = lookup.history;
  if (rejected.has("replayed"))
    return "it does not count, because this builder's clock and the log's differ by more than 15 minutes";
  if (rejected.has("bad-certificate"))
    return "no authority of the trusted root stands behind the certificate that signed it; is trusted_root.json that of the certificate authority?";
  if (rejected.has("unknown-log"))
    return "the trusted root does not have this log; is trusted_root.json that of the log?";
  return "the log does not prove it";
}
