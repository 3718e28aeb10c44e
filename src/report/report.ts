// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { formatReference, type Reference } from "../image/reference.ts";
import { LEDGER_FAILURES } from "../ledger/answer.ts";
import type { TagRecord } from "../record/record.ts";
import { isoTime } from "./phrases.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import { OUTCOMES, worstOf } from "../check/judgement.ts";
import { type Contradiction, UNKNOWN_REASONS, UNRECORDED_REASONS, type Verdict } from "../check/verdict.ts";
import { described, text } from "../policy/key.ts";
import { ACTIONS, PROFILES, type Rule, UNSEEN, WARN_OR_BLOCK } from "../policy/rule.ts";
import { MESSAGE_NAMES } from "./message-names.ts";
import { textsOf } from "./message-table.ts";
import { progressLine } from "./messages.ts";
import { namedBy, type PlacedJudgement } from "./place.ts";

export const list = <Item extends v.GenericSchema>(item: Item, description: string) =>
  described(v.pipe(v.array(item), v.readonly()), description);

export const Digest = described(
  v.pipe(v.string(), v.regex(/^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/)),
  "An image's digest",
);
export const Time = described(
  v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
  "RFC 3339, UTC, whole seconds",
);

const Signer = described(
  v.variant("kind", [
    v.strictObject({
      kind: v.literal("key"),
      fingerprint: text("The sha256 of the public key's SPKI in DER, sha256:…"),
    }),
    v.strictObject({
      kind: v.literal("identity"),
      issuer: text("The OpenID Connect issuer that vouched for the identity"),
      identity: text("The certificate's subject: an email address or a URI"),
    }),
  ]),
  "Who signed a record",
);

export const ReportedRecord = described(
  v.strictObject({
    digest: Digest,
    loggedAt: described(Time, "When it was in the log, as is proven; RFC 3339, UTC"),
    log: text("The base URL of the log"),
    logIndex: described(
      v.pipe(v.string(), v.regex(/^(0|[1-9]\d*)$/)),
      "The entry's index in the log, a decimal number in text, as in Sigstore bundles",
    ),
    uuid: v.exactOptional(text("How a Rekor v1 log names the entry; the entries of v2 have no names")),
    signer: Signer,
    strength: described(
      v.picklist(["full", "tlogistry"]),
      "tlogistry: the log alone says that it was signed",
    ),
    supersedes: v.exactOptional(described(Digest, "Of an approval: the digest that stood before")),
    reason: v.exactOptional(text("Of an approval: why")),
  }),
  "A proven record of the tag",
);

const Lines = described(
  v.strictObject({
    file: text("The Dockerfile's name"),
    start: described(v.pipe(v.number(), v.integer(), v.minValue(1)), "The first line, from 1"),
    end: described(v.pipe(v.number(), v.integer(), v.minValue(1)), "The last line"),
  }),
  "Lines that name the image",
);

const ReportedRule = described(
  v.strictObject({
    action: v.picklist(ACTIONS),
    unseen: v.picklist(UNSEEN),
    unknown: v.picklist(WARN_OR_BLOCK),
    minAgeDays: v.exactOptional(v.number()),
    source: text('Where the action was set, as in "policy.yaml:12"'),
    why: text("Why it is so, in a few words"),
  }),
  "The policy's rule for this image",
);

