// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import type { LedgerAnswer } from "../../src/ledger/answer.ts";
import { manifestOf, partConfiguration, shardOf, shardsText } from "../../src/ledger/layout.ts";
import {
  ALPINE,
  DIGEST,
  jointRoot,
  OBSERVED,
  OTHER_DIGEST,
  sampleLog,
  sighting,
  trusting,
} from "../record/sample-log.ts";
import { sampleLogV2 } from "../record/sample-log-v2.ts";
import { intotoBundle } from "../record/sample-bundle.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { headStatement } from "../../src/ledger/head.ts";
import {
  chainOf,
  DAY_MS,
  keyWriter,
  lineOf,
  MADE,
  readSample,
  REPOSITORY,
  type SampleContent,
  type SampleLedger,
  sampleLedger,
  type SampleReader,
  shardReference,
  signedHead,
  TAGGED,
  tamper,
} from "./sample-ledger.ts";

const log = sampleLog();
const place = { log, root: log.trustedRoot };
const observer = keyWriter();
const approver = keyWriter();
const stranger = keyWriter();

const BUSYBOX = "docker.io/library/busybox:1.36";
const THIRD_DIGEST = `sha256:${"33".repeat(32)}` as const;

/** The tag named one image, then another, then a third. */
const chain = chainOf([{}, { digest: OTHER_DIGEST }, { digest: THIRD_DIGEST }], observer, place);
const [first = "", second = "", third = ""] = chain;
const busybox = chainOf([{ reference: BUSYBOX }], observer, place);
const lines = [...chain, ...busybox];

const reader: SampleReader = {
  root: log.trustedRoot,
  source: {
    repository: REPOSITORY,
    observer: observer.signer,
    approvers: [approver.signer],
    maxAgeMs: 7 * DAY_MS,
  },
  trust: [
    { signer: observer.signer, may: new Set(["record"]) },
    { signer: approver.signer, may: new Set(["approve"]) },
  ],
};

const ledgerOf = (content: SampleContent, by = observer): SampleLedger => sampleLedger(content, by, place);

async function said(
  ledger: Pick<SampleLedger, "configurations">,
  tag = ALPINE,
  change: Partial<SampleReader> = {},
): Promise<LedgerAnswer> {
  const { answers } = await readSample(ledger, [tag], { ...reader, ...change });
  const [answer] = answers;
  if (answer === undefined) throw new Error("no answer");
  return answer;
}

/** The digests that the tag named, by what the ledger says. */
function digestsIn(answer: LedgerAnswer): readonly string[] {
  if (answer.kind !== "watched") throw new Error(`not watched: ${JSON.stringify(answer)}`);
  return answer.history.records.map(({ digest }) => digest);
}

const broken = (detail: string | RegExp) => ({
  kind: "failed",
  reason: "ledger-broken",
  detail: typeof detail === "string" ? detail : (expect.stringMatching(detail) as string),
});
const MISFIT = broken("its content is not the one that head 1 was signed for");

describe.for([
  { name: "in the head", shards: {} },
  { name: "in one shard", shards: { shards: 1 } },
  { name: "in 16 shards", shards: { shards: 16 } },
])("a ledger with its lines $name", ({ shards }) => {
  test("says all that the observer saw the tag name, in order", async () => {
    const answer = await said(ledgerOf({ lines, ...shards }));
    expect(digestsIn(answer)).toEqual([DIGEST, OTHER_DIGEST, THIRD_DIGEST]);
  });

  test("proves that a tag is not watched", async () => {
    expect(await said(ledgerOf({ lines, ...shards }), "nginx:1.27")).toMatchObject({
      kind: "not-watched",
      reach: { sequence: 1 },
    });
  });

  test("is read whole without a line in it", async () => {
    expect(await said(ledgerOf({ lines: [], ...shards }))).toMatchObject({
      kind: "not-watched",
      reach: { sequence: 1 },
    });
  });
});

