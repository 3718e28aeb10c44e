// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import type { LedgerAnswer } from "../../src/ledger/answer.ts";
import {
  headIn,
  ledgerIndex,
  manifestOf,
  MAX_PART_BYTES,
  parseConfiguration,
  parseShards,
  partConfiguration,
  shardOf,
  shardsText,
} from "../../src/ledger/layout.ts";
import { MAX_TAG_LINES, readPart } from "../../src/ledger/lines.ts";
import { openLedger } from "../../src/ledger/reading.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { mutateText, seeded } from "../record/mutations.ts";
import { certify, rootWith, sampleAuthority, signCertified } from "../record/sample-identity.ts";
import { ALPINE, DIGEST, OTHER_DIGEST, sampleLog, trusting } from "../record/sample-log.ts";
import {
  chainOf,
  DAY_MS,
  keyWriter,
  MADE,
  readSample,
  REPOSITORY,
  type SampleContent,
  sampleLedger,
  signedHead,
  type SampleReader,
  TAGGED,
} from "./sample-ledger.ts";

const log = sampleLog();
const place = { log, root: log.trustedRoot };
const observer = keyWriter();
const chain = chainOf([{}, { digest: OTHER_DIGEST }], observer, place);

const reader: SampleReader = {
  root: log.trustedRoot,
  source: { repository: REPOSITORY, observer: observer.signer, approvers: [], maxAgeMs: 7 * DAY_MS },
  trust: trusting(observer.signer),
};

const ledgerOf = (content: SampleContent) => sampleLedger(content, observer, place);

async function answered(
  configurations: ReadonlyMap<string, Uint8Array>,
  tags: readonly string[] = [ALPINE],
): Promise<readonly LedgerAnswer[]> {
  return (await readSample({ configurations: new Map(configurations) }, tags, reader)).answers;
}

const served = (bytes: Uint8Array | string) => new Map([[TAGGED, Buffer.from(bytes)]]);
const broken = (detail: RegExp) => ({
  kind: "failed",
  reason: "ledger-broken",
  detail: expect.stringMatching(detail) as string,
});

/** Lines that look like lines, and are those of tags that nobody asks about. */
function otherLines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `docker.io/library/other-${index}:1 nobody reads on`);
}

describe("a ledger of 100,000 tags in 1,024 shards", () => {
  const ledger = ledgerOf({ lines: [...chain, ...otherLines(100_000)], shards: 1024 });
  const tags = [ALPINE, "docker.io/library/nginx:1.27", "docker.io/library/redis:7"];

  test("a build asks for the head, and for one shard a tag at most", async () => {
    const { answers, asked } = await readSample(ledger, tags, reader);
    expect(answers.map(({ kind }) => kind)).toEqual(["watched", "not-watched", "not-watched"]);
    expect(asked[0]).toBe(TAGGED);
    expect(asked).toHaveLength(1 + new Set(tags.map((tag) => shardOf(tag, 1024))).size);
  });

  test("a tag that is asked about again costs nothing", async () => {
    const { asked } = await readSample(ledger, [ALPINE, ALPINE, "alpine:3.16.0"], reader);
    expect(asked).toHaveLength(2);
  });

  test("its index names its head, and stays under 4 MiB, which registries take", () => {
    const of = (bytes: Uint8Array) => ({ digest: sha256(bytes), size: bytes.length });
    const head = of(manifestOf(ledger.configurations.get(TAGGED) ?? new Uint8Array()));
    const shards = [...ledger.configurations.values()].slice(0, 1024).map((each) => of(manifestOf(each)));
    const index = ledgerIndex({ head, shards });
    expect(headIn(index, Error)).toBe(head.digest);
    expect(index.length).toBeLessThan(4 * 1024 * 1024);
  });
});

