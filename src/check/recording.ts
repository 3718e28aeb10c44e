// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import type { LogService } from "../log/signing-config.ts";
import { allowsPlainHttp, type Policy } from "../policy/policy.ts";
import type { Evidence, History } from "../record/history.ts";
import { readManifest } from "../record/manifest.ts";
import { writtenBy } from "../record/own-entry.ts";
import { type Sighting, sightingStatement, subjectHash } from "../record/statement.ts";
import type { Record } from "../record/verification.ts";
import type { Courier, Written } from "./courier.ts";
import { judgeEvidence, type Looked, messageOf, type Places } from "./lookup.ts";
import type { Signers } from "./signers.ts";
import type { Verdict } from "./verdict.ts";

/** What is written about a tag. */
export interface Writing {
  /** With the digest that BuildKit would use. */
  readonly reference: Reference;
  /** Whether the image may be named although the registry does not show it to everybody. */
  readonly private: boolean;
  /** Of an approval: the digest that it puts out of force, and why. */
  readonly approval?: { readonly supersedes: Digest; readonly reason?: string | undefined };
}

/** Who writes, and what was known of the tag before. */
export interface Writer {
  /** The one with the build's secrets. */
  readonly courier: Courier;
  readonly signers: Signers;
  readonly known: History | undefined;
}

/** What writing takes from outside. */
export interface WritingContext extends Places {
  readonly policy: Policy;
  readonly now: () => Date;
}

/** What is known of a tag after this build wrote. */
export interface Wrote extends Looked {
  /** Whether a record is the one that this build wrote. */
  readonly isOwn: (record: Record) => boolean;
}

/** The verdict when nothing was written, or nobody can say what became of it. */
export type NotWritten = Extract<Verdict, { kind: "unrecorded" | "unknown" }>;

/**
 * Writes a sighting of the tag to the log, after the registry has confirmed it, and reads the log again: somebody may
 * have been faster. Never throws.
 */
export async function write(
  writing: Writing,
  { courier, signers, known }: Writer,
  context: WritingContext,
): Promise<Wrote | NotWritten> {
  const { reference, approval } = writing;
  const { policy, now, deadline } = context;
  const served = await askRegistry(writing, courier, context);
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
      ...(approval && { supersedes: approval.supersedes }),
      ...(approval?.reason !== undefined && { reason: approval.reason }),
    });
    const { fulcio, timestamps } = policy.signing;
    written = await courier.record({ log, fulcio, timestamps, statement }, { signal: deadline() });
  } catch (error) {
    return notRecorded(error);
  }
  let evidence: readonly Evidence[];
  try {
    evidence =
      "bundle" in written
        ? [{ kind: "bundle", bundle: written.bundle, place: `the answer of ${log.url}` }]
        : await readBack(reference, { log, uuid: written.uuid, courier, signal: deadline() });
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
  const looked = await judgeEvidence(reference, { evidence, known, trust: signers.trusted() }, context);
  const payload = Buffer.from(statement).toString("base64");
  return { ...looked, isOwn: ({ bundle }) => bundle?.dsseEnvelope.payload === payload };
}

/** What the registry shows to everybody under the tag, if that is the image in question; or why nothing is written. */
async function askRegistry(
  { reference, private: isPrivate }: Writing,
  courier: Courier,
  { policy, deadline }: WritingContext,
): Promise<Pick<Sighting, "digest" | "mediaType" | "platforms"> | NotWritten> {
  const { registry, repository, tag = "", digest } = reference;
  try {
    const plainHttp = allowsPlainHttp(policy, registry);
    const manifest = await courier.manifest({ registry, repository, tag, plainHttp }, { signal: deadline() });
    const served = readManifest(manifest.bytes, manifest.mediaType);
    if (served.digest === digest) return served;
    return { kind: "unrecorded", reason: "registry-differs", detail: served.digest };
  } catch (error) {
    const code = codeOf(error);
    if (code !== "not-found" && code !== "needs-credentials") return notRecorded(error);
    // Nobody but the builder can see the image, so nothing is said of it but its digest.
    if (isPrivate && digest !== undefined) return { digest, platforms: [] };
    return { kind: "unrecorded", reason: "not-public", detail: messageOf(error) };
  }
}

/** Who gave no answer may give one later; who refused, or answered something else than was asked for, will again. */
function notRecorded(error: unknown): Extract<NotWritten, { kind: "unknown" }> {
  const code = codeOf(error);
  const reason = code === "unreachable" || code === "channel-broken" ? "unreachable" : "unwritten";
  return { kind: "unknown", reason, detail: `not recorded: ${messageOf(error)}` };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function readBack(
  reference: Reference,
  {
    log,
    uuid,
    courier,
    signal,
  }: {
    readonly log: LogService;
    readonly uuid: string;
    readonly courier: Courier;
    readonly signal: AbortSignal;
  },
): Promise<readonly Evidence[]> {
  const what = { log: log.url, hash: subjectHash(reference), including: uuid };
  const entries = await courier.find(what, { signal });
  return entries.map((entry) => ({ kind: "entry", ...entry }));
}