describe("nobody can leave out a line: who controls the registry", () => {
  const text = (ledger: SampleLedger, change: (text: string) => string): SampleLedger => {
    tamper(ledger, TAGGED, (part) => ({ ...part, text: change(part.text) }));
    return ledger;
  };

  test.for([
    { what: "leaves out the first line", change: (all: string) => all.replace(`${first}\n`, "") },
    { what: "leaves out the last line", change: (all: string) => all.replace(`${third}\n`, "") },
    {
      what: "leaves out the tag",
      change: (all: string) => chain.reduce((rest, line) => rest.replace(`${line}\n`, ""), all),
    },
    { what: "changes a line", change: (all: string) => all.replace(DIGEST, THIRD_DIGEST) },
    {
      what: "moves a line to another tag",
      change: (all: string) => all.replace(`${ALPINE} `, `${BUSYBOX} `),
    },
    { what: "says a line twice", change: (all: string) => all.replace(`${first}\n`, `${first}\n${first}\n`) },
    {
      what: "says a gap of its own",
      change: (all: string) =>
        all.replace(`${first}\n`, "").replace(second, `# gap ${ALPINE} 1-1\n${second}`),
    },
    { what: "serves nothing", change: () => "" },
  ])("$what: the content is not what the head was signed for", async ({ change }) => {
    const ledger = text(ledgerOf({ lines }), change);
    expect(await said(ledger)).toEqual(MISFIT);
    expect(await said(ledger, "nginx:1.27")).toEqual(MISFIT);
  });

  test("leaves out a shard in the list", async () => {
    const ledger = text(ledgerOf({ lines, shards: 16 }), (all) => all.replace(/sha256:[0-9a-f]{64}/, "-"));
    expect(await said(ledger)).toEqual(MISFIT);
  });

  test("puts the content of the head before under a head", async () => {
    const before = ledgerOf({ lines: [first] });
    const ledger = ledgerOf({ lines, sequence: 2, previous: before.statement });
    tamper(ledger, TAGGED, (part) => ({ ...part, text: before.text }));
    expect(await said(ledger)).toEqual(broken("its content is not the one that head 2 was signed for"));
  });

  test("serves a shard that does not fit", async () => {
    const ledger = ledgerOf({ lines, shards: 16 });
    const reference = shardReference(ledger, ALPINE);
    tamper(ledger, reference, (part) => ({ ...part, text: part.text.replace(`${first}\n`, "") }));
    const digest = reference.slice(reference.indexOf("@") + 1);
    expect(await said(ledger)).toEqual(broken(`its shard "${digest}" is not the one that its head names`));
  });

  test("serves the shard of another place", async () => {
    const ledger = ledgerOf({ lines, shards: 16 });
    const other = shardReference(ledger, BUSYBOX);
    expect(other).not.toBe(shardReference(ledger, ALPINE));
    ledger.configurations.set(
      shardReference(ledger, ALPINE),
      ledger.configurations.get(other) ?? new Uint8Array(),
    );
    expect(await said(ledger)).toEqual(broken(/^its shard "sha256:[0-9a-f]{64}" is not the one/));
  });

  test("deletes a shard", async () => {
    const ledger = ledgerOf({ lines, shards: 16 });
    const reference = shardReference(ledger, ALPINE);
    ledger.configurations.delete(reference);
    const digest = reference.slice(reference.indexOf("@") + 1);
    expect(await said(ledger)).toEqual(broken(`its head names the shard "${digest}", which is not there`));
  });

  test("serves the head of another ledger of the same observer", async () => {
    const ledger = ledgerOf({ lines, ledger: "ghcr.io/acme/other-ledger" });
    expect(await said(ledger)).toEqual({
      kind: "failed",
      reason: "ledger-foreign",
      detail: 'its head is that of the ledger "ghcr.io/acme/other-ledger"',
    });
  });

  test("signs a head without the first line itself", async () => {
    const answer = await said(ledgerOf({ lines: [second, third] }, stranger));
    expect(answer).toMatchObject({ kind: "failed", reason: "ledger-foreign" });
    expect(answer).toHaveProperty(
      "detail",
      expect.stringContaining("its head is not signed by its observer: verify the bundle in the head of"),
    );
  });

  test("lets somebody sign the head who may approve, and not observe", async () => {
    const answer = await said(ledgerOf({ lines: [second, third] }, approver));
    expect(answer).toMatchObject({ kind: "failed", reason: "ledger-foreign" });
  });

  test("puts the observer's key over a signature of its own", async () => {
    const ledger = ledgerOf({ lines });
    const forged = signedHead(ledger.text, { lines }, { observer: stranger, place });
    tamper(ledger, TAGGED, (part) => {
      const head = structuredClone(part.head) as { dsseEnvelope: unknown };
      head.dsseEnvelope = (forged.head as { dsseEnvelope: unknown }).dsseEnvelope;
      return { ...part, head };
    });
    expect(await said(ledger)).toEqual(broken(/^its head does not hold \((bad-signature|wrong-entry)\)/));
  });

  test("serves a sighting of the observer as the head", async () => {
    const ledger = ledgerOf({ lines });
    const bundle: unknown = JSON.parse(first.slice(first.indexOf("{")));
    tamper(ledger, TAGGED, ({ text: all }) => ({ head: bundle, text: all }));
    expect(await said(ledger)).toEqual(broken(/^its head is none: /));
  });

  test("serves no head", async () => {
    const ledger = ledgerOf({ lines });
    tamper(ledger, TAGGED, ({ text: all }) => ({ text: all }));
    expect(await said(ledger)).toEqual(broken(/^its head does not hold \(malformed\)/));
  });

  test("serves nothing at all: that is never a tag that is not watched", async () => {
    expect(await said({ configurations: new Map() })).toEqual({
      kind: "failed",
      reason: "ledger-not-there",
      detail: `the registry has no "${TAGGED}"`,
    });
  });
});