describe("what is too much", () => {
  test("a configuration over the limit is not read", async () => {
    const bytes = Buffer.alloc(MAX_PART_BYTES + 1, " ");
    expect(await answered(served(bytes))).toEqual([
      broken(/^its head cannot be read: it has 8388609 bytes, and the limit is 8388608$/),
    ]);
  });

  test("neither is a shard over the limit, which the head names", async () => {
    const shard = partConfiguration({ text: "x".repeat(MAX_PART_BYTES) });
    const digest = sha256(manifestOf(shard));
    const { configurations } = withContent(shardsText([digest]));
    configurations.set(`${REPOSITORY}@${digest}`, shard);
    expect(await answered(configurations)).toEqual([
      broken(/^its shard "sha256:[0-9a-f]{64}" cannot be read: it has \d+ bytes, and the limit is 8388608$/),
    ]);
  });

  test("a tag with more lines than an observer keeps", async () => {
    const lines = Array.from({ length: MAX_TAG_LINES + 1 }, (_, index) => `${ALPINE} ${index}`);
    expect(await answered(ledgerOf({ lines }).configurations)).toEqual([
      broken(/^it has more than 1024 lines of "docker.io\/library\/alpine:3.16.0"$/),
    ]);
  });

  test.for([
    {
      what: "more shards than there may be",
      text: shardsText(Array.from({ length: 2048 }, () => undefined)),
    },
    {
      what: "a number of shards that is no power of two",
      text: shardsText([undefined, undefined, undefined]),
    },
    { what: "fewer shards than it says", text: shardsText([undefined]).replace("shards 1", "shards 16") },
    { what: "a text that breaks off", text: shardsText([undefined, undefined]).slice(0, -1) },
    { what: "a name that is no digest", text: shardsText([undefined]).replace("\n-\n", "\n../v1\n") },
  ])("$what", async ({ text }) => {
    expect(await answered(withContent(text).configurations)).toEqual([
      broken(/^(the names of its shards are none: |it has another text where part 0 of 1 is to be)/),
    ]);
  });
});

/** A ledger whose head is signed for just this text. */
function withContent(text: string): { readonly configurations: Map<string, Uint8Array> } {
  const { head } = signedHead(text, { lines: [] }, { observer, place });
  return { configurations: new Map([[TAGGED, partConfiguration({ head, text })]]) };
}

describe("a configuration that is none", () => {
  const good = new TextDecoder().decode(ledgerOf({ lines: chain }).configurations.get(TAGGED));
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

  test.for([
    { what: "nothing", bytes: "" },
    { what: "a web page", bytes: "<html>" },
    { what: "another image's", bytes: '{"architecture":"amd64","os":"linux","config":{"Env":["A=b"]}}' },
    { what: "an array", bytes: "[]" },
    { what: "null", bytes: "null" },
    { what: "a text that is a number", bytes: '{"tlog-ledger":{"version":1,"text":1}}' },
    { what: "a part that is a list", bytes: '{"tlog-ledger":[]}' },
    { what: "a version that is a text", bytes: '{"tlog-ledger":{"version":"1","text":""}}' },
    { what: "bytes that are not UTF-8", bytes: Buffer.concat([Buffer.from(good), Buffer.of(0xff)]) },
    { what: "two documents", bytes: good + good },
    {
      what: "a head as deep as it fits",
      bytes: `{"tlog-ledger":{"version":1,"text":"","head":${deep(1_000_000)}}}`,
    },
    { what: "a head that is a text", bytes: '{"tlog-ledger":{"version":1,"text":"","head":"x"}}' },
    {
      what: "a head that is huge",
      bytes: `{"tlog-ledger":{"version":1,"text":"","head":"${"x".repeat(5_000_000)}"}}`,
    },
    { what: "a prototype", bytes: '{"__proto__":{"tlog-ledger":{"version":1,"text":""}}}' },
    { what: "a part's prototype", bytes: '{"tlog-ledger":{"__proto__":{"version":1,"text":""}}}' },
    { what: "a head's prototype", bytes: '{"tlog-ledger":{"version":1,"text":"","head":{"__proto__":{}}}}' },
  ])("$what", async ({ bytes }) => {
    const [answer] = await answered(served(bytes));
    expect(answer).toEqual(broken(/^its head (cannot be read|does not hold)/));
    expect(JSON.stringify(answer).length).toBeLessThan(1000);
  });

  test("one of a later version of the format", async () => {
    const later = '{"tlog-ledger":{"version":2,"text":""}}';
    expect(await answered(served(later))).toEqual([
      broken(
        /^its head cannot be read: it is of version 2 of the format, and this tlog-dockerfile reads version 1; update it$/,
      ),
    ]);
  });

  test("what a later version adds is let through", () => {
    const more = good.replace('"tlog-ledger":{', '"more":1,"tlog-ledger":{"more":1,');
    expect(parseConfiguration(Buffer.from(more), Error)).toEqual(
      parseConfiguration(Buffer.from(good), Error),
    );
  });
});

