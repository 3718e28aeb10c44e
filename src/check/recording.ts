// SPDX-License-Identifier: Apache-2.0
import { type Reference, taggedName } from "../image/reference.ts";
import { isLoopbackRegistry, isPublicRegistry } from "../image/registry.ts";
import { allowsPlainHttp, isNamedAnywhere } from "../policy/policy.ts";
import type { History } from "../record/history.ts";
import { type Manifest, readManifest } from "../record/manifest.ts";
import { writtenBy } from "../record/candidate.ts";
import { type Sighting, sightingStatement, subjectHash } from "../record/statement.ts";
import type { TagRecord } from "../record/record.ts";
import type { CheckContext } from "./context.ts";
import { countingOf } from "./counting.ts";
import type { Courier, Written } from "./courier.ts";
import {
  type Brought,
  broughtBy,
  type DecisionResult,
  type ImageCheck,
  judgeEvidence,
  messageOf,
} from "./lookup.ts";
import { type Lookup, type Verdict, whyUnread } from "./verdict.ts";

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
 * Why a log does not hear of this image: its registry has another name, or no name, elsewhere, and what is in a public log
 * stays there. Undefined when it may be named.
 */
export function whyNotNamed({ image, rule, context }: ImageCheck): string | undefined {
  const { registry } = image.reference;
  if (isNamedAnywhere(rule, context.policy) || isPublicRegistry(registry)) return undefined;
  const allowed = 'a policy baked into the frontend may say "private: true" for it';
  if (isLoopbackRegistry(registry))
    return `the registry "${registry}" is another one on each machine, so it has no history in a log; ${allowed}`;
  if (context.policy.logs[0]?.private) return undefined;
  return `the registry "${registry}" is not of the public internet, and the log is public; ${allowed}, or name a log with "private: true"`;
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
  const { lookup } = wrote;
  if (isProven(wrote)) {
    // One that could not be read may be a record from a moment before.
    const unread = whyUnread(lookup.history);
    return unread === undefined
      ? wrote
      : { lookup, decision: { ...unread, detail: `recorded, but ${unread.detail}` } };
  }
  return {
    lookup,
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
  { approval = {}, seen }: Approving = {},
): Promise<WriteResult | NotWritten> {
  const { image, signers, context } = one;
  const { reference } = image;
  const { policy, now, deadline } = context;
  const hidden = whyNotNamed(one);
  if (hidden !== undefined) return { kind: "unrecorded", reason: "internal-name", detail: hidden };
  const courier = isLost(one) ? undefined : await signers.signing();
  if (courier === undefined) return { kind: "unrecorded", reason: "no-signer", detail: "" };
  const [log] = policy.logs;
  if (log === undefined)
    return { kind: "unknown", reason: "unwritten", detail: "not recorded: the policy names no log" };
  const served = seen === undefined ? await askRegistry(one, courier) : contentOf(seen);
  if ("kind" in served) return served;
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
  let brought: Brought;
  const read = async (): Promise<Brought> =>
    "bundle" in written
      ? onlyBundle(written.bundle, log.url)
      : readBack(one, { log: log.url, including: written.uuid, courier });
  try {
    const trusted = signers.trusted();
    brought = await read();
    // The identity that signed: the authority's word for it may differ from the token's.
    const own = writtenBy(brought.evidence, statement);
    if (own !== undefined) signers.trustOwn(own);
    // What others wrote in that name did not count so far.
    if (signers.trusted() !== trusted) brought = await read();
  } catch (error) {
    return {
      kind: "unknown",
      reason: "unreachable",
      detail: `recorded, but not read back: ${messageOf(error)}`,
    };
  }
  const lookup = await judgeEvidence(one, {
    ...brought,
    known: known.records.length > 0 ? known : undefined,
    trust: signers.trusted(),
    isOwn: true,
  });
  const payload = Buffer.from(statement).toString("base64");
  return { lookup, isOwn: ({ bundle }) => bundle?.dsseEnvelope.payload === payload };
}

interface Approving {
  readonly approval?: Pick<Sighting, "supersedes" | "reason">;
  /** A trusted record of this image under the tag. The registry, where the tag may name another one now, is not asked then. */
  readonly seen?: TagRecord | undefined;
}

type Content = Pick<Sighting, "digest" | "mediaType" | "platforms">;

function contentOf({ digest, mediaType, platforms }: Content): Content {
  return { digest, ...(mediaType !== undefined && { mediaType }), platforms };
}

function onlyBundle(bundle: unknown, url: string): Brought {
  return { evidence: [{ kind: "bundle", bundle, place: `the answer of ${url}` }], dropped: new Map() };
}

/** The tag's entries after one was written, that one among them. Throws as couriers do. */
async function readBack(
  { image: { reference }, signers, context }: ImageCheck,
  {
    log,
    including,
    courier,
  }: { readonly log: string; readonly including: string; readonly courier: Courier },
): Promise<Brought> {
  const { deadline, trustedRoot } = context;
  const counting = countingOf(signers.trusted(), await trustedRoot());
  const what = {
    log,
    hash: subjectHash(reference),
    tag: taggedName(reference),
    including,
    ...(counting && { counting }),
  };
  return broughtBy([await courier.find(what, { signal: deadline() })]);
}

/**
 * The manifest that the registry shows to everybody under a tag or a digest; where the tag is to be `named`, and is
 * not, the digest that it names. With `isPublic` a registry at an address that is not public fails as `not-public`. Throws
 * as couriers do, and ManifestError.
 */
export async function servedManifest(
  courier: Courier,
  {
    registry,
    repository,
    tag,
    named,
    isPublic = false,
  }: Pick<Reference, "registry" | "repository"> & {
    readonly tag: string;
    readonly named?: string;
    readonly isPublic?: boolean;
  },
  { policy, deadline }: Pick<CheckContext, "policy" | "deadline">,
): Promise<Manifest | { readonly digest: string }> {
  const plainHttp = allowsPlainHttp(policy, registry);
  const what = {
    registry,
    repository,
    tag,
    plainHttp,
    ...(named !== undefined && { digest: named }),
    ...(isPublic && { public: true }),
  };
  const served = await courier.manifest(what, { signal: deadline() });
  return "bytes" in served ? readManifest(served.bytes, served.mediaType) : served;
}

/** What the registry shows to everybody under the tag, if that is the image in question; or why nothing is written. */
async function askRegistry(
  { image: { reference }, rule, context }: ImageCheck,
  courier: Courier,
): Promise<Content | NotWritten> {
  const { tag = "", digest } = reference;
  try {
    const named = digest === undefined ? {} : { named: digest };
    // What may be named all the same need not be at a public address.
    const isPublic = !isNamedAnywhere(rule, context.policy) && !context.policy.logs[0]?.private;
    const served = await servedManifest(courier, { ...reference, tag, ...named, isPublic }, context);
    if ("platforms" in served && served.digest === digest) return served;
    return { kind: "unrecorded", reason: "registry-differs", detail: served.digest };
  } catch (error) {
    const code = codeOf(error);
    // The builder has the image, with its own credentials or without: only the record has to wait.
    if (code === "rate-limited") return { kind: "unrecorded", reason: code, detail: messageOf(error) };
    // Nothing is at that name, or it is nothing for everybody, or the name leads into a network of somebody's own.
    if (code !== "not-found" && code !== "needs-credentials" && code !== "not-public")
      return notRecorded(error);
    const isNamed =
      code === "not-public"
        ? isNamedAnywhere(rule, context.policy) || context.policy.logs[0]?.private
        : rule.private;
    // The image is not public, so only its digest is recorded.
    if (isNamed && digest !== undefined) return { digest, platforms: [] };
    const reason = code === "not-public" ? "internal-name" : "not-public";
    return { kind: "unrecorded", reason, detail: messageOf(error) };
  }
}

const RETRYING_HELPS: ReadonlySet<unknown> = new Set(["unreachable", "channel-broken"]);

/** Retrying may help when there was no answer, but not after a refusal or a wrong answer. */
function notRecorded(error: unknown): Extract<NotWritten, { kind: "unknown" }> {
  const code = codeOf(error);
  const reason = RETRYING_HELPS.has(code) ? "unreachable" : "unwritten";
  return { kind: "unknown", reason, detail: `not recorded: ${messageOf(error)}` };
}

/** The code of whatever was thrown, if it has one. */
export function codeOf(error: unknown): unknown {
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