describe("an old copy of the ledger", () => {
  const old = ledgerOf({ lines: [first] });
  const logged = MADE.getTime() + 2000;

  test("counts up to the policy's max-age", async () => {
    const now = new Date(logged + 7 * DAY_MS);
    expect(digestsIn(await said(old, ALPINE, { now }))).toEqual([DIGEST]);
  });

  test("is refused a second later, and so is what it does not have", async () => {
    const now = new Date(logged + 7 * DAY_MS + 1000);
    const tooOld = {
      kind: "failed",
      reason: "ledger-too-old",
      detail: "head 1, of 2022-06-28T14:30:02Z, is older than the policy's max-age of 7 days",
    };
    expect(await said(old, ALPINE, { now })).toEqual(tooOld);
    expect(await said(old, "nginx:1.27", { now })).toEqual(tooOld);
  });

  test.for([
    { maxAgeMs: 60_000, words: "1 minute" },
    { maxAgeMs: 20 * 60_000, words: "20 minutes" },
    { maxAgeMs: 90 * 60_000, words: "90 minutes" },
    { maxAgeMs: 3_600_000, words: "1 hour" },
    { maxAgeMs: 36 * 3_600_000, words: "36 hours" },
    { maxAgeMs: DAY_MS, words: "1 day" },
  ])("is refused with a max-age of $words in these words", async ({ maxAgeMs, words }) => {
    const source = { ...reader.source, maxAgeMs };
    const answer = await said(old, ALPINE, { source, now: new Date(logged + 3 * DAY_MS) });
    expect(answer).toHaveProperty("detail", expect.stringMatching(new RegExp(`of ${words}$`)));
  });

  test("does not become new by being logged again", async () => {
    const payload = headStatement({
      ledger: REPOSITORY,
      sequence: 1,
      content: sha256(old.text),
      tags: 1,
      lines: 1,
      madeAt: MADE,
    });
    log.now = new Date(MADE.getTime() + 5 * DAY_MS);
    const head = intotoBundle(log, observer.sign(payload), "again");
    const ledger = { configurations: new Map([[TAGGED, partConfiguration({ head, text: old.text })]]) };
    const answer = await said(ledger, ALPINE, { now: log.now });
    expect(answer).toEqual(broken(/^its head does not hold \(replayed\)/));
  });

  test.for([
    { name: "14 minutes ahead is a builder's clock that is slow", seconds: 14 * 60, refused: false },
    { name: "16 minutes ahead is from the future", seconds: 16 * 60, refused: true },
    { name: "a day ahead is from the future", seconds: 86_400, refused: true },
  ])("whose head is $name", async ({ seconds, refused }) => {
    const answer = await said(old, ALPINE, { now: new Date(logged - seconds * 1000) });
    if (!refused) return expect(digestsIn(answer)).toEqual([DIGEST]);
    expect(answer).toMatchObject({ kind: "failed", reason: "ledger-too-old" });
    expect(answer).toHaveProperty(
      "detail",
      expect.stringMatching(
        /^head 1, of 2022-06-28T14:30:02Z, is from the future: it is .*Z by this builder's clock$/,
      ),
    );
  });

  test("a head that was logged long after it was made", async () => {
    const ledger = ledgerOf({ lines, loggedAt: new Date(MADE.getTime() + 16 * 60_000) });
    expect(await said(ledger)).toEqual(broken(/^its head does not hold \(replayed\)/));
  });
});