describe("an index that is none names no head", () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  const manifest = (change: object = {}) => ({
    digest,
    size: 1,
    platform: { os: "linux", architecture: "amd64" },
    ...change,
  });
  const json = (manifests: unknown) => JSON.stringify({ schemaVersion: 2, manifests });

  test("one with a head names it", () => {
    expect(headIn(Buffer.from(json([manifest()])), Error)).toBe(digest);
  });

  test.for([
    { what: "not JSON", bytes: "<html>" },
    { what: "a manifest of an image", bytes: '{"schemaVersion":2,"config":{}}' },
    { what: "no manifests", bytes: json([]) },
    { what: "manifests that are an object", bytes: json({ 0: manifest() }) },
    { what: "more manifests than a ledger has", bytes: json(Array.from({ length: 1026 }, () => manifest())) },
    {
      what: "none for the head's platform",
      bytes: json([manifest({ platform: { os: "unknown", architecture: "unknown" } })]),
    },
    { what: "one without a platform", bytes: json([{ digest, size: 1 }]) },
    {
      what: "a digest that is a path",
      bytes: json([manifest({ digest: "../../../v2/acme/app/manifests/v1" })]),
    },
    { what: "a digest that is a number", bytes: json([manifest({ digest: 1 })]) },
    { what: "a digest in upper case", bytes: json([manifest({ digest: digest.toUpperCase() })]) },
    { what: "a size that is a text", bytes: json([manifest({ size: "1" })]) },
    { what: "a prototype", bytes: `{"__proto__":${json([manifest()])}}` },
  ])("$what", ({ bytes }) => {
    expect(() => headIn(Buffer.from(bytes), (why) => new RangeError(why))).toThrow(RangeError);
  });
});

describe("a text that is none", () => {
  test("shards and lines are told apart by the first line alone", () => {
    expect(parseShards(shardsText([undefined]), Error)).toEqual([undefined]);
    expect(parseShards("# tlog.ledger 1 part 0 of 1\n", Error)).toBeUndefined();
    expect(parseShards("", Error)).toBeUndefined();
  });

  test.for([
    { what: "a line without a name", line: " x" },
    { what: "a line without a blank", line: "x" },
    { what: "a comment", line: "# nothing" },
    { what: "a gap without numbers", line: "# gap docker.io/library/alpine:3.16.0" },
    { what: "a gap from 0", line: "# gap docker.io/library/alpine:3.16.0 0-3" },
    { what: "an empty line", line: "" },
  ])("an observer does not go on with $what", ({ line }) => {
    const text = `# tlog.ledger 1 part 0 of 1\n${line}\n`;
    expect(() => readPart(text, { part: 0, of: 1 })).toThrow("it has a line that is none");
  });

  test("an observer reads what it wrote", () => {
    const { text } = ledgerOf({ lines: chain, gaps: { [ALPINE]: { from: 3, to: 5 } } });
    expect(readPart(text, { part: 0, of: 1 })).toEqual(
      new Map([[ALPINE, { lines: chain, gap: { from: 3, to: 5 } }]]),
    );
  });
});

describe("whatever is changed in a head, it is refused or says the same", () => {
  test.for([11, 12])("in 250 mutations of its configuration, from seed %i", async (seed) => {
    const random = seeded(seed);
    const { configurations } = ledgerOf({ lines: chain });
    const good = new TextDecoder().decode(configurations.get(TAGGED));
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 250; round++) {
      const [text] = mutateText(good, random);
      // A tag that is watched and one that is not: a change may make neither of the other.
      const [watched, other] = await answered(served(text), [ALPINE, "nginx:1.27"]);
      const outcome = outcomeOf(watched);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expect(["says the same", "ledger-broken", "ledger-foreign"]).toContain(outcome);
      expect(other?.kind).toBe(outcome === "says the same" ? "not-watched" : "failed");
    }
    expect(outcomes.get("ledger-broken")).toBeGreaterThan(200);
  });

  test.for([13])("in 250 mutations of the list of shards and of a shard, from seed %i", async (seed) => {
    const random = seeded(seed);
    const { configurations } = ledgerOf({ lines: chain, shards: 4 });
    for (let round = 0; round < 250; round++) {
      const changed = new Map(configurations);
      const keys = [...configurations.keys()];
      const key = keys[random(keys.length)] ?? "";
      changed.set(key, Buffer.from(mutateText(new TextDecoder().decode(configurations.get(key)), random)[0]));
      const [answer] = await answered(changed);
      expect(["says the same", "ledger-broken", "ledger-foreign"]).toContain(outcomeOf(answer));
    }
  });
});

