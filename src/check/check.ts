// SPDX-License-Identifier: Apache-2.0
import { type Reference, taggedName } from "../image/reference.ts";
import { allowsPlainHttp, type Policy } from "../policy/policy.ts";
import { UNPROVEN } from "../record/error.ts";
import { readHistory, standing } from "../record/history.ts";
import { parseIdentity, parsePublicKey, signerId, type Trust, type TrustedSigner } from "../record/signer.ts";
import { readManifest } from "../record/manifest.ts";
import { certifiedSigner } from "../record/own-entry.ts";
import { sightingStatement, subjectHash } from "../record/statement.ts";
import type { TrustedRoot } from "../record/trusted-root.ts";
import { decide, type Lookup, refuses, type Verdict } from "./verdict.ts";

/**
 * Who fetches and signs for a check. Nothing it brings is trusted. Failures reject with an Error that has a `code`.
 */
export interface Courier {
  /** The public key of the signing secret, or whom its token names; or why it cannot sign. Nothing when there is none. */
  ready(deadline: Deadline): Promise<{
    publicKey?: string | undefined;
    identity?: { readonly issuer: string; readonly identity: string } | undefined;
    signerProblem?: string | undefined;
  }>;
  /** All entries that the log has for a hash, each as the log answered it. */
  find(
    what: { log: string; hash: string; identity?: string; including?: string },
    deadline: Deadline,
  ): Promise<readonly RawEntry[]>;
  /** The manifest that the registry shows to everybody. */
  manifest(
    what: { registry: string; repository: string; tag: string; plainHttp: boolean },
    deadline: Deadline,
  ): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string }>;
  /**
   * Signs a statement, if need be with a certificate of `fulcio`, and appends it to the log. Answers the UUID of the
   * entry in a Rekor v1 log, or the bundle that a Rekor v2 log leaves to us to keep.
   */
  record(
    what: {
      log: { url: string; api: 1 | 2 };
      fulcio?: string;
      timestamps: readonly string[];
      statement: Uint8Array;
    },
    deadline: Deadline,
  ): Promise<{ readonly uuid: string } | { readonly bundle: unknown }>;
}

interface Deadline {
  readonly signal: AbortSignal;
}

export interface RawEntry {
  readonly uuid: string;
  readonly entry: unknown;
}

/** What a check needs from outside. */
export interface CheckContext {
  readonly policy: Policy;
  readonly trustedRoot: () => Promise<TrustedRoot>;
  /** A courier; `signing` says whether it has the build's secrets. */
  readonly courier: (options: { signing: boolean }) => Promise<Courier>;
  readonly now: () => Date;
  /** A signal that ends one request. */
  readonly deadline: () => AbortSignal;
}

/** The judgement on one image source. */
export interface Judgement {
  readonly reference: Reference;
  readonly verdict: Verdict;
  readonly refused: boolean;
  /** Entries under the tag's name in the log that do not count, by reason. */
  readonly rejected: ReadonlyMap<string, number>;
}

/** A check that cannot be made at all: the courier does not start, or the signing secret is no key. */
export class CheckError extends Error {
  override readonly name = "CheckError";
}

const NOTHING_REJECTED: ReadonlyMap<string, number> = new Map();

/**
 * Judges every image by its tag's history in the log; tags without one are recorded when the policy says so and
 * the build can sign. Answers one judgement for each reference, in their order.
 *
 * Images of one tag are judged one after the other, so that the first one's record holds for the second.
 */
export async function check(references: readonly Reference[], context: CheckContext): Promise<Judgement[]> {
  const asked = references.filter(({ tag, digest }) => tag !== undefined && digest !== undefined);
  const signers = asked.length > 0 ? await openSigners(context) : undefined;
  const tags = new Map<string, Promise<unknown>>();
  return Promise.all(
    references.map((reference) => {
      if (signers === undefined || reference.tag === undefined || reference.digest === undefined) {
        return judged(reference, decide(reference, { kind: "none" }), NOTHING_REJECTED, context.policy);
      }
      const name = taggedName(reference);
      const judgement = (tags.get(name) ?? Promise.resolve()).then(() => judge(reference, signers, context));
      tags.set(name, judgement);
      return judgement;
    }),
  );
}