describe("what the observer itself lost, or signed by mistake", () => {
  const missing = (sequence: number) =>
    broken(`sighting ${sequence} of "${ALPINE}" is missing, so somebody left a line out`);
  const another = (sequence: number) =>
    broken(
      `sighting ${sequence} of "${ALPINE}" is another one than the next names, so somebody left a line out`,
    );

  test("the first sighting of a tag", async () => {
    expect(await said(ledgerOf({ lines: [second, third] }))).toEqual(missing(1));
  });

  test("a sighting in the middle", async () => {
    expect(await said(ledgerOf({ lines: [first, third] }))).toEqual(missing(2));
  });

  test("a sighting in the middle that the text says is not kept is none", async () => {
    const ledger = ledgerOf({ lines: [first, third], gaps: { [ALPINE]: { from: 2, to: 2 } } });
    const answer = await said(ledger);
    expect(digestsIn(answer)).toEqual([DIGEST, THIRD_DIGEST]);
    expect(answer).toMatchObject({ reach: { sequence: 1, gap: { from: 2, to: 2 } } });
  });

  test("a gap of another tag is not this one's", async () => {
    const ledger = ledgerOf({
      lines: [first, third, ...busybox],
      gaps: { [BUSYBOX]: { from: 2, to: 2 } },
    });
    expect(await said(ledger)).toEqual(missing(2));
  });

  test("the first sighting is always kept: no gap covers it", async () => {
    const ledger = ledgerOf({ lines: [second, third], gaps: { [ALPINE]: { from: 1, to: 1 } } });
    expect(await said(ledger)).toEqual(missing(1));
  });

  test("a sighting that names another one as the one before it", async () => {
    const wrong = lineOf(
      {
        digest: OTHER_DIGEST,
        sequence: 2,
        previous: sha256("another"),
        observedAt: new Date(OBSERVED.getTime() + 60_000),
      },
      observer,
      place,
    );
    expect(await said(ledgerOf({ lines: [first, wrong] }))).toEqual(another(1));
  });

  test("two sightings of one number, as two runs at once make them, are allowed", async () => {
    const previous = sha256(sightingStatement(sighting({ sequence: 1 })));
    const at = (seconds: number) => new Date(OBSERVED.getTime() + seconds * 1000);
    const twin = lineOf({ digest: THIRD_DIGEST, sequence: 2, previous, observedAt: at(70) }, observer, place);
    const ledger = ledgerOf({ lines: [first, second, twin] });
    expect(digestsIn(await said(ledger))).toEqual([DIGEST, OTHER_DIGEST, THIRD_DIGEST]);
  });

  test("sightings without numbers count as they are", async () => {
    const plain = lineOf({ observedAt: new Date(OBSERVED.getTime() - 3_600_000) }, observer, place);
    expect(digestsIn(await said(ledgerOf({ lines: [plain, ...chain] })))).toHaveLength(4);
  });

  test("a line that was changed before the head was signed", async () => {
    const changed = first.replace(DIGEST, THIRD_DIGEST);
    expect(await said(ledgerOf({ lines: [changed] }))).toEqual(
      broken(`a line of "${ALPINE}" in it does not hold (edited)`),
    );
  });

  test("a line of another tag's record", async () => {
    const moved = (busybox[0] ?? "").replace(BUSYBOX, ALPINE);
    expect(await said(ledgerOf({ lines: [moved] }))).toEqual(
      broken(`a line of "${ALPINE}" in it does not hold (wrong-subject)`),
    );
  });

  test("a shard that stands where another has to", async () => {
    const whole = ledgerOf({ lines: chain, shards: 16 });
    const digest = shardReference(whole, ALPINE).split("@")[1] as `sha256:${string}`;
    const shards = Array.from({ length: 16 }, () => digest);
    const text = shardsText(shards);
    const { head } = signedHead(text, { lines: chain }, { observer, place });
    const ledger = {
      configurations: new Map([...whole.configurations, [TAGGED, partConfiguration({ head, text })]]),
    };
    expect(shardOf(BUSYBOX, 16)).not.toBe(shardOf(ALPINE, 16));
    expect(await said(ledger, BUSYBOX)).toEqual(
      broken(`it has another text where part ${shardOf(BUSYBOX, 16)} of 16 is to be`),
    );
  });

  test("a shard with an empty text", async () => {
    const empty = partConfiguration({ text: "" });
    const digest = sha256(manifestOf(empty));
    const text = shardsText([digest]);
    const { head } = signedHead(text, { lines: [] }, { observer, place });
    const ledger = {
      configurations: new Map([
        [TAGGED, partConfiguration({ head, text })],
        [`${REPOSITORY}@${digest}`, empty],
      ]),
    };
    expect(await said(ledger)).toEqual(broken("it has another text where part 0 of 1 is to be"));
  });

  test("a head of an empty text", async () => {
    const { head } = signedHead("", { lines: [] }, { observer, place });
    const ledger = { configurations: new Map([[TAGGED, partConfiguration({ head, text: "" })]]) };
    expect(await said(ledger)).toEqual(broken("it has another text where part 0 of 1 is to be"));
  });
});