function outcomeOf(answer: LedgerAnswer | undefined): string {
  if (answer?.kind === "failed") return answer.reason;
  if (answer?.kind !== "watched") return "not watched";
  const digests = answer.history.records.map(({ digest }) => digest);
  return digests.join() === [DIGEST, OTHER_DIGEST].join() ? "says the same" : "says something else";
}

describe("an observer with an identity", () => {
  const who = { issuer: "https://token.actions.githubusercontent.com", identity: "ci@acme.example" };

  async function identityLedger(certified: { readonly issuer: string; readonly identity: string }) {
    const authority = await sampleAuthority();
    const identities = sampleLog();
    const root = rootWith(authority, identities);
    const where = { log: identities, root };
    const key = await certify(authority.issuing, certified);
    const writer = {
      signer: parseIdentity(certified),
      sign: (payload: Uint8Array) => signCertified(payload, key),
    };
    const lines = chainOf([{ observedAt: authority.time }], writer, where);
    const ledger = sampleLedger({ lines, madeAt: authority.time }, writer, where);
    const source = { ...reader.source, observer: parseIdentity(who) };
    const { answers } = await readSample(ledger, [ALPINE], {
      root,
      source,
      trust: trusting(parseIdentity(who)),
      now: authority.time,
    });
    return answers[0];
  }

  test("is proven by its certificate", async () => {
    const answer = await identityLedger(who);
    expect(answer).toMatchObject({
      kind: "watched",
      history: { records: [{ digest: DIGEST, sequence: 1 }] },
    });
  });

  test("is no other with a certificate of the same authority", async () => {
    const answer = await identityLedger({ ...who, identity: "other@acme.example" });
    expect(answer).toMatchObject({ kind: "failed", reason: "ledger-foreign" });
    expect(answer).toHaveProperty("detail", expect.stringContaining("other@acme.example"));
  });
});

describe("a log or an authority that the trusted root does not have", () => {
  const ledger = ledgerOf({ lines: chain });
  const older = sampleLog("older.example.org").trustedRoot;

  test("is looked for in a newer one, for the head and for the lines", async () => {
    let asked = 0;
    const newerRoot = async () => {
      asked += 1;
      return log.trustedRoot;
    };
    const { answers } = await readSample(ledger, [ALPINE], { ...reader, root: older }, { newerRoot });
    expect(outcomeOf(answers[0])).toBe("says the same");
    expect(asked).toBe(2);
  });

  test.for([
    { what: "there is no newer one", newerRoot: async () => undefined },
    { what: "the newer one cannot be had", newerRoot: () => Promise.reject(new Error("offline")) },
    { what: "the newer one does not have it either", newerRoot: async () => older },
  ])("and $what", async ({ newerRoot }) => {
    const { answers } = await readSample(ledger, [ALPINE], { ...reader, root: older }, { newerRoot });
    expect(answers).toEqual([broken(/^its head does not hold \(unknown-log\)/)]);
  });

  test("or that the policy does not name", async () => {
    const { answers } = await readSample(ledger, [ALPINE], reader, { logs: ["https://named.example.org"] });
    expect(answers).toEqual([broken(/^its head does not hold \(unnamed-log\)/)]);
  });
});

test("what is no answer of the ledger is thrown on", async () => {
  const configuration = () => Promise.reject(new TypeError("a fault of ours"));
  await expect(readSample(ledgerOf({ lines: chain }), [ALPINE], reader, { configuration })).rejects.toThrow(
    "a fault of ours",
  );
});

test("a ledger that was begun and is not asked ends quietly", async () => {
  const ledger = openLedger(reader.source, {
    configuration: () => Promise.reject(new TypeError("a fault of ours")),
    trustedRoot: async () => log.trustedRoot,
    now: () => MADE,
  });
  expect(ledger.start()).toBeUndefined();
  // An unhandled rejection would fail the run.
  await new Promise((resolve) => setImmediate(resolve));
});