/** The couriers of one check and the signers that count in it. */
interface Signers {
  readonly asking: Courier;
  /** Those of the policy, and this build's own once it is known. */
  readonly trusted: () => readonly Trust[];
  /** Counts this signer too, for the rest of the check. */
  readonly trust: (signer: TrustedSigner) => void;
  /** The courier that can sign, or `undefined` when the build has no signing key. */
  readonly signing: () => Promise<Courier | undefined>;
}

async function openSigners({ policy, courier, deadline }: CheckContext): Promise<Signers> {
  const trusted: Trust[] = [...policy.trust];
  let opened: Promise<Courier> | undefined;
  let signing: Promise<Courier | undefined> | undefined;
  const trust = (signer: TrustedSigner): void => {
    if (trusted.some((each) => signerId(each.signer) === signerId(signer))) return;
    trusted.push({ signer, may: new Set(["record", "approve"]) });
  };
  const openSigning = async (): Promise<Courier | undefined> => {
    opened ??= courier({ signing: true });
    const signer = await opened;
    const { publicKey, identity, signerProblem } = await signer.ready({ signal: deadline() });
    if (signerProblem !== undefined) throw new CheckError(signerProblem);
    if (publicKey !== undefined) trust(parsePublicKey(publicKey));
    // A token's word, which nobody has checked. It only decides whose records are looked for: those still have to
    // prove themselves, and whoever chooses the token could as well choose the key.
    else if (identity !== undefined) trust(parseIdentity(identity));
    else return undefined;
    return signer;
  };
  const signingOnce = (): Promise<Courier | undefined> => (signing ??= openSigning());
  // Secrets are handed to a courier only when they decide something: whom to trust, or a record to sign.
  let asking: Courier;
  if (policy.trust.length > 0) {
    asking = await courier({ signing: false });
  } else {
    await signingOnce();
    asking = await (opened ??= courier({ signing: true }));
  }
  return { asking, trusted: () => trusted, trust, signing: signingOnce };
}

async function judge(reference: Reference, signers: Signers, context: CheckContext): Promise<Judgement> {
  const { policy } = context;
  const before = signers.trusted().length;
  let found = await lookup(reference, signers.asking, signers, context);
  let verdict = decide(reference, found.lookup);
  if (verdict.kind === "unseen" && policy.default.unseen === "record") {
    const signing = await signers.signing();
    // The build's own key may be trusted only since now, and its records may have been there all along.
    if (signers.trusted().length > before) {
      found = await lookup(reference, signers.asking, signers, context);
      verdict = decide(reference, found.lookup);
    }
    if (verdict.kind === "unseen") {
      const written = await recordTag(reference, signing, signers, context);
      return judged(reference, written.verdict, written.rejected ?? found.rejected, policy);
    }
  }
  return judged(reference, verdict, found.rejected, policy);
}

function judged(
  reference: Reference,
  verdict: Verdict | { kind: "unseen" },
  rejected: ReadonlyMap<string, number>,
  policy: Policy,
): Judgement {
  const settled: Verdict =
    verdict.kind === "unseen" ? { kind: "unrecorded", reason: "policy", detail: "" } : verdict;
  return { reference, verdict: settled, refused: refuses(settled, policy), rejected };
}

/** What this build wrote to the log. */
interface OwnEntry {
  readonly uuid: string;
  readonly statement: Uint8Array;
}

/** The identity that signed in this build: the authority's word for it may differ from the token's. */
function signerOfOwn(entries: readonly RawEntry[], { uuid, statement }: OwnEntry): TrustedSigner | undefined {
  const written = entries.find((entry) => sameEntry(entry.uuid, uuid));
  return written && certifiedSigner(written, statement);
}

