// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { formatReference, type Reference } from "../image/reference.ts";
import type { Record } from "../record/verification.ts";
import { isoTime } from "./phrases.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import { type Judgement, OUTCOMES, worstOf } from "../check/judgement.ts";
import { UNKNOWN_REASONS, UNRECORDED_REASONS, type Verdict } from "../check/verdict.ts";
import { text } from "../policy/key.ts";
import { ACTIONS, PROFILES, type Rule, UNSEEN, WARN_OR_BLOCK } from "../policy/rule.ts";
import { MESSAGE_NAMES, textsOf } from "./message-table.ts";
import { progressLine } from "./messages.ts";

const list = <Item extends v.GenericSchema>(item: Item, description: string) =>
  v.pipe(v.array(item), v.readonly(), v.description(description));

const Digest = v.pipe(
  v.string(),
  v.regex(/^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/),
  v.description("An image's digest"),
);
const Time = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  v.description("RFC 3339, UTC, whole seconds"),
);

const Signer = v.pipe(
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
  v.description("Who signed a record"),
);

const ReportedRecord = v.pipe(
  v.strictObject({
    digest: Digest,
    loggedAt: v.pipe(Time, v.description("When it was in the log, as is proven; RFC 3339, UTC")),
    log: text("The base URL of the log"),
    logIndex: v.pipe(
      v.string(),
      v.regex(/^(0|[1-9]\d*)$/),
      v.description("The entry's index in the log, a decimal number in text, as in Sigstore bundles"),
    ),
    uuid: v.exactOptional(text("How a Rekor v1 log names the entry; the entries of v2 have no names")),
    signer: Signer,
    strength: v.pipe(
      v.picklist(["full", "tlogistry"]),
      v.description("tlogistry: the log alone says that it was signed"),
    ),
    supersedes: v.exactOptional(
      v.pipe(Digest, v.description("Of an approval: the digest that stood before")),
    ),
    reason: v.exactOptional(text("Of an approval: why")),
  }),
  v.description("A proven record of the tag"),
);

const Lines = v.pipe(
  v.strictObject({
    file: text("The Dockerfile's name"),
    start: v.pipe(v.number(), v.integer(), v.minValue(1), v.description("The first line, from 1")),
    end: v.pipe(v.number(), v.integer(), v.minValue(1), v.description("The last line")),
  }),
  v.description("Lines that name the image"),
);

const ReportedRule = v.pipe(
  v.strictObject({
    action: v.picklist(ACTIONS),
    unseen: v.picklist(UNSEEN),
    unknown: v.picklist(WARN_OR_BLOCK),
    minAgeDays: v.exactOptional(v.number()),
    source: text('Where the action was set, as in "policy.yaml:12"'),
    why: text("Why it is so, in a few words"),
  }),
  v.description("The policy's rule for this image"),
);

const ReportedImage = v.pipe(
  v.strictObject({
    reference: text("The image's canonical name, with its tag if it has one, and without a digest"),
    digest: v.exactOptional(v.pipe(Digest, v.description("What the build uses, or would have used"))),
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
    message: v.pipe(v.picklist(MESSAGE_NAMES), v.description("The section in docs/messages.md")),
    outcome: v.picklist(OUTCOMES),
    text: text("What is said of it, in one line"),
    rule: v.exactOptional(ReportedRule),
    lines: list(Lines, "Where it is named; empty when no line names it"),
    namedBy: v.exactOptional(text("The image whose ONBUILD names it, where no line of the Dockerfile does")),
    record: v.exactOptional(
      v.pipe(ReportedRecord, v.description("The record that the verdict rests on: the one that stands")),
    ),
    newer: v.exactOptional(
      v.pipe(ReportedRecord, v.description("Of a followed tag: the record of what it names now")),
    ),
    superseded: v.exactOptional(
      v.pipe(ReportedRecord, v.description("Of an approval: the record that stood before")),
    ),
    served: v.exactOptional(v.pipe(Digest, v.description("Of a pinned image: what the tag names now"))),
    until: v.exactOptional(v.pipe(Time, v.description("Of one that is too new: until when; RFC 3339, UTC"))),
    reason: v.exactOptional(
      v.pipe(
        v.picklist([...UNKNOWN_REASONS, ...UNRECORDED_REASONS]),
        v.description("Why it is unknown or unrecorded, in one word"),
      ),
    ),
    detail: v.exactOptional(text("Why it is unknown, unpinned or unrecorded, or cannot be pinned")),
    rejected: v.pipe(
      v.record(v.string(), v.number()),
      v.description("Log entries under the tag's name that do not count, by reason"),
    ),
  }),
  v.description("One image of the build"),
);

/** The report of one build, version 1: what `--call tlog,format=json` prints and `--metadata-file` has. */
export const ReportShape = v.pipe(
  v.strictObject({
    version: v.pipe(
      v.literal(1),
      v.description("Of this format. Within it, fields are added and none is changed or taken away"),
    ),
    outcome: v.pipe(v.picklist(OUTCOMES), v.description("The worst of the images' outcomes")),
    policy: v.strictObject({
      profile: v.picklist(PROFILES),
      sources: v.pipe(
        v.record(v.string(), v.string()),
        v.description("Where each part of the policy was set"),
      ),
    }),
    images: list(ReportedImage, "Every image that the build consumes, in the Dockerfile's order"),
  }),
  v.title("tlog-dockerfile report"),
);

export type Report = Readonly<v.InferOutput<typeof ReportShape>>;
export type ReportedImage = Readonly<v.InferOutput<typeof ReportedImage>>;
export type ReportedRecord = Readonly<v.InferOutput<typeof ReportedRecord>>;

/** Where a build names an image. */
export interface NamedImage {
  readonly reference: Reference;
  readonly platforms: readonly string[];
  readonly locations: readonly { readonly filename: string; readonly start: number; readonly end: number }[];
}

/** The report of a build: each judgement, with the lines and platforms of the image that it is about. */
export function makeReport(
  judgements: readonly Judgement[],
  {
    images,
    policy,
  }: {
    readonly images: readonly NamedImage[];
    readonly policy: Pick<EffectivePolicy, "profile" | "sources">;
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
  };
}

function reportImage(judgement: Judgement, image: NamedImage | undefined): ReportedImage {
  const { reference, namedBy, verdict, rule, outcome, rejected } = judgement;
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
    ...(namedBy && { namedBy: formatReference(namedBy) }),
    ...reportVerdict(verdict),
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

function reportRecord(record: Record): ReportedRecord {
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