describe("who signed the lines", () => {
  const at = (seconds: number) => new Date(OBSERVED.getTime() + seconds * 1000);
  const approval = lineOf(
    { digest: OTHER_DIGEST, supersedes: DIGEST, reason: "rebuilt", observedAt: at(90) },
    approver,
    place,
  );

  test("approvals of approvers count, and need no numbers", async () => {
    const answer = await said(ledgerOf({ lines: [first, second, approval] }));
    expect(digestsIn(answer)).toEqual([DIGEST, OTHER_DIGEST, OTHER_DIGEST]);
    if (answer.kind !== "watched") return;
    const [, , approved] = answer.history.records;
    expect(approved).toMatchObject({ supersedes: DIGEST, signer: approver.signer });
    expect([...(approved?.may ?? [])]).toEqual(["approve"]);
  });

  test("lines of strangers are not counted, and break nothing", async () => {
    const foreign = lineOf({ digest: THIRD_DIGEST, observedAt: at(-3600) }, stranger, place);
    const foreignApproval = lineOf(
      { digest: THIRD_DIGEST, supersedes: DIGEST, reason: "mine", observedAt: at(100) },
      stranger,
      place,
    );
    const answer = await said(ledgerOf({ lines: [...chain, foreign, foreignApproval] }));
    expect(digestsIn(answer)).toEqual([DIGEST, OTHER_DIGEST, THIRD_DIGEST]);
    if (answer.kind !== "watched") return;
    expect(answer.history.rejected).toEqual(new Map([["untrusted-signer", 2]]));
  });

  test("a first sighting in a log that the policy does not name is not passed over", async () => {
    const other = sampleLog("unnamed.example.org");
    const root = jointRoot(log, other);
    const one = chainOf([{}], observer, { log: other, root });
    const ledger = sampleLedger({ lines: [...one, second] }, observer, { log, root });
    const { answers } = await readSample(
      ledger,
      [ALPINE],
      { ...reader, root },
      { logs: ["https://rekor.example.org"] },
    );
    expect(answers).toEqual([
      broken(`sighting 1 of "${ALPINE}" is missing, it may be in a log that the policy does not name`),
    ]);
  });

  test("a tag with strangers' lines alone is watched, and has no record", async () => {
    const foreign = lineOf({ digest: THIRD_DIGEST }, stranger, place);
    expect(await said(ledgerOf({ lines: [foreign] }))).toMatchObject({
      kind: "watched",
      history: { records: [], rejected: new Map([["untrusted-signer", 1]]), foreign: [] },
    });
  });

  test("a stranger's number fills no gap of the observer's", async () => {
    const previous = sha256(sightingStatement(sighting({ sequence: 1 })));
    const foreign = lineOf(
      { digest: OTHER_DIGEST, sequence: 2, previous, observedAt: at(60) },
      stranger,
      place,
    );
    const trust = [...reader.trust, ...trusting(stranger.signer)];
    const answer = await said(ledgerOf({ lines: [first, foreign, third] }), ALPINE, { trust });
    expect(answer).toEqual(broken(`sighting 2 of "${ALPINE}" is missing, so somebody left a line out`));
  });
});

describe("a ledger whose head is in Rekor v2", async () => {
  const newer = await sampleLogV2();
  const { text } = ledgerOf({ lines });
  const root = jointRoot(log, newer);
  const envelope = observer.sign(
    headStatement({
      ledger: REPOSITORY,
      sequence: 1,
      content: sha256(text),
      tags: 2,
      lines: lines.length,
      madeAt: newer.start,
    }),
  );
  const serving = (head: unknown) => ({
    configurations: new Map([[TAGGED, partConfiguration({ head, text })]]),
  });
  const later = new Date(newer.start.getTime() + 8 * DAY_MS);

  const head = await newer.bundle(envelope);

  test("is read like any other", async () => {
    const ledger = serving(head);
    expect(digestsIn(await said(ledger, ALPINE, { root, now: newer.start }))).toHaveLength(3);
    expect(await said(ledger, ALPINE, { root, now: later })).toMatchObject({ reason: "ledger-too-old" });
  });

  test("is not made new by a new timestamp over its signature", async () => {
    newer.now = later;
    const signedTimestamp = await newer.timestamp(envelope.signatures[0]?.sig ?? new Uint8Array());
    const again = structuredClone(head);
    again.verificationMaterial.timestampVerificationData = { rfc3161Timestamps: [{ signedTimestamp }] };
    expect(await said(serving(again), ALPINE, { root, now: later })).toEqual(
      broken(/^its head does not hold \(replayed\)/),
    );
  });
});