async function lookup(
  reference: Reference,
  courier: Courier,
  signers: Signers,
  { policy, trustedRoot, deadline }: CheckContext,
  own?: OwnEntry,
): Promise<{ lookup: Lookup; rejected: ReadonlyMap<string, number> }> {
  // Without anybody to trust no entry counts, whatever the log holds.
  if (signers.trusted().length === 0) return { lookup: { kind: "none" }, rejected: NOTHING_REJECTED };
  let entries: readonly RawEntry[];
  try {
    const [log] = policy.logs;
    const what = { log: log?.url ?? "", hash: subjectHash(reference), ...(own && { including: own.uuid }) };
    entries = await courier.find(what, { signal: deadline() });
  } catch (error) {
    return { lookup: { kind: "failed", detail: messageOf(error) }, rejected: NOTHING_REJECTED };
  }
  const signer = own && signerOfOwn(entries, own);
  if (signer !== undefined) signers.trust(signer);
  const history = readHistory(
    entries.map((entry) => ({ kind: "entry", ...entry })),
    { subject: reference, trust: signers.trusted(), trustedRoot: await trustedRoot() },
  );
  const unreadable = [...UNPROVEN].reduce((sum, code) => sum + (history.rejected.get(code) ?? 0), 0);
  if (unreadable > 0) {
    // One of them may be the record that stands, shown by the log without what proves it.
    const detail = `the log has ${unreadable} ${unreadable === 1 ? "entry" : "entries"} of a trusted signer for this tag, but does not prove what was signed or that it took it in; or the trusted root does not have this log`;
    return { lookup: { kind: "failed", detail }, rejected: history.rejected };
  }
  const found = standing(history)?.record;
  return {
    lookup: found ? { kind: "found", standing: found } : { kind: "none" },
    rejected: history.rejected,
  };
}

/** Records a tag that nobody recorded before, and reads the log again: somebody may have been faster. */
async function recordTag(
  reference: Reference,
  signing: Courier | undefined,
  signers: Signers,
  context: CheckContext,
): Promise<{ verdict: Verdict; rejected?: ReadonlyMap<string, number> }> {
  const { policy, now, deadline } = context;
  if (signing === undefined) return { verdict: { kind: "unrecorded", reason: "no-signer", detail: "" } };
  const { registry, repository, tag = "" } = reference;
  let own: OwnEntry;
  try {
    const manifest = await signing.manifest(
      { registry, repository, tag, plainHttp: allowsPlainHttp(policy, registry) },
      { signal: deadline() },
    );
    const served = readManifest(manifest.bytes, manifest.mediaType);
    if (served.digest !== reference.digest) {
      return { verdict: { kind: "unrecorded", reason: "registry-differs", detail: served.digest } };
    }
    const statement = sightingStatement({ ...served, reference: taggedName(reference), observedAt: now() });
    const where = {
      log: policy.logs[0] ?? { url: "", api: 1 as const },
      ...(policy.signing.fulcio !== undefined && { fulcio: policy.signing.fulcio }),
      timestamps: policy.signing.timestamps,
    };
    const recorded = await signing.record({ ...where, statement }, { signal: deadline() });
    if (!("uuid" in recorded)) throw new CheckError("the courier answered for another kind of log");
    own = { uuid: recorded.uuid, statement };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "not-found" || code === "needs-credentials") {
      return { verdict: { kind: "unrecorded", reason: "not-public", detail: messageOf(error) } };
    }
    return { verdict: { kind: "unknown", detail: `not recorded: ${messageOf(error)}` } };
  }
  const { lookup: found, rejected } = await lookup(reference, signing, signers, context, own);
  const verdict = decide(reference, found);
  switch (verdict.kind) {
    case "unseen": {
      const detail = `recorded as entry ${own.uuid}, but ${whyUnproven(rejected)}`;
      return { verdict: { kind: "unknown", detail }, rejected };
    }
    case "unchanged":
      return {
        verdict: sameEntry(verdict.record.uuid, own.uuid) ? { ...verdict, kind: "first-seen" } : verdict,
        rejected,
      };
    default:
      return { verdict, rejected };
  }
}

/** A UUID with and without the tree's id before the leaf hash names the same entry (Rekor v1). */
function sameEntry(one: string | undefined, other: string): boolean {
  return one?.slice(-64) === other.slice(-64);
}

function whyUnproven(rejected: ReadonlyMap<string, number>): string {
  if (rejected.has("replayed"))
    return "it does not count, because this builder's clock and the log's differ by more than 15 minutes";
  if (rejected.has("bad-certificate"))
    return "no authority of the trusted root stands behind the certificate that signed it; is trusted_root.json that of the certificate authority?";
  return "the log does not prove it";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