const ReportedImage = described(
  v.strictObject({
    reference: text("The image's canonical name, with its tag if it has one, and without a digest"),
    digest: v.exactOptional(described(Digest, "What the build uses, or would have used")),
    platforms: list(v.string(), "linux/amd64, …; empty when the build does not say"),
    verdict: v.picklist([
      "unchanged",
      "first-seen",
      "approved",
      "unrecorded",
      "moved",
      "pinned",
      "too-new",
      "exempt",
      "by-digest",
      "unpinned",
      "unknown",
    ]),
    message: described(v.picklist(MESSAGE_NAMES), "The section in docs/messages.md"),
    outcome: v.picklist(OUTCOMES),
    text: text("What is said of it, in one line"),
    rule: v.exactOptional(ReportedRule),
    lines: list(Lines, "Where it is named; empty when no line names it"),
    namedBy: v.exactOptional(text("The image whose ONBUILD names it, where no line of the Dockerfile does")),
    record: v.exactOptional(
      described(ReportedRecord, "The record that the verdict rests on: the one that stands"),
    ),
    newer: v.exactOptional(described(ReportedRecord, "Of a followed tag: the record of what it names now")),
    superseded: v.exactOptional(described(ReportedRecord, "Of an approval: the record that stood before")),
    served: v.exactOptional(described(Digest, "Of a pinned image: what the tag names now")),
    until: v.exactOptional(described(Time, "Of one that is too new: until when; RFC 3339, UTC")),
    reason: v.exactOptional(
      described(
        v.picklist([...UNKNOWN_REASONS, ...UNRECORDED_REASONS]),
        "Why it is unknown or unrecorded, in one word",
      ),
    ),
    detail: v.exactOptional(text("Why it is unknown, unpinned or unrecorded, or cannot be pinned")),
    foreign: v.exactOptional(
      list(
        ReportedRecord,
        "What signers who are not trusted saw the tag name besides, the newest first; it decides nothing",
      ),
    ),
    ledgers: v.exactOptional(
      list(
        v.strictObject({
          name: text("The ledger"),
          digest: described(Digest, "The image that stands for the tag by this ledger alone"),
          loggedAt: described(Time, "When its record was in the log, as is proven; RFC 3339, UTC"),
        }),
        "Ledgers that do not agree about the tag; the earliest record of all counts, then approvals",
      ),
    ),
    unread: v.exactOptional(
      list(
        v.strictObject({
          ledger: text("The ledger"),
          reason: described(v.picklist(LEDGER_FAILURES), "Why, in one word"),
          detail: text("Why"),
        }),
        "Ledgers that could not be read, besides one that is the reason of the verdict",
      ),
    ),
    remembered: v.exactOptional(
      described(
        v.pipe(v.string(), v.regex(/^\d{4}-\d{2}-\d{2}$/)),
        "The day (UTC) on which the log was asked, where the builder remembered what it said",
      ),
    ),
    rejected: described(
      v.record(v.string(), v.number()),
      "Log entries under the tag's name that do not count, by reason",
    ),
  }),
  "One image of the build",
);

const ReportedCache = described(
  v.strictObject({
    type: text("BuildKit's name of the kind: registry, local, gha, …"),
    reference: v.exactOptional(text("Of one in a registry: the image that holds it")),
  }),
  "A cache that steps' results were taken from, which the policy let in and nobody judged",
);

const ReportedContext = described(
  v.strictObject({
    name: text("The name of the context"),
    type: text("What it is: oci-layout"),
  }),
  "A named context that no log could know a tag of",
);

/** The report of one build, version 1: what `--call tlog,format=json` prints and `--metadata-file` has. */
export const ReportShape = v.pipe(
  v.strictObject({
    version: described(
      v.literal(1),
      "Of this format. Within it, fields are added and none is changed or taken away",
    ),
    outcome: described(v.picklist(OUTCOMES), "The worst of the images' outcomes"),
    policy: v.strictObject({
      profile: v.picklist(PROFILES),
      sources: described(v.record(v.string(), v.string()), "Where each part of the policy was set"),
    }),
    images: list(ReportedImage, "Every image that the build consumes, in the Dockerfile's order"),
    cacheImports: list(ReportedCache, "The caches that the build imports; they are not judged"),
    unjudgedContexts: list(ReportedContext, "The named contexts that are not judged"),
  }),
  v.title("tlog-dockerfile report"),
);

export type Report = Readonly<v.InferOutput<typeof ReportShape>>;
export type ReportedImage = Readonly<v.InferOutput<typeof ReportedImage>>;
export type ReportedRecord = Readonly<v.InferOutput<typeof ReportedRecord>>;

/** What goes into a build beside its images, and is not judged. */
export type Unjudged = Pick<Report, "cacheImports" | "unjudgedContexts">;

/** Nothing of that kind. */
export const ALL_JUDGED: Unjudged = { cacheImports: [], unjudgedContexts: [] };

/** Where a build names an image. */
export interface NamedImage {
  readonly reference: Reference;
  readonly platforms: readonly string[];
  readonly locations: readonly { readonly filename: string; readonly start: number; readonly end: number }[];
}

/** The report of a build: each judgement, with the lines and platforms of the image that it is about. */
export function makeReport(
  judgements: readonly PlacedJudgement[],
  {
    images,
    policy,
    unjudged = ALL_JUDGED,
  }: {
    readonly images: readonly NamedImage[];
    readonly policy: Pick<EffectivePolicy, "profile" | "sources">;
    readonly unjudged?: Unjudged;
  },
): Report {
  const named = new Map(images.map((image) => [formatReference(image.reference), image]));
  return {
    version: 1,
    outcome: worstOf(judgements.map(({ outcome }) => outcome)),
    policy: { profile: policy.profile, sources: { ...policy.sources } },
    images: judgements.map((judgement) =>
      reportImage(judgement, named.get(formatReference(judgement.reference))),
    ),
    ...unjudged,
  };
}

function reportImage(judgement: PlacedJudgement, image: NamedImage | undefined): ReportedImage {
  const { reference, verdict, rule, outcome, foreign, rejected, unread, contradiction, askedOn } = judgement;
  const by = namedBy(judgement);
  const { registry, repository, tag, digest } = reference;
  return {
    reference: formatReference({ registry, repository, ...(tag !== undefined && { tag }) }),
    ...(digest && { digest }),
    platforms: [...(image?.platforms ?? [])],
    verdict: verdict.kind,
    message: textsOf(judgement).name,
    outcome,
    text: progressLine(judgement),
    rule: reportRule(rule),
    lines: (image?.locations ?? []).map(({ filename, start, end }) => ({ file: filename, start, end })),
    ...(by && { namedBy: formatReference(by) }),
    ...reportVerdict(verdict),
    ...(foreign.length > 0 && { foreign: foreign.map(reportRecord) }),
    ...(contradiction && { ledgers: contradiction.ledgers.map(reportLedger) }),
    ...(unread && { unread: unread.map((each) => ({ ...each })) }),
    ...(askedOn !== undefined && { remembered: askedOn }),
    rejected: Object.fromEntries(rejected),
  };
}

function reportVerdict(verdict: Verdict): Partial<ReportedImage> {
  const detail = "gone" in verdict ? verdict.gone : "detail" in verdict && verdict.detail;
  return {
    ...("record" in verdict && { record: reportRecord(verdict.record) }),
    ...("newer" in verdict && verdict.newer && { newer: reportRecord(verdict.newer) }),
    ...("superseded" in verdict && { superseded: reportRecord(verdict.superseded) }),
    ...("served" in verdict && { served: verdict.served }),
    ...("until" in verdict && { until: isoTime(verdict.until) }),
    ...("reason" in verdict && { reason: verdict.reason }),
    ...(detail && { detail }),
  };
}

function reportLedger({ name, digest, loggedAt }: Contradiction["ledgers"][number]) {
  return { name, digest, loggedAt: isoTime(loggedAt) };
}

/** A record as reports have it. */
export function reportRecord(record: TagRecord): ReportedRecord {
  const { digest, loggedAt, logUrl, logIndex, uuid, signer, strength, supersedes, reason } = record;
  return {
    digest,
    loggedAt: isoTime(loggedAt),
    log: logUrl,
    logIndex: String(logIndex),
    ...(uuid !== undefined && { uuid }),
    signer: signer.kind === "key" ? { kind: signer.kind, fingerprint: signer.fingerprint } : signer,
    strength,
    ...(supersedes && { supersedes }),
    ...(reason !== undefined && { reason }),
  };
}

function reportRule({
  action,
  unseen,
  unknown,
  minAge,
  source,
  why,
}: Rule): NonNullable<ReportedImage["rule"]> {
  return { action, unseen, unknown, ...(minAge && { minAgeDays: minAge.days }), source, why };
}
